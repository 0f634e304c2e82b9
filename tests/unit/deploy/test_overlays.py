"""What kustomize makes of each overlay: valid objects, and processes that would start with the environment they get."""

from __future__ import annotations

import shutil

import pytest

from runtime.settings import MigrationSettings, RelaySettings, Settings, load
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.launcher.settings import LauncherSettings
from services.metrics.settings import MetricsSettings
from services.predictor.settings import PredictorSettings
from support.manifests import OVERLAYS, environment, labels, name, of_kind, pod, rendered
from ui.settings import UiSettings

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on this machine")

SETTINGS = {
    "api": ApiSettings,
    "api-worker": ApiSettings,
    "schema": IngestSettings,
    "staging": IngestSettings,
    "launcher": LauncherSettings,
    "metrics": MetricsSettings,
    "metrics-worker": MetricsSettings,
    "predictor": PredictorSettings,
    "relay": RelaySettings,
    "migrate": MigrationSettings,
    "ui": UiSettings,
    "gateway": None,  # has arguments only
    "bucket": Settings,  # calls boto3 alone
}
BOTO3 = {"AWS_REGION", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
SECRETS = {
    "DATABASE_URL": "postgresql://u:p@h/d",
    "REDIS_URL": "redis://h/0",
    "CALLBACK_ROOT_SECRET": "x" * 32,
    "CALLBACK_ROOT_SECRET_PREVIOUS": "",
    "CALLBACK_SECRET": "",
    "FIRST_KEY": "trp_" + "x" * 32,
}
# The oldest that the guide promises, and the newest that the validator knows
OLDEST, NEWEST = "1.30", "1.37"


def overlays():
    return pytest.mark.parametrize("overlay", OVERLAYS)


def ours(overlay):
    found = of_kind(rendered(overlay), "Deployment", "Job")
    return [item for item in found if labels(item)["app.kubernetes.io/name"] == "triptych"]


def validate(objects, version):
    """By Kubernetes' own OpenAPI schemas, which kubernetes-validate carries; fields that it does not know are refused."""
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    for item in objects:
        if not item["apiVersion"].startswith("keda.sh/"):  # test_autoscaling.py
            kubernetes_validate.validate(item, version, strict=True)


def test_objects_are_valid():
    """One of each kind and name: that takes half the time, and overlays change little in what they share."""
    found = {}
    for overlay in OVERLAYS:
        for item in rendered(overlay):
            found.setdefault((item["kind"], item["metadata"]["name"]), item)
    validate(found.values(), OLDEST)


@pytest.mark.long
@overlays()
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_all_objects_are_valid(overlay, version):
    validate(rendered(overlay), version)


@overlays()
def test_every_process_would_start_and_knows_every_variable(overlay, monkeypatch):
    for item in ours(overlay):
        process, found = item["metadata"]["name"], environment(rendered(overlay), item)
        cls = SETTINGS[process]
        known = {field.upper() for field in cls.model_fields} if cls else set()
        assert found.keys() - BOTO3 <= known, process
        if cls is None or process == "bucket":
            continue
        with monkeypatch.context() as patched:
            for variable in known:
                patched.delenv(variable, raising=False)
            for variable, value in found.items():
                patched.setenv(
                    variable, SECRETS[variable] if value == "secret" and variable in SECRETS else value
                )
            settings = load(cls)  # names what is missing or wrong
        [container] = pod(item)["containers"]
        ports = {port["containerPort"] for port in container.get("ports", [])}
        if getattr(settings, "health_port", 0):
            assert ports == {settings.health_port}, process


@overlays()
def test_whoever_reads_objects_may_and_no_one_else(overlay):
    """In development by keys; on AWS a role hangs on the account, and no key is anywhere."""
    with_keys = {
        item["metadata"]["name"]
        for item in ours(overlay)
        if "AWS_SECRET_ACCESS_KEY" in environment(rendered(overlay), item)
    }
    reads = {"api", "api-worker", "schema", "staging", "launcher", "predictor", "bucket"}
    assert with_keys == (reads if overlay == "dev" else set())


@overlays()
def test_a_process_has_the_time_to_stop_that_it_needs(overlay, monkeypatch):
    for item in of_kind(rendered(overlay), "Deployment"):
        [container] = pod(item)["containers"]
        found = environment(rendered(overlay), item)
        before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if container["ports"][0]["name"] == "health":
            # Settings and docs/operations.md: 3 s until whoever hangs is cut off
            needs = (
                float(found.get("WORK_STOP_SECONDS", Settings.model_fields["work_stop_seconds"].default)) + 3
            )
        else:
            assert before > 0, "a Service leads here for some seconds more"
            needs = 8 + 3
        assert pod(item)["terminationGracePeriodSeconds"] >= before + needs, name(item)


@overlays()
def test_names_that_objects_refer_to_exist(overlay):
    objects = rendered(overlay)
    made = {(item["kind"], item["metadata"]["name"]) for item in objects}
    outside = (
        {"triptych-database", "triptych-redis", "triptych-callbacks", "triptych-access"}
        if overlay == "aws"
        else set()
    )
    for item in of_kind(objects, "Deployment", "StatefulSet", "Job"):
        [container] = pod(item)["containers"]
        for source in container.get("envFrom", []):
            for kind, reference in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
                assert reference not in source or (kind, source[reference]["name"]) in made
        for variable in container.get("env", []):
            secret = variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name")
            assert secret is None or secret in outside or ("Secret", secret) in made
        for volume in pod(item).get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in made
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made


@overlays()
def test_no_image_is_latest(overlay):
    for item in of_kind(rendered(overlay), "Deployment", "StatefulSet", "Job"):
        [container] = pod(item)["containers"]
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        assert tag not in {"", "latest"}, container["image"]


@overlays()
def test_what_has_to_be_there_first_can_be_picked(overlay):
    """`kubectl apply -l triptych/stage=setup` has the migration and all that it needs, and no service."""
    picked = [
        item
        for item in rendered(overlay)
        if item["metadata"].get("labels", {}).get("triptych/stage") == "setup"
    ]
    kinds = {item["kind"] for item in picked}
    assert {
        "Namespace",
        "ServiceAccount",
        "ConfigMap",
        "NetworkPolicy",
        "PersistentVolumeClaim",
        "Job",
    } <= kinds
    assert "Deployment" not in kinds
    for item in of_kind(rendered(overlay), "Namespace", "ServiceAccount", "Job", "NetworkPolicy", "Secret"):
        assert item in picked or item["metadata"]["name"] == "prometheus", name(item)


def test_only_development_has_stores():
    assert {item["metadata"]["name"] for item in of_kind(rendered("dev"), "StatefulSet")} == {
        "postgres",
        "redis",
        "s3",
    }
    assert {item["metadata"]["name"] for item in of_kind(rendered("aws"), "StatefulSet")} == {"prometheus"}
    assert not of_kind(rendered("aws"), "Secret")


def test_the_launcher_calls_the_cluster_only_where_it_trains_there():
    for overlay, token in (("dev", True), ("aws", False)):
        [launcher] = [item for item in ours(overlay) if item["metadata"]["name"] == "launcher"]
        assert pod(launcher)["automountServiceAccountToken"] is token
