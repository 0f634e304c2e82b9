import os

import pytest

from runtime.errors import Invalid
from runtime.storage import BadKey
from services.ingest.staging.spool import files_of, table_of


def test_files_come_in_the_order_of_their_names_with_their_sizes(tmp_path):
    for name, size in {"b/2.png": 3, "a.png": 0, "b/10.png": 5, ".hidden": 1, "B": 2}.items():
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(b"x" * size)
    assert [(file.name, file.size) for file in files_of(tmp_path)] == [
        (".hidden", 1),
        ("B", 2),
        ("a.png", 0),
        ("b/10.png", 5),
        ("b/2.png", 3),
    ]


def test_a_data_set_may_have_no_files(tmp_path):
    assert files_of(tmp_path) == []


def test_without_a_table_there_is_nothing_to_stage(tmp_path):
    with pytest.raises(Invalid, match=r"no table\.csv"):
        table_of(tmp_path)


@pytest.mark.parametrize("target", ["/etc/passwd", "nowhere", "."], ids=["file", "dangling", "folder"])
def test_a_link_is_refused(tmp_path, target):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "link").symlink_to(target)
    (tmp_path / "table.csv").symlink_to(target)
    with pytest.raises(Invalid, match="'link' is not a regular file"):
        files_of(tmp_path)
    with pytest.raises(Invalid, match=r"'table\.csv' is not a regular file"):
        table_of(tmp_path)


@pytest.mark.parametrize("name", [b"back\\slash", b"line\nbreak", b"latin-1 \xfc", b".part-1"])
def test_a_name_no_object_may_have_is_refused(tmp_path, name):
    (tmp_path / "files").mkdir()
    with open(os.path.join(os.fsencode(tmp_path), b"files", name), "wb"):  # noqa: PTH118, PTH123 - a name of bytes
        pass
    with pytest.raises(BadKey, match="bad object key"):
        files_of(tmp_path)


def test_a_file_that_vanished(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.png").touch()
    (file,) = files_of(tmp_path)
    (tmp_path / "files" / "a.png").unlink()
    with pytest.raises(Invalid, match=r"a\.png vanished from the spool"):
        file.open()
