"""Every variable of every service: a bad value is refused by its name, and all mistakes are told at once."""

from __future__ import annotations

import pytest

from runtime.settings import InvalidSettings, RelaySettings, Settings, load
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.launcher.settings import LauncherSettings
from services.metrics.settings import MetricsSettings
from services.predictor.settings import PredictorSettings
from ui.settings import UiSettings

GOOD = {
    "DATABASE_URL": "sqlite:////tmp/x.db",
    "REDIS_URL": "redis://localhost:6379/0",
    "OBJECTS_URL": "file:///tmp/objects",
    "SPOOL_DIR": "/tmp/spool",
    "RUNS_DIR": "/tmp/runs",
    "TRAINER_API_BASE": "http://localhost:8080",
    "CALLBACK_ROOT_SECRET": "0123456789abcdef" * 2,
    "API_BASE": "http://localhost:8080",
}
ALL = [
    RelaySettings,
    ApiSettings,
    IngestSettings,
    LauncherSettings,
    MetricsSettings,
    PredictorSettings,
    UiSettings,
]
# Any text is a good value of these
FREE = {
    "spool_dir",
    "runs_dir",
    "trainer_command",
    "ecs_cluster",
    "ecs_task_definition",
    "ecs_container",
    "ecs_subnets",
    "ecs_security_groups",
    "ecs_capacity_provider",
    "kubernetes_namespace",
    "kubernetes_image",
    "kubernetes_kubeconfig",
    "kubernetes_image_pull_secrets",
    "kubernetes_service_account",
    "kubernetes_env_secrets",
    "health_host",
    "serve_command",
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_workspace",
}
FIELDS = [(cls, name) for cls in ALL for name in cls.model_fields if name not in FREE]


@pytest.fixture(autouse=True)
def good_environment(monkeypatch):
    for cls in ALL:
        for name in cls.model_fields:
            monkeypatch.delenv(name.upper(), raising=False)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_the_least_environment_is_enough(cls):
    load(cls)


@pytest.mark.parametrize(("cls", "name"), FIELDS, ids=lambda item: getattr(item, "__name__", item))
def test_a_bad_value_is_refused_by_name(cls, name, monkeypatch):
    monkeypatch.setenv(name.upper(), "?")
    with pytest.raises(InvalidSettings, match=rf"{name.upper()} is "):
        load(cls)


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_variable_is_described(cls):
    assert [name for name, field in cls.model_fields.items() if not field.description] == []


def test_a_wrong_secret_is_not_shown(monkeypatch):
    monkeypatch.setenv("CALLBACK_ROOT_SECRET", "too-short")
    with pytest.raises(InvalidSettings, match="CALLBACK_ROOT_SECRET is wrong") as caught:
        load(MetricsSettings)
    assert "too-short" not in str(caught.value)


def test_a_password_in_a_wrong_address_is_not_shown(monkeypatch):
    monkeypatch.setenv("TRAINER_API_BASE", "http://user:pa%40ss-word-long@gateway:8080")
    with pytest.raises(InvalidSettings, match="TRAINER_API_BASE is ") as caught:
        load(LauncherSettings)
    assert "pa%40ss" not in str(caught.value)


def test_all_mistakes_are_told_at_once_and_a_blank_is_unset(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "mysql://user:hunter2@host/db")
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("HEALTH_PORT", "99999")
    with pytest.raises(InvalidSettings) as caught:
        load(Settings)
    message = str(caught.value)
    assert "DATABASE_URL is 'mysql://…'" in message
    assert "hunter2" not in message
    assert "REDIS_URL is not set" in message
    assert "HEALTH_PORT is '99999'" in message


def test_a_prediction_may_not_last_longer_than_its_worker_waits_for_it(monkeypatch):
    monkeypatch.setenv("WORK_MAX_SECONDS", "3900")
    with pytest.raises(InvalidSettings, match=r"WORK_MAX_SECONDS \(3900\) must be above LOAD_SECONDS"):
        load(PredictorSettings)
    monkeypatch.setenv("WORK_MAX_SECONDS", "3901")
    load(PredictorSettings)
