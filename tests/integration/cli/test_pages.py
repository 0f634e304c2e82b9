"""The commands of the tutorial and of the how-tos, as they stand there, against a running platform."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import sqlite3
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


def _program(path, *command):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *command])} "$@"\n')
    path.chmod(0o755)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What someone has in front of them after `make demo`."""
    folder = tmp_path_factory.mktemp("clone")
    demo_data.make(folder / "var" / "demo")
    _program(folder / ".venv" / "bin" / "triptych", "-m", "cli.main")
    _program(folder / ".venv" / "bin" / "python")
    (folder / "examples").symlink_to(ROOT / "examples")
    return folder


@pytest.fixture(scope="module")
def follow(clone):
    """Do what a page says, in a folder, with `.venv/bin` on the PATH."""

    def run(name, folder, **env):
        path = f"{clone}/.venv/bin:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", marked()[name]],
            cwd=folder,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "160", **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_every_marked_block_is_followed_here():
    assert set(marked()) == {"tutorial", "sweep", "own-model", "copy-var"}


def test_the_tutorial_leads_from_a_table_to_predictions(follow, clone, platform):
    shown = follow("tutorial", clone, TRIPTYCH_URL=platform.url)
    folder = clone / "var" / "demo"
    job = json.loads((folder / "job.json").read_text())
    assert (job["state"], job["model"]) == ("succeeded", "linear_baseline")
    assert json.loads((folder / "schema.json").read_text())["target"] == "script"
    names = {item["name"] for item in json.loads((folder / "artifacts.json").read_text())["items"]}
    assert names == {path.name for path in (folder / "model").iterdir()}
    with (folder / "answers.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len((folder / "letters.csv").read_text().splitlines()) - 1
    assert re.search(r"letter_name +categorical", shown), "what the tutorial corrects"
    # The data set that it deletes is the one that it uploaded; the job's own stays
    assert job["dataset_id"] in [item["id"] for item in platform.get("/api/datasets/")["items"]]


def test_the_sweep_makes_and_compares_its_jobs(follow, clone, platform):
    shown = follow("sweep", clone / "var" / "demo", TRIPTYCH_URL=platform.url)
    rows = [line.split() for line in shown.splitlines()]
    assert rows[0] == ["validation_split", "seed", "accuracy", "macro_f1", "log_loss", "state", "job"]
    best_first = [float(row[3]) for row in rows[1:5]]
    assert best_first == sorted(best_first, reverse=True)
    names = [job["name"] for job in platform.get("/api/training_jobs/")["items"]]
    assert "compare trees: epochs=2" in names
    assert "sweep: validation_split=0.3, seed=2" in names


def test_the_example_is_copied_and_can_be_offered(follow, clone):
    follow("own-model", clone)
    listed = json.loads((clone / "models.json").read_text())
    assert "my_model" in [model["name"] for model in listed]


def test_one_machines_data_are_copied_while_it_runs(follow, clone, platform):
    (platform.folder / ".venv").symlink_to(clone / ".venv")
    follow("copy-var", platform.folder)
    tables = [
        list(sqlite3.connect(platform.folder / name).execute("SELECT id, name, state FROM api_datasets"))
        for name in ("var/triptych.db", "triptych-copy.db")
    ]
    assert tables[0] == tables[1] != []
    assert (platform.folder / "objects-copy" / "datasets").is_dir()
