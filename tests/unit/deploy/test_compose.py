"""compose.yaml: valid, complete, with settings that services know, and as closed as it can be."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from runtime.settings import MigrationSettings, RelaySettings
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.launcher.settings import LauncherSettings
from services.metrics.settings import MetricsSettings
from services.predictor.settings import PredictorSettings
from support import compose
from ui.settings import UiSettings

ROOT = Path(__file__).parents[3]
FILE = ROOT / "compose.yaml"
EXAMPLE = compose.env_file(ROOT / ".env.example")
SECRETS = {name for name, value in EXAMPLE.items() if value.endswith("change-me")}
A_SECRET = "trp_" + "s" * 48
SERVICES = compose.load(FILE, {**EXAMPLE, **dict.fromkeys(SECRETS, A_SECRET)})["services"]
OURS = {name: image for name in SERVICES if (image := compose.image_of(SERVICES, name)) is not None}
ONCE = {"migrations", "bucket"}
SETTINGS = {
    "runtime.migrate": MigrationSettings,
    "runtime.relay": RelaySettings,
    "services.api": ApiSettings,
    "services.api.worker": ApiSettings,
    "services.ingest.worker": IngestSettings,
    "services.launcher.worker": LauncherSettings,
    "services.metrics": MetricsSettings,
    "services.metrics.worker": MetricsSettings,
    "services.predictor.worker": PredictorSettings,
    "ui": UiSettings,
}
# What others read from the environment: boto3, Python, the shell
ALIEN = {
    *("AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"),
    *("HOME", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONUNBUFFERED"),
}


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_a_file_follows_the_compose_specification(name):
    schema = json.loads((ROOT / "tests/support/schemas/compose-spec.json").read_text("utf-8"))
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load((ROOT / name).read_text("utf-8")))


def test_the_example_has_every_variable_and_no_other():
    assert set(EXAMPLE) == compose.variables(FILE.read_text("utf-8"))


def test_the_example_s_values_are_the_defaults():
    optional = {name: value for name, value in EXAMPLE.items() if name not in SECRETS}
    secrets = dict.fromkeys(SECRETS, A_SECRET)
    assert compose.load(FILE, secrets) == compose.load(FILE, {**optional, **secrets})


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_without_a_secret_nothing_starts(name):
    with pytest.raises(KeyError, match=name):
        compose.load(FILE, dict.fromkeys(SECRETS - {name}, A_SECRET))


def test_each_secret_is_made_at_random_and_never_made_again(tmp_path):
    (tmp_path / "scripts").mkdir()
    for path in ("scripts/compose-env", ".env.example"):
        shutil.copy(ROOT / path, tmp_path / path)
    subprocess.run([tmp_path / "scripts/compose-env"], check=True)
    made = compose.env_file(tmp_path / ".env")
    assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    assert {name: value for name, value in made.items() if name not in SECRETS} == {
        name: value for name, value in EXAMPLE.items() if name not in SECRETS
    }
    assert len({made[name] for name in SECRETS}) == len(SECRETS)
    assert all(len(made[name].removeprefix("trp_")) == 48 for name in SECRETS)
    again = subprocess.run([tmp_path / "scripts/compose-env"], check=False, capture_output=True, text=True)
    assert again.returncode == 1
    assert "there already" in again.stderr


@pytest.mark.parametrize("name", sorted(set(OURS) - {"bucket", "gateway"}))
def test_a_service_gets_settings_that_it_knows_and_accepts(name, monkeypatch):
    env = compose.settings_of(SERVICES[name], OURS[name])
    cls = SETTINGS[compose.argv_of(SERVICES[name], OURS[name])[3]]
    known = {field.upper() for field in cls.model_fields}
    # Images set these for all of their processes
    of_the_image = {variable for each in OURS[name].all("ENV") for variable in each.settings()}
    assert set(env) - ALIEN - of_the_image <= known
    for variable in os.environ:
        monkeypatch.delenv(variable)
    for variable, value in env.items():
        monkeypatch.setenv(variable, value)
    cls()


def test_secrets_and_stores_go_only_to_those_that_use_them():
    def holders(variable):
        return {name for name, service in SERVICES.items() if variable in service.get("environment", {})}

    assert holders("CALLBACK_ROOT_SECRET") == {"launcher", "metrics", "metrics-worker"}
    assert holders("CALLBACK_SECRET") == {"launcher", "metrics", "metrics-worker"}
    assert holders("SPOOL_DIR") == {"api", "api-worker", "ingest-schema", "ingest-staging"}
    assert not holders("DATABASE_URL") & {"bucket", "ui", "gateway"}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_container_is_closed_limited_and_probed(name):
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}
    assert not service.get("privileged")
    assert "container_name" not in service
    tag = service["image"].rpartition(":")[2]
    assert tag not in ("", "latest")
    if name in ONCE:
        assert service["healthcheck"] == {"disable": True}
    elif name in OURS:
        assert OURS[name].last("HEALTHCHECK").value != "NONE"
    else:
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_only_what_people_use_is_published_and_only_to_this_machine():
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"gateway", "objects", "prometheus", "grafana", "flower"}
    for name in published:
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


def test_a_service_waits_for_those_it_cannot_do_without():
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how == {
                "condition": "service_completed_successfully" if other in ONCE else "service_healthy"
            }, name
        if "DATABASE_URL" in service.get("environment", {}) and name not in ONCE:
            assert {"migrations", "bucket", "redis"} <= set(service["depends_on"])
    order = compose.in_order(SERVICES)
    assert order.index("postgres") < order.index("migrations") < order.index("api") < order.index("gateway")


def test_every_image_is_built_once_for_all_that_run_it():
    built = [service["image"] for service in SERVICES.values() if "build" in service]
    assert len(built) == len(set(built))
    assert {service["image"] for name, service in SERVICES.items() if name in OURS} == set(built)


def test_prometheus_asks_every_container_that_has_metrics():
    read = yaml.safe_load((ROOT / "deploy/prometheus/compose.yaml").read_text("utf-8"))
    [config] = read["scrape_configs"]
    [found] = config["dns_sd_configs"]
    assert set(found["names"]) == set(OURS) - ONCE - {"ui", "gateway"}
    assert read["rule_files"] == ["alerts.yaml"]
    assert found["port"] == 8000
    assert all(OURS[name].last("EXPOSE").value == "8000" for name in found["names"])


def test_grafana_is_given_a_data_source_and_the_dashboard():
    folder = ROOT / "deploy/grafana/provisioning"
    [source] = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text("utf-8"))["datasources"]
    [provider] = yaml.safe_load((folder / "dashboards/triptych.yaml").read_text("utf-8"))["providers"]
    mounted = {volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]}
    assert source["url"] == "http://prometheus:9090"
    assert provider["options"]["path"] + "/triptych.json" in mounted
