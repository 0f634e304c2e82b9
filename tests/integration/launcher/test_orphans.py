"""LAUNCHER was changed while runs lived: that is told, loudly."""

from __future__ import annotations

import logging

import pytest

from services.launcher import figures
from services.launcher.orphans import Orphans
from support.fake_backend import FakeBackend
from support.launcher import Launcher

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def launcher(database, tmp_path):
    launcher = Launcher(database, tmp_path, FakeBackend(), max_running=2)
    for job in ("a", "b", "waits"):
        launcher.request(job)
    launcher.round()
    return launcher


def told(caplog, launcher, name):
    with caplog.at_level(logging.ERROR):
        Orphans(launcher.db, name).tell()
    return [record.getMessage() for record in caplog.records if "have not ended" in record.getMessage()]


def test_runs_of_another_launcher_are_told_with_what_to_do(caplog, launcher):
    [line] = told(caplog, launcher, "ecs")
    assert line.startswith("LAUNCHER is ecs, and 2 runs of fake have not ended")
    assert "LAUNCHER=fake" in line
    assert figures.of(launcher.db, "ecs")["triptych_runs_of_others"] == {("fake",): 2.0}


def test_nothing_is_told_where_it_looks_after_them_itself_or_they_have_ended(caplog, launcher):
    assert told(caplog, launcher, "fake") == []
    assert figures.of(launcher.db, "fake")["triptych_runs_of_others"] == {}
    for handle in launcher.backend.alive:
        launcher.backend.exit(handle, 2)
    launcher.reconciler.look()
    assert told(caplog, launcher, "ecs") == []
