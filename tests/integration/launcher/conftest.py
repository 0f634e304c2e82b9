"""Launchers without their workers."""

from __future__ import annotations

from contextlib import suppress

import psutil
import pytest

from support.ecs import cloud as serve_cloud
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


@pytest.fixture(scope="session")
def _cloud():
    with serve_cloud() as made:
        yield made


@pytest.fixture
def cloud(_cloud, monkeypatch):
    """A fresh ECS cluster, with the environment in which object stores find its bucket."""
    _cloud.renew()
    monkeypatch.setenv("AWS_ENDPOINT_URL", _cloud.moto)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return _cloud
