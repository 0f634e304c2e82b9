"""A job's settings on their way to a task: of any length, the secret seen by its trainer alone, and gone once read."""

from __future__ import annotations

import json
import logging

import pytest

from contracts.callback import derive_secret
from contracts.events import JobFinished
from contracts.job import InvalidSpec, JobSpec
from runtime.storage import open_store
from services.api import specs
from services.api.catalogue import Catalogue
from services.api.models import Dataset, Job
from support.ecs import BUCKET, Fault
from support.launcher import ROOT_SECRET, Launcher
from tabular.profile import profile_table
from trainer import objects
from trainer.settings import job_environment

OVERRIDES_LIMIT = 8192  # characters
SECRET = derive_secret(ROOT_SECRET, "a", 1)
CATALOGUE = Catalogue([{"name": "multimodal", "params_schema": {"type": "object"}}])

pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


@pytest.fixture
def launcher(cloud, database, tmp_path):
    store = open_store(f"s3://{BUCKET}/{cloud.cluster}")
    launcher = Launcher(database, tmp_path, cloud.backend(store))
    launcher.store = store
    yield launcher
    objects._s3.cache_clear()  # its endpoint goes with this test


def overrides(cloud):
    [asked] = [json.loads(text)["overrides"] for text in cloud.said if "clientToken" in text]
    return asked


def become_task(cloud, monkeypatch):
    """Take the environment that a started task has."""
    for item in overrides(cloud)["containerOverrides"][0]["environment"]:
        monkeypatch.setenv(item["name"], item["value"])
    objects._s3.cache_clear()  # another test's may be left in this process


def wide_table(folder, columns=2000, rows=24):
    names = [f'Größe des Feldes Nummer {number}, in "mm" gemessen' for number in range(columns - 1)]
    path = folder / "wide.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join('"' + name.replace('"', '""') + '"' for name in names) + ",label\n")
        for row in range(rows):
            values = [f"{(row * 7 + column * 13) % 101 / 10}" for column in range(columns - 1)]
            file.write(",".join(values) + f",{'good' if row % 3 else 'bad'}\n")
    return path


def test_a_table_of_2000_columns_is_launched_with_every_one_of_them(cloud, launcher, tmp_path, monkeypatch):
    detected = profile_table(wide_table(tmp_path), files=frozenset())
    dataset = Dataset(
        id="d",
        name="d",
        files=0,
        detected=detected.model_dump(mode="json"),
        overrides={},
        target=None,
        train_file=launcher.store.uri("datasets/d/table.csv"),
    )
    target, settings = specs.settle(dataset, CATALOGUE, {"model": "multimodal", "target": "label"})
    job = Job(id="a", model="multimodal", attempt=1, checkpoints_from=1, target=target, settings=settings)
    spec = specs.trainer_environment(job, dataset)
    assert sum(map(len, spec.values())) > 10 * OVERRIDES_LIMIT
    launcher.ask("a", spec)
    launcher.round()
    assert launcher.states() == {"a": "running"}
    assert len(json.dumps(overrides(cloud))) <= OVERRIDES_LIMIT
    become_task(cloud, monkeypatch)
    read = JobSpec.from_env(job_environment(None))
    assert len(read.feature_columns) == 1999
    assert read == JobSpec.from_env({**spec, "API_BASE": "http://platform:8080", "CALLBACK_SECRET": SECRET})


def test_a_longest_id_still_fits(cloud, launcher):
    launcher.ask("j" * 64, {"TEXT": "x" * 100_000})
    launcher.round()
    assert launcher.states() == {"j" * 64: "running"}
    assert len(json.dumps(overrides(cloud))) <= OVERRIDES_LIMIT
    [task] = cloud.ecs.describe_tasks(cluster=cloud.cluster, tasks=list(cloud.tasks()))["tasks"]
    assert task["startedBy"] == f"triptych/{'j' * 64}/1"


def test_the_secret_is_in_no_call_no_description_no_log_and_no_event(cloud, launcher, caplog):
    caplog.set_level(logging.DEBUG, logger="services")
    cloud.fail("RunTask", Fault.CUT_AFTER, Fault.DENIED)
    cloud.fail("ListTasks", Fault.UNSEEN)
    launcher.ask("a", {"EPOCHS": "3"})
    launcher.round()
    launcher.hurry()
    launcher.round()
    assert launcher.run("a").reason.startswith("AccessDeniedException")
    launcher.hurry()
    launcher.round()
    assert launcher.states() == {"a": "running"}
    launcher.cancel("a")
    launcher.until_state("a", "ended")
    launcher.ask("b", {"EPOCHS": "3"})
    launcher.round()
    launcher.cancel("b")
    launcher.until_state("b", "ended")
    described = cloud.ecs.describe_tasks(cluster=cloud.cluster, tasks=list(cloud.tasks()))
    seen = [*cloud.said, str(described), caplog.text, *map(str, launcher.events("a", JobFinished))]
    secrets = [SECRET, derive_secret(ROOT_SECRET, "b", 1), ROOT_SECRET]
    assert [text for text in seen if any(secret in text for secret in secrets)] == []
    assert any("JOB_SPEC_URI" in text for text in cloud.said)


def test_the_object_is_there_for_its_task_alone_and_for_no_longer_than_the_attempt(
    cloud, launcher, monkeypatch
):
    launcher.ask("a", {"EPOCHS": "3"})
    launcher.round()
    [found] = launcher.store.list()
    folder, name = found.key.rsplit("/", 1)
    assert folder == "specs/a/1"
    assert len(name) == len("0" * 64 + ".json")
    become_task(cloud, monkeypatch)
    assert job_environment(None)["CALLBACK_SECRET"] == SECRET
    launcher.round()
    assert [item.key for item in launcher.store.list()] == [found.key], "nobody has said that it was read"
    launcher.cancel("a")
    launcher.until_state("a", "ended")
    assert list(launcher.store.list()) == []


def test_a_second_container_of_an_attempt_finds_nothing_to_train(cloud, launcher, monkeypatch):
    launcher.ask("a", {"EPOCHS": "3"})
    launcher.round()
    become_task(cloud, monkeypatch)
    objects.remove(job_environment(None)["JOB_SPEC_URI"])
    with pytest.raises(InvalidSpec, match="does not exist"):
        job_environment(None)
    objects.remove(launcher.store.uri("specs/a/1/gone.json"))


def test_an_object_that_cannot_be_written_is_waited_for(cloud, launcher):
    def away(*_, **__):
        raise OSError("No space left on device")

    put, launcher.store.put_bytes = launcher.store.put_bytes, away
    launcher.ask("a", {"EPOCHS": "3"})
    launcher.round()
    assert (launcher.states(), cloud.tasks()) == ({"a": "waiting"}, {})
    launcher.store.put_bytes = put
    launcher.hurry()
    launcher.round()
    assert launcher.states() == {"a": "running"}
