"""`triptych artifacts`."""

from __future__ import annotations

from typer.testing import CliRunner

from cli.main import app


def test_a_file_is_no_folder_to_download_into(tmp_path, monkeypatch):
    (tmp_path / "there").write_text("kept")
    monkeypatch.chdir(tmp_path)  # a short path, which the error does not break
    done = CliRunner().invoke(app, ["artifacts", "j", "--download", "there"])
    assert (done.exit_code, "is a file" in done.output) == (2, True)
