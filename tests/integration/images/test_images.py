"""Each image, built by its Dockerfile's own lines, holds what its processes need, and nothing else of this repository."""

from __future__ import annotations

import json

import grimp
import pytest

from support.images import HEALTHY, IMAGES, Builder, why_not
from support.redis_server import redis_binary

pytestmark = pytest.mark.long
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
# Image, command (none: its own), what whoever runs it sets, volumes
PROCESSES = [
    ("api", "", STORES, ["/spool"]),
    ("api", "services.api.worker", STORES, ["/spool"]),
    ("api", "runtime.relay", STORES, []),
    ("ingest", "", STORES, ["/spool"]),
    ("ingest", "services.ingest.worker ingest.staging", STORES, ["/spool"]),
    ("launcher", "", {**LAUNCHER, **ECS}, []),
    ("launcher-local", "", LAUNCHER, ["/runs"]),
    ("metrics", "", {**STORES, **SECRET}, []),
    ("metrics", "services.metrics.worker", {**STORES, **SECRET}, []),
    ("predictor", "", STORES, []),
    ("ui", "", {}, []),
    ("gateway", "", {}, []),
]
# The packages and modules that an image's processes may run, or load by name
RUNS = {
    "api": ["services.api", "runtime.relay", "runtime.migrate"],
    "gateway": ["cli.gateway"],
    "ingest": ["services.ingest"],
    "launcher": ["services.launcher"],
    "launcher-local": ["services.launcher", "trainer"],
    "metrics": ["services.metrics"],
    "predictor": ["services.predictor", "trainer"],
    "trainer": ["trainer"],
    "ui": ["ui"],
}
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


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    if reason := why_not():
        pytest.skip(f"no images can be built here: {reason}")
    return Builder(tmp_path_factory.mktemp("images")).build


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(
        "contracts", "runtime", "services", "tabular", "trainer", "client", "ui", "cli", cache_dir=None
    )


@pytest.mark.parametrize(("name", "command", "env", "volumes"), PROCESSES)
def test_a_process_comes_up_without_rights_or_a_writable_root_and_ends_on_sigterm(
    build, name, command, env, volumes
):
    status, told = build(name).run(*command.split(), env=env, redis=redis_binary() or "", volumes=volumes)
    assert HEALTHY in told, told
    assert status == 0, told


@pytest.mark.parametrize("name", IMAGES)
def test_every_module_that_an_image_runs_can_be_imported(build, graph, name):
    own = {module for each in RUNS[name] for module in {each, *graph.find_descendants(each)}}
    needed = {module for each in own for module in {each, *graph.find_upstream_modules(each)}}
    modules = sorted(module for module in needed if not module.endswith("__main__"))
    status, told = build(name).run("-c", IMPORT, *modules, env={}, probe=False, entrypoint=["python", "-P"])
    assert status == 0, told
    # The launcher that runs trainers itself has no use for a cluster
    optional = OPTIONAL | ({"kubernetes"} if name == "launcher-local" else set())
    missing = {
        module: lacks for module, lacks in json.loads(told).items() if lacks.partition(".")[0] not in optional
    }
    assert not missing


@pytest.mark.parametrize("name", sorted(IMAGES.keys() - {"ui", "gateway"}))
def test_a_process_without_settings_names_those_it_needs(build, name):
    status, told = build(name).run(env={}, probe=False)
    assert status != 0
    assert ("MODEL" if name == "trainer" else "DATABASE_URL is not set") in told


def test_the_migrations_of_all_owners_are_in_the_image_of_the_api(build):
    status, told = build("api").run("runtime.migrate", env=STORES, probe=False)
    assert status == 0, told


def test_the_trainer_trains(build):
    image = build("trainer")
    table = image.root / "inputs/table.csv"
    table.parent.mkdir(exist_ok=True)
    table.write_text("size,kind\n" + "".join(f"{row % 7}.5,{'ab'[row % 2]}\n" for row in range(60)))
    env = {
        "MODEL": "linear_baseline",
        "JOB_ID": "one",
        "TARGET_COL": "kind",
        "ASSETS": json.dumps([{"key": "train_file", "s3_uri": "file:///inputs/table.csv"}]),
        "ARTIFACTS_URI": "file:///tmp/artifacts",
    }
    status, told = image.run(env=env, probe=False)
    assert status == 0, told
