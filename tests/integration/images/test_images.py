"""Each image, built by its Dockerfile's own lines, holds what its processes need, and nothing else of this repository."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from support.images import HEALTHY, ROOT, Builder, why_not
from support.redis_server import redis_binary

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(bool(why_not()), reason=f"no images can be built here: {why_not()}"),
]
STORES = {
    "DATABASE_URL": "sqlite:////tmp/triptych.db",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "OBJECTS_URL": "file:///tmp/objects",
}
SECRET = {"CALLBACK_ROOT_SECRET": "s" * 32}
LAUNCHER = {**STORES, **SECRET, "TRAINER_API_BASE": "http://gateway:8080"}
ECS = {
    "LAUNCHER": "ecs",
    "OBJECTS_URL": "s3://triptych",
    "AWS_DEFAULT_REGION": "us-east-1",
    "ECS_CLUSTER": "triptych",
    "ECS_TASK_DEFINITION": "trainer:1",
    "ECS_SUBNETS": "subnet-1",
    "ECS_SECURITY_GROUPS": "sg-1",
}
# Dockerfile, target, command (none: the image's own), what whoever runs it sets, volumes
PROCESSES = [
    ("services/api", None, "", STORES, ["/spool"]),
    ("services/api", None, "services.api.worker", STORES, ["/spool"]),
    ("services/api", None, "runtime.relay", STORES, []),
    ("services/ingest", None, "", STORES, ["/spool"]),
    ("services/ingest", None, "services.ingest.worker ingest.staging", STORES, ["/spool"]),
    ("services/launcher", "launcher", "", {**LAUNCHER, **ECS}, []),
    ("services/launcher", "launcher-local", "", LAUNCHER, ["/runs"]),
    ("services/metrics", None, "", {**STORES, **SECRET}, []),
    ("services/metrics", None, "services.metrics.worker", {**STORES, **SECRET}, []),
    ("services/predictor", None, "", STORES, []),
    ("ui", None, "", {}, []),
    ("cli", None, "", {}, []),
]
# Dockerfile, target, and the packages and modules that its processes may run or load by name
IMAGES = [
    ("services/api", None, ["services.api", "runtime.relay", "runtime.migrate"]),
    ("services/ingest", None, ["services.ingest"]),
    ("services/launcher", "launcher", ["services.launcher"]),
    ("services/launcher", "launcher-local", ["services.launcher", "trainer"]),
    ("services/metrics", None, ["services.metrics"]),
    ("services/predictor", None, ["services.predictor", "trainer"]),
    ("trainer", None, ["trainer"]),
    ("ui", None, ["ui"]),
    ("cli", None, ["cli.gateway"]),
]
# What an image may do without: another extra
OPTIONAL = {"opentelemetry", "tokenizers", "transformers"}
IMPORT = """
import importlib, json, sys
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        failed[name] = error.name
print(json.dumps(failed))
"""


def _reachable(host):
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Build an image, once for all tests."""
    cache = subprocess.check_output([sys.executable, "-m", "pip", "cache", "dir"], text=True).strip()
    Path(cache).mkdir(parents=True, exist_ok=True)
    # Without that site, pip must find the CPU build of torch as it is configured
    own_index = {} if _reachable("download.pytorch.org") else {"TORCH_INDEX": ""}
    builder = Builder(tmp_path_factory.mktemp("images"), Path(cache), own_index)
    built = {}

    def image(path, target):
        if (path, target) not in built:
            built[path, target] = builder.build(ROOT / path / "Dockerfile", target)
        return built[path, target]

    return image


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("contracts", "runtime", "services", "tabular", "trainer", "ui", "cli", cache_dir=None)


@pytest.mark.parametrize(("path", "target", "command", "env", "volumes"), PROCESSES)
def test_a_process_comes_up_without_rights_or_a_writable_root_and_ends_on_sigterm(
    build, path, target, command, env, volumes
):
    image = build(path, target)
    status, told = image.run(*command.split(), env=env, redis=redis_binary() or "", volumes=volumes)
    assert HEALTHY in told, told
    assert status == 0, told


@pytest.mark.parametrize(("path", "target", "runs"), IMAGES)
def test_every_module_that_an_image_runs_can_be_imported(build, graph, path, target, runs):
    own = {name for each in runs for name in {each, *graph.find_descendants(each)}}
    needed = {name for each in own for name in {each, *graph.find_upstream_modules(each)}}
    modules = sorted(name for name in needed if not name.endswith("__main__"))
    image = build(path, target)
    status, told = image.run("-c", IMPORT, *modules, env={}, probe=False, entrypoint=["python", "-P"])
    assert status == 0, told
    # The launcher that runs trainers itself has no use for a cluster
    optional = OPTIONAL | ({"kubernetes"} if target == "launcher-local" else set())
    missing = {name: lacks for name, lacks in json.loads(told).items() if lacks.partition(".")[0] not in optional}
    assert not missing


@pytest.mark.parametrize(("path", "target"), [case[:2] for case in IMAGES if case[0] not in ("ui", "cli")])
def test_a_process_without_settings_names_those_it_needs(build, path, target):
    status, told = build(path, target).run(env={}, probe=False)
    assert status != 0
    assert ("MODEL" if path == "trainer" else "DATABASE_URL is not set") in told


def test_the_migrations_of_all_owners_are_in_the_image_of_the_api(build):
    status, told = build("services/api", None).run("runtime.migrate", env=STORES, probe=False)
    assert status == 0, told


def test_the_trainer_trains(build):
    image = build("trainer", None)
    table = image.root / "inputs/table.csv"
    table.parent.mkdir(exist_ok=True)
    table.write_text("size,kind\n" + "".join(f"{row},{'ab'[row % 2]}\n" for row in range(60)))
    env = {
        "MODEL": "linear_baseline",
        "JOB_ID": "one",
        "TARGET_COL": "kind",
        "ASSETS": json.dumps([{"key": "train_file", "s3_uri": "file:///inputs/table.csv"}]),
        "ARTIFACTS_URI": "file:///tmp/artifacts",
    }
    status, told = image.run(env=env, probe=False)
    assert status == 0, told
