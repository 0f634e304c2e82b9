"""The commands of the tutorial and of the how-tos, as they stand there, against a running platform."""

from __future__ import annotations

import csv
import json
import os
import shlex
import subprocess
import sys

import pytest

from cli import demo_data
from support.pages import ROOT, marked
from support.platform import Platform

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    running = Platform(tmp_path_factory.mktemp("pages"))
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def reader(platform, tmp_path_factory):
    """Someone in a clone, after `make demo`, with `triptych` on the PATH."""
    clone = tmp_path_factory.mktemp("clone")
    demo_data.make(clone / "var" / "demo")
    triptych = clone / "bin" / "triptych"
    triptych.parent.mkdir()
    triptych.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m cli.main "$@"\n')
    triptych.chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{triptych.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TRIPTYCH_URL": platform.url,
    }

    def follow(name, folder):
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", marked()[name]], cwd=clone / folder, env=env, capture_output=True,
            text=True, check=False,
        ), clone  # fmt: skip

    return follow


def test_the_tutorial_leads_from_a_table_to_predictions(reader, platform):
    done, clone = reader("tutorial", ".")
    assert done.returncode == 0, done.stderr
    folder = clone / "var" / "demo"
    job = json.loads((folder / "job.json").read_text())
    assert (job["state"], job["model"]) == ("succeeded", "linear_baseline")
    assert json.loads((folder / "schema.json").read_text())["target"] == "script"
    names = {item["name"] for item in json.loads((folder / "artifacts.json").read_text())["items"]}
    assert names == {path.name for path in (folder / "model").iterdir()}
    with (folder / "answers.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len((folder / "letters.csv").read_text().splitlines()) - 1
    assert "letter_name  categorical" in done.stdout, "what the tutorial corrects"
    # The data set that it deletes is the one that it uploaded; the job's own stays
    assert job["dataset_id"] in [item["id"] for item in platform.get("/api/datasets/")["items"]]


def test_the_sweep_makes_and_compares_its_jobs(reader, platform):
    done, _ = reader("sweep", "var/demo")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["validation_split", "seed", "accuracy", "macro_f1", "log_loss", "state", "job"]
    best_first = [float(row[3]) for row in rows[1:5]]
    assert best_first == sorted(best_first, reverse=True)
    names = [job["name"] for job in platform.get("/api/training_jobs/")["items"]]
    assert "compare trees: epochs=2" in names
    assert "sweep: validation_split=0.3, seed=2" in names
