"""Launchers without their workers."""

from __future__ import annotations

import pytest

from cli import leftovers
from support.ecs import cloud as serve_cloud
from support.launcher import Launcher


@pytest.fixture
def make_launcher(database, tmp_path):
    launchers = []

    def make(**limits: float) -> Launcher:
        launchers.append(Launcher(database, tmp_path, **limits))
        return launchers[-1]

    yield make
    leftovers.end(
        str(tmp_path), grace_seconds=0.0
    )  # trainers that nobody stopped, too, not their supervisors alone
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
