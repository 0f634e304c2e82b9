"""Access that is lent to trainers: delivered where the secret is, renewed while they run, gone when they have ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from contracts.callback import derive_secret
from contracts.job import InvalidSpec
from runtime.errors import Transient
from runtime.storage import open_store
from services.launcher.backend import InDoubt, Refused, RunSpec
from services.launcher.backends.kubernetes import KubernetesBackend
from services.launcher.backends.kubernetes_api import KubernetesApi, connect
from services.launcher.backends.kubernetes_manifests import Shape
from services.launcher.environment import Environments
from services.launcher.lending import VARIABLE, LendingBackend, Renewals, news_key
from services.launcher.models import Run
from services.launcher.trainer_role import TrainerRole
from support.ecs import BUCKET
from support.fake_backend import FakeBackend
from support.kubernetes_cluster import NAMESPACE
from support.kubernetes_server import kubernetes_server
from support.launcher import ROOT_SECRET, Launcher
from trainer import objects
from trainer.lent import LentCredentials
from trainer.settings import job_environment

over_sqlite = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
SPEC = {"EPOCHS": "3", "ASSETS": "[]", "S3_BUCKET": BUCKET}


@pytest.fixture
def role(cloud):
    sts = boto3.client("sts", endpoint_url=cloud.moto)
    yield TrainerRole(sts, "arn:aws:iam::123456789012:role/trainer", 3600)
    sts.close()


@pytest.fixture
def launcher(cloud, database, tmp_path, role):
    store = open_store(f"s3://{BUCKET}/{cloud.cluster}")
    launcher = Launcher(database, tmp_path, LendingBackend(cloud.backend(store), role, store))
    launcher.store = store
    yield launcher
    objects._lent = None
    objects._s3.cache_clear()


def renew(launcher):
    environments = Environments("http://platform:8080", "", ROOT_SECRET, "json", "INFO")
    Renewals(launcher.db, launcher.backend, environments.of).renew_all()


def started(cloud, monkeypatch):
    """Give the variables that a started task's trainer reads."""
    [asked] = [json.loads(text)["overrides"] for text in cloud.said if "clientToken" in text]
    for item in asked["containerOverrides"][0]["environment"]:
        monkeypatch.setenv(item["name"], item["value"])
    return job_environment(None)


@over_sqlite
def test_a_task_gets_access_of_its_own_which_no_call_or_description_shows(cloud, launcher, monkeypatch):
    launcher.ask("a", SPEC)
    launcher.round()
    lent = LentCredentials.parse(started(cloud, monkeypatch)[VARIABLE])
    described = cloud.ecs.describe_tasks(cluster=cloud.cluster, tasks=list(cloud.tasks()))
    seen = "".join([*cloud.said, str(described)])
    assert seen
    assert not [secret for secret in (lent.access_key, lent.secret_key, lent.token) if secret in seen]
    with launcher.db.read() as session:
        assert lent.secret_key not in str(
            session.connection().exec_driver_sql("select * from launcher_runs").all()
        )


@over_sqlite
def test_newer_access_is_put_while_it_runs_and_is_gone_when_it_has_ended(cloud, launcher, monkeypatch):
    launcher.ask("a", SPEC)
    launcher.round()
    first = LentCredentials.parse(started(cloud, monkeypatch)[VARIABLE])
    renew(launcher)
    key = news_key({"JOB_ID": "a", "ATTEMPT": "1", "CALLBACK_SECRET": derive_secret(ROOT_SECRET, "a", 1)})
    assert first.news_uri == launcher.store.uri(key)
    newer = LentCredentials.parse(launcher.store.get_bytes(key).decode())
    assert (newer.news_uri, newer.secret_key != first.secret_key) == (first.news_uri, True)
    launcher.cancel("a")
    launcher.until_state("a", "ended")
    assert list(launcher.store.list("specs")) == []
    renew(launcher)
    assert list(launcher.store.list("specs")) == [], "nothing runs"


@over_sqlite
def test_a_trainer_whose_access_is_about_to_lapse_takes_the_newer(cloud, launcher, monkeypatch):
    launcher.ask("a", SPEC)
    launcher.round()
    lent = LentCredentials.parse(started(cloud, monkeypatch)[VARIABLE])
    renew(launcher)
    newer = LentCredentials.parse(
        launcher.store.get_bytes(lent.news_uri.partition(f"{cloud.cluster}/")[2]).decode()
    )
    soon = (datetime.now(UTC) + timedelta(seconds=60)).isoformat()
    objects.use(lent.model_copy(update={"expiry_time": soon}))
    launcher.store.put_bytes("datasets/d/t.csv", b"a,b\n")
    assert objects.read(launcher.store.uri("datasets/d/t.csv")) == b"a,b\n"
    used = objects._s3()._request_signer._credentials.get_frozen_credentials()
    assert used.secret_key == newer.secret_key


def test_a_pod_gets_access_in_its_secret_which_job_and_pod_do_not_show(cloud, role, tmp_path):
    store = open_store(f"s3://{BUCKET}/{cloud.cluster}")
    run = Run(job_id="a", attempt=1, spec=SPEC, correlation={})
    env = Environments("http://platform:8080", "", ROOT_SECRET, "json", "INFO").of(run)
    with kubernetes_server() as server:
        client = connect(server.kubeconfig(tmp_path))
        backend = LendingBackend(
            KubernetesBackend(KubernetesApi(client, NAMESPACE), Shape("trainer")), role, store
        )
        name = backend.launch(RunSpec("a", 1, env, 1, 512))
        given = server.cluster.start(name)
        with server.cluster.lock:
            shown = json.dumps([server.cluster.objects[kind] for kind in ("jobs", "pods", "events")])
        client.close()
    lent = LentCredentials.parse(given[VARIABLE])
    secrets = (lent.access_key, lent.secret_key, lent.token, env["CALLBACK_SECRET"], ROOT_SECRET)
    assert [secret for secret in secrets if secret in shown] == []
    assert ROOT_SECRET not in str(given)


def test_what_is_not_credentials_is_told_without_showing_it():
    with pytest.raises(InvalidSpec, match="OBJECT_CREDENTIALS") as refused:
        LentCredentials.parse('{"access_key":"AKIACANARY","token":1}')
    assert "CANARY" not in str(refused.value)


class Away:
    """An STS that is not reached."""

    def assume_role(self, **_request):
        raise EndpointConnectionError(endpoint_url="http://sts")


@pytest.mark.parametrize(("in_doubt", "becomes"), [(False, Transient), (True, InDoubt)])
def test_without_sts_nothing_starts_and_a_doubt_stays_one(tmp_path, in_doubt, becomes):
    provider = FakeBackend()
    backend = LendingBackend(
        provider, TrainerRole(Away(), "arn:aws:iam::1:role/r", 3600), open_store(tmp_path.as_uri())
    )
    env = {"JOB_ID": "a", "ATTEMPT": "1", "CALLBACK_SECRET": "s"}
    with pytest.raises(becomes) as raised:
        backend.launch(RunSpec("a", 1, env, 1, 512, in_doubt=in_doubt))
    assert type(raised.value) is becomes
    assert provider.started == set()


class Denies:
    """An STS that lets nobody have the role any more."""

    def assume_role(self, **_request):
        raise ClientError({"Error": {"Code": "PackedPolicyTooLarge", "Message": "too much"}}, "AssumeRole")


@pytest.mark.parametrize("sts", [Away(), Denies()])
@pytest.mark.parametrize("started", [True, False])
def test_access_that_is_denied_settles_no_doubt_and_what_was_started_is_found(tmp_path, sts, started):
    provider = FakeBackend()
    role = TrainerRole(sts, "arn:aws:iam::1:role/r", 3600)
    backend = LendingBackend(provider, role, open_store(tmp_path.as_uri()))
    run = RunSpec("a", 1, {"JOB_ID": "a", "ATTEMPT": "1", "CALLBACK_SECRET": "s"}, 1, 512, in_doubt=True)
    if started:
        provider.launch(run)
        assert backend.launch(run) == "a/1"
    else:
        with pytest.raises(InDoubt):
            backend.launch(run)
        assert provider.started == set()


def test_a_provider_that_lets_nobody_look_settles_no_doubt_either(tmp_path):
    class Blind(FakeBackend):
        def find(self, run):
            raise Refused(f"nobody may see {run.job_id}")

    role = TrainerRole(Denies(), "arn:aws:iam::1:role/r", 3600)
    run = RunSpec("a", 1, {"JOB_ID": "a", "ATTEMPT": "1", "CALLBACK_SECRET": "s"}, 1, 512, in_doubt=True)
    with pytest.raises(InDoubt, match="nobody may see a"):
        LendingBackend(Blind(), role, open_store(tmp_path.as_uri())).launch(run)
