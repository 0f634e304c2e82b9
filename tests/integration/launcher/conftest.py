"""Launchers without their workers."""

from __future__ import annotations

from contextlib import suppress

import psutil
import pytest

from support.launcher import Launcher


@pytest.fixture
def make_launcher(database, tmp_path):
    launchers = []

    def make(**limits: float) -> Launcher:
        launchers.append(Launcher(database, tmp_path, **limits))
        return launchers[-1]

    yield make
    for process in psutil.process_iter(["cmdline"]):
        with suppress(psutil.Error):
            if any(str(tmp_path) in part for part in process.info["cmdline"] or []):
                process.kill()
                psutil.wait_procs([process])
    for launcher in launchers:
        launcher.reap()


@pytest.fixture
def launcher(make_launcher):
    return make_launcher()
