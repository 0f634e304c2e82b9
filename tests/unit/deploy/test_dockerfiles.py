"""What every Dockerfile keeps to; tests/integration/images builds and runs them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import grimp
import pytest

from support.dockerfile import argument, expand, parse
from support.images import IMAGES, context

ROOT = Path(__file__).parents[3]
TRACKED = subprocess.run(
    ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
).stdout.split("\0")
FILES = {path: parse(ROOT / path) for path in TRACKED if Path(path).name == "Dockerfile"}
# What starts in each image
ENTRIES = {
    "api": ["services.api.__main__", "services.api.worker", "runtime.relay", "runtime.migrate"],
    "gateway": ["cli.gateway"],
    "ingest": ["services.ingest.worker"],
    "launcher": ["services.launcher.worker"],
    "launcher-local": ["services.launcher.worker", "trainer.__main__"],
    "metrics": ["services.metrics.__main__", "services.metrics.worker"],
    "predictor": ["services.predictor.worker", "trainer.serve"],
    "trainer": ["trainer.__main__"],
    "ui": ["ui.__main__"],
}
FINAL = [pytest.param(FILES[path].stage(target), id=name) for name, (path, target) in IMAGES.items()]
STAGES = [
    pytest.param(stage, id=f"{path}:{stage.name}") for path, file in FILES.items() for stage in file.stages
]


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph(
        "contracts", "runtime", "services", "tabular", "trainer", "client", "ui", "cli", cache_dir=None
    )


def room_of(module):
    return ".".join(module.split(".")[: 2 if module.startswith("services.") else 1])


def test_every_room_that_runs_has_one():
    assert set(FILES) == {path for path, _ in IMAGES.values()}
    assert set(ENTRIES) == set(IMAGES)


@pytest.mark.parametrize("file", FILES.values(), ids=FILES)
def test_the_base_is_a_slim_python_of_a_fixed_version_that_a_digest_can_replace(file):
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", file.arguments["PYTHON_IMAGE"])
    assert {stage.base for stage in file.stages} == {file.arguments["PYTHON_IMAGE"]}


def test_all_have_the_same_base():
    assert len({file.arguments["PYTHON_IMAGE"] for file in FILES.values()}) == 1


@pytest.mark.parametrize("stage", FINAL)
def test_an_image_runs_as_a_number_that_is_not_root_and_starts_python_itself(stage):
    assert [user.value for user in stage.all("USER")] == ["10001:10001"]
    assert stage.words("ENTRYPOINT") == ["python", "-P", "-m"]
    assert all(isinstance(word, str) for word in stage.words("CMD"))
    after = stage.instructions[stage.instructions.index(stage.last("USER")) :]
    assert not {each.name for each in after} & {"RUN", "COPY"}


@pytest.mark.parametrize("stage", FINAL)
def test_an_image_is_probed_at_the_port_it_serves(stage):
    if stage.words("CMD") == ["trainer"]:  # ends by itself
        assert stage.last("HEALTHCHECK").value == "NONE"
        assert not stage.all("EXPOSE")
        return
    words = stage.words("HEALTHCHECK")
    assert words[:2] == ["python", "-c"]
    assert f"'127.0.0.1', {stage.last('EXPOSE').value}," in words[2]
    assert "/healthz" in words[2]


@pytest.mark.parametrize("stage", FINAL)
def test_an_image_has_labels_of_the_open_containers_initiative(stage):
    labels = stage.last("LABEL").settings()
    names = ("title", "description", "version", "revision", "licenses")
    assert set(labels) == {f"org.opencontainers.image.{name}" for name in names}


@pytest.mark.parametrize("stage", FINAL)
def test_what_an_image_runs_comes_from_a_venv_of_another_stage(stage):
    assert [copy.value for copy in stage.all("COPY") if copy.flag("from")] == ["/venv /venv"]
    assert not any("pip" in run.value for run in stage.all("RUN"))
    env = {name: value for each in stage.all("ENV") for name, value in each.settings().items()}
    assert env["PATH"].startswith("/venv/bin:")
    assert env["HOME"] == "/tmp"


@pytest.mark.parametrize("stage", STAGES)
def test_only_what_there_is_is_copied_and_dockerignore_lets_it_pass(stage):
    for copy in stage.all("COPY"):
        if copy.flag("from") is None:
            for source in copy.value.split()[:-1]:
                assert (ROOT / source).exists(), source
                assert list(context(ROOT / source)), f".dockerignore leaves {source} out"


@pytest.mark.parametrize("stage", STAGES)
def test_packages_come_with_hashes_and_as_wheels(stage):
    for run in stage.all("RUN"):
        if "pip" in run.value.split():
            assert "--require-hashes" in run.value
            assert "--only-binary=:all:" in run.value
    if stage.name.startswith("build"):
        [run] = stage.all("RUN")
        copied = {Path(source).name for copy in stage.all("COPY") for source in copy.value.split()[:-1]}
        arguments = {name: value for each in stage.all("ARG") for name, value in argument(each.value).items()}
        for torch in ("cpu", "cuda"):
            line = expand(run.value, arguments | {"TORCH": torch, "TRACING": "true"})
            assert set(re.findall(r'-r "?([\w.-]+)', line)) <= copied


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_is_fetched_but_by_pip(stage):
    for run in stage.all("RUN"):
        assert not re.search(r"\b(apt-get|apk|curl|wget|sudo)\b", run.value)
    assert not stage.all("ADD")


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_holds_the_rooms_its_modules_import_and_no_other(name, graph):
    path, target = IMAGES[name]
    stage = FILES[path].stage(target)
    copied = [
        source
        for copy in stage.all("COPY")
        if copy.flag("from") is None
        for source in copy.value.split()[:-1]
    ]
    rooms = {source.replace("/", ".") for source in copied if (ROOT / source).is_dir()} - {
        "services.launcher.migrations",  # of every owner: runtime.migrate looks for them by name
        "services.metrics.migrations",
    }
    modules = {module for entry in ENTRIES[name] for module in {entry, *graph.find_upstream_modules(entry)}}
    if name == "gateway":
        assert modules == {"cli.gateway", "cli.local_access"}
        assert set(copied) == {"cli/__init__.py", "cli/gateway.py", "cli/local_access.py"}
    else:
        assert rooms == {room_of(module) for module in modules} - {"services"}


def test_the_migrations_of_all_owners_are_in_the_image_that_migrates():
    from runtime.db import OWNERS

    stage = FILES["services/api/Dockerfile"].stage(None)
    copied = {source for copy in stage.all("COPY") for source in copy.value.split()[:-1]}
    for owner in OWNERS:
        folder = owner.replace(".", "/")
        assert folder in copied or {f"{folder}/__init__.py", f"{folder}/migrations"} <= copied


def test_the_builder_is_sent_no_more_than_rooms_and_requirements():
    sent = {
        file.relative_to(ROOT).parts[0]
        for name in (".git", "tests", "docs", "var")
        if (ROOT / name).is_dir()
        for file in context(ROOT / name)
    }
    assert not sent
    assert not [
        file for file in context(ROOT / "services") if file.name == "Dockerfile" or file.suffix == ".pyc"
    ]
