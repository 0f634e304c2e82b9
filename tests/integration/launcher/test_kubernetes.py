"""The Kubernetes back end over HTTP, with a server in the cluster's place (kubernetes_server.py says what that does not show)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import re
import ssl
import sys
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import kubernetes.config.incluster_config as incluster
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from contracts.callback import Outcome
from runtime.errors import Transient
from runtime.settings import InvalidSettings
from services.launcher import backends
from services.launcher.backend import Cause, InDoubt, Refused, RunSpec, RunState
from services.launcher.backends import kubernetes_api
from services.launcher.backends.kubernetes import KubernetesBackend
from services.launcher.backends.kubernetes_api import KubernetesApi, connect
from services.launcher.backends.kubernetes_manifests import Shape, job_name
from services.launcher.settings import LauncherSettings
from services.launcher.worker import make_backend
from support.kubernetes_cluster import NAMESPACE
from support.kubernetes_server import TOKEN, kubernetes_server
from trainer.settings import job_environment

ENV = {"JOB_ID": "j1", "ATTEMPT": "2", "CALLBACK_SECRET": "s3cret", "EPOCHS": "3", "TARGET_COL": "$(HOME) ü"}
SPEC = RunSpec("j1", 2, ENV, 1.5, 4096, max_seconds=7200)
NAME = job_name("j1", 2)


class Kubernetes:
    """A back end, and the cluster it talks to."""

    def __init__(self, server, folder):
        self.server, self.cluster = server, server.cluster
        self.client = connect(server.kubeconfig(folder))
        self.backend = self.make()

    def make(self, **shape):
        return KubernetesBackend(
            KubernetesApi(self.client, NAMESPACE), Shape("trainer:1", **shape), start_seconds=300
        )

    def status(self, handle=NAME):
        return self.backend.status([handle])[handle]

    def ended(self, handle=NAME):
        """Look until a run has exited."""
        for _ in range(20):
            status = self.status(handle)
            if status.state is RunState.EXITED:
                return status
        raise AssertionError(f"{handle} does not end: {status}")


@contextmanager
def serving(folder):
    with kubernetes_server() as server:
        kubernetes = Kubernetes(server, folder)
        yield kubernetes
        kubernetes.client.close()


@pytest.fixture
def kubernetes(tmp_path):
    with serving(tmp_path) as kubernetes:
        yield kubernetes


# --- what is made


def test_a_run_is_a_job_that_may_do_little_and_a_secret_that_belongs_to_it(kubernetes):
    assert kubernetes.backend.launch(SPEC) == NAME
    [job] = kubernetes.cluster.objects["jobs"].values()
    labels = {"app.kubernetes.io/managed-by": "triptych-launcher", "triptych/run": NAME}
    size = {"cpu": "1500m", "memory": "4Gi", "ephemeral-storage": "20Gi"}
    assert job["metadata"]["labels"] == labels
    assert job["metadata"]["annotations"] == {"triptych/job-id": "j1", "triptych/attempt": "2"}
    assert job["spec"] == {
        "backoffLimit": 0,
        "completions": 1,
        "parallelism": 1,
        "ttlSecondsAfterFinished": 43_200,
        "activeDeadlineSeconds": 7200 + 3600 + 300,
        "podFailurePolicy": {
            "rules": [
                {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                {
                    "action": "FailJob",
                    "onExitCodes": {"containerName": "trainer", "operator": "NotIn", "values": [0]},
                },
            ]
        },
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 30,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": {
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                    "runAsUser": 10001,
                    "runAsGroup": 10001,
                    "fsGroup": 10001,
                },
                "containers": [
                    {
                        "name": "trainer",
                        "image": "trainer:1",
                        "imagePullPolicy": "IfNotPresent",
                        "env": [
                            {"name": "HOME", "value": "/tmp"},
                            {"name": "JOB_SPEC_URI", "value": "file:///etc/triptych/spec.json"},
                            {"name": "OMP_NUM_THREADS", "value": "2"},
                            {"name": "WORKDIR", "value": "/work"},
                        ],
                        "resources": {"requests": size, "limits": size},
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "readOnlyRootFilesystem": True,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "volumeMounts": [
                            {"name": "spec", "mountPath": "/etc/triptych", "readOnly": True},
                            {"name": "work", "mountPath": "/work"},
                            {"name": "tmp", "mountPath": "/tmp"},
                        ],
                    }
                ],
                "volumes": [
                    {"name": "spec", "secret": {"secretName": NAME}},
                    {"name": "work", "emptyDir": {"sizeLimit": "20Gi"}},
                    {"name": "tmp", "emptyDir": {"sizeLimit": "20Gi"}},
                ],
            },
        },
    }
    [secret] = kubernetes.cluster.objects["secrets"].values()
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": NAME, "uid": job["metadata"]["uid"]}
    assert (secret["metadata"]["ownerReferences"], secret["immutable"]) == ([owner], True)
    shown = json.dumps([kubernetes.cluster.objects[kind] for kind in ("jobs", "pods")])
    assert "s3cret" not in shown
    assert "EPOCHS" not in shown


def test_settings_of_the_cluster_are_part_of_the_pod(kubernetes):
    backend = kubernetes.make(
        image_pull_policy="Always",
        image_pull_secrets=("registry",),
        service_account="trainer",
        env_secrets=("objects", "more"),
        node_selector={"pool": "gpu"},
        tolerations=({"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},),
        user=0,
        disk_gb=5,
        grace_seconds=60,
    )
    pod = kubernetes.cluster.objects["jobs"][backend.launch(RunSpec("a", 1, {}, 0.25, 512))]["spec"][
        "template"
    ]["spec"]
    [container] = pod["containers"]
    assert container["imagePullPolicy"] == "Always"
    assert container["envFrom"] == [{"secretRef": {"name": "objects"}}, {"secretRef": {"name": "more"}}]
    assert container["resources"]["limits"] == {"cpu": "250m", "memory": "512Mi", "ephemeral-storage": "5Gi"}
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["serviceAccountName"] == "trainer"
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["terminationGracePeriodSeconds"] == 60


def test_the_trainer_finds_every_variable_as_it_was(kubernetes, tmp_path, monkeypatch):
    kubernetes.backend.launch(SPEC)
    path = tmp_path / "spec.json"
    path.write_text(kubernetes.cluster.mounted(NAME)["/etc/triptych/spec.json"])
    monkeypatch.setenv("JOB_SPEC_URI", path.as_uri())
    assert job_environment(None).items() >= ENV.items()


def test_a_table_of_2000_columns_is_launched_and_more_than_a_secret_holds_is_refused(kubernetes):
    columns = {f"a column with the long name {number}": "numeric" for number in range(2000)}
    kubernetes.backend.launch(RunSpec("wide", 1, {"COLUMN_TYPES": json.dumps(columns)}, 1, 512))
    with pytest.raises(
        Refused, match="settings are 1048591 bytes, and a Secret holds 1048576: use fewer columns"
    ):
        kubernetes.backend.launch(RunSpec("wider", 1, {"COLUMNS": "x" * 2**20}, 1, 512))
    assert len(kubernetes.cluster.objects["jobs"]) == 1


@pytest.mark.parametrize("job_id", ["a", "A_B", "a-b", "_", "-" * 64, "x" * 64, "0123456789abcdef" * 2])
def test_names_are_dns_labels_and_never_the_same(kubernetes, job_id):
    names = {job_name(job_id, attempt) for attempt in (1, 2, 12, 999_999_999)}
    assert len(names | {job_name(f"{job_id}-1", 2), job_name(job_id.swapcase() + "_", 1)}) == 6
    assert all(re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names)
    assert kubernetes.backend.launch(RunSpec(job_id, 1, {}, 1, 512)) in names


# --- at most once


def test_a_second_launch_of_an_attempt_gives_the_first_one(kubernetes):
    first = kubernetes.backend.launch(SPEC)
    again = kubernetes.make(disk_gb=99).launch(SPEC)
    assert (again, len(kubernetes.cluster.objects["jobs"]), len(kubernetes.cluster.objects["pods"])) == (
        first,
        1,
        1,
    )


@pytest.mark.parametrize("call", ["POST jobs", "POST secrets"])
@pytest.mark.parametrize("lost", [True, False])
def test_a_launch_that_breaks_off_is_taken_up(kubernetes, call, lost):
    if lost:
        kubernetes.server.lose_answer(call)
    else:
        kubernetes.server.fail(call, 503, "ServiceUnavailable", "apiserver is shutting down")
    with pytest.raises(InDoubt):
        kubernetes.backend.launch(SPEC)
    assert kubernetes.backend.launch(replace(SPEC, in_doubt=True)) == NAME
    assert len(kubernetes.cluster.objects["pods"]) == 1
    kubernetes.cluster.start(NAME)
    assert kubernetes.status().state is RunState.RUNNING


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "Forbidden"), (401, "Unauthorized"), (503, "ServiceUnavailable")]
)
def test_a_look_that_fails_settles_no_doubt(kubernetes, status, reason):
    kubernetes.server.lose_answer("POST jobs")
    with pytest.raises(InDoubt):
        kubernetes.backend.launch(SPEC)
    for call in (kubernetes.backend.launch, kubernetes.backend.find):
        kubernetes.server.fail("GET jobs", status, reason, "not now")
        with pytest.raises(InDoubt, match="not now"):
            call(replace(SPEC, in_doubt=True))
    assert kubernetes.backend.find(SPEC) == NAME


def test_a_launch_that_nobody_takes_up_leaves_nothing_for_ever(kubernetes):
    kubernetes.server.fail("POST secrets", 503, "ServiceUnavailable", "apiserver is shutting down")
    with pytest.raises(InDoubt):
        kubernetes.backend.launch(SPEC)
    with pytest.raises(KeyError):  # its container has no Secret, without which no kubelet starts it
        kubernetes.cluster.start(NAME)
    kubernetes.cluster.pass_time(7200 + 3600 + 300)
    kubernetes.ended()
    kubernetes.cluster.pass_time(43_200)
    assert kubernetes.status().state is RunState.UNKNOWN
    assert [len(things) for things in kubernetes.cluster.objects.values()] == [0, 0, 0, 0]


def test_a_refused_secret_leaves_nothing_to_run(kubernetes):
    kubernetes.server.fail("POST secrets", 403, "Forbidden", "secrets is forbidden: User cannot create")
    with pytest.raises(Refused, match="secrets is forbidden"):
        kubernetes.backend.launch(SPEC)
    kubernetes.ended()
    assert kubernetes.cluster.objects["pods"] == {}


def test_a_job_of_the_name_that_is_not_ours_is_left_alone(kubernetes):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.objects["jobs"][NAME]["metadata"]["annotations"]["triptych/job-id"] = "other"
    with pytest.raises(Refused, match=f"there is a Job {NAME} that is not this platform's"):
        kubernetes.backend.launch(SPEC)


def test_a_launch_that_was_held_up_does_not_start_a_stopped_run_anew(kubernetes):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.start(NAME)
    kubernetes.backend.stop(NAME, "cancelled on request")
    kubernetes.ended()
    kubernetes.status()
    kubernetes.backend.launch(SPEC)
    assert kubernetes.ended().cause is Cause.STOPPED
    assert kubernetes.cluster.objects["pods"] == {}


# --- how it ends


def test_a_run_from_its_launch_to_its_end(kubernetes):
    kubernetes.backend.launch(SPEC)
    assert kubernetes.status().state is RunState.PENDING
    kubernetes.cluster.unschedulable(NAME, "0/3 nodes are available: 3 Insufficient memory.")
    assert kubernetes.status().detail == "Unschedulable: 0/3 nodes are available: 3 Insufficient memory."
    kubernetes.cluster.schedule(NAME)
    assert kubernetes.status().detail == "ContainerCreating"
    kubernetes.cluster.start(NAME)
    running = kubernetes.status()
    assert running.state is RunState.RUNNING
    kubernetes.cluster.exit(NAME, 3)
    ended = kubernetes.ended()
    assert (ended.exit_code, ended.cause, ended.memory_mb) == (3, Cause.EXIT, 4096)
    assert ended.started_at == running.started_at
    kubernetes.cluster.forget_pod(NAME)
    assert kubernetes.ended().exit_code == 3


@pytest.mark.parametrize(
    ("happens", "cause", "detail"),
    [
        (lambda c: c.exit(NAME, 137, "OOMKilled"), Cause.OUT_OF_MEMORY, ""),
        (lambda c: c.fail_pod(NAME, "Evicted", "The node was low on resource: memory.", 137), Cause.RECLAIMED, "Evicted: The node was low"),
        (lambda c: c.disrupt(NAME, "EvictionByEvictionAPI", "Eviction API: evicting"), Cause.RECLAIMED, "EvictionByEvictionAPI"),
        (lambda c: (c.disrupt(NAME, "PreemptionByScheduler", "preempting"), [c.tick() for _ in range(9)]), Cause.RECLAIMED, "its pod is gone, with its node or alone: Pod"),
        (lambda c: c.forget_pod(NAME), Cause.RECLAIMED, "its pod is gone, with its node or alone: Job has reached"),
        (lambda c: c.delete_pod(NAME), Cause.EXIT, ""),
        (lambda c: c.pass_time(7200 + 3600 + 300), Cause.EXIT, ""),
        (lambda c: (c.pass_time(7200 + 3600 + 300), [c.tick() for _ in range(9)]), Cause.STOPPED, "it ran for longer than max_seconds"),
    ],
)  # fmt: skip
def test_ends_that_a_running_container_meets(kubernetes, happens, cause, detail):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.start(NAME)
    happens(kubernetes.cluster)
    ended = kubernetes.ended()
    assert (ended.cause, ended.detail[: len(detail)]) == (cause, detail)
    assert len(kubernetes.cluster.objects["pods"]) <= 1, "no second pod was made"


def test_a_pod_whose_node_is_cut_off_is_unknown(kubernetes):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.start(NAME)
    kubernetes.cluster.lose_node(NAME)
    assert kubernetes.status().state is RunState.RUNNING
    kubernetes.cluster.pass_time(600)
    assert kubernetes.status().state is RunState.UNKNOWN


def test_a_removed_job_is_unknown(kubernetes):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.delete_job(NAME)
    assert kubernetes.status().state is RunState.UNKNOWN
    assert kubernetes.cluster.objects["secrets"] == {}
    kubernetes.backend.stop(NAME, "nothing to stop")


def test_a_stopped_container_has_its_grace(kubernetes):
    kubernetes.cluster.stubborn = True
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.start(NAME)
    kubernetes.backend.stop(NAME, "cancelled on request")
    states = [kubernetes.status().state for _ in range(5)]
    assert states == [RunState.RUNNING] * 5
    kubernetes.cluster.pass_time(30)
    assert kubernetes.ended().exit_code == 137


def test_a_stopped_run_is_known_by_a_fresh_launcher_without_its_pod(kubernetes):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.start(NAME)
    kubernetes.backend.stop(NAME, "cancelled on request")
    assert kubernetes.ended().exit_code == 143
    kubernetes.status()
    assert kubernetes.cluster.objects["pods"] == {}
    status = kubernetes.make().status([NAME])[NAME]
    assert (status.state, status.cause, status.detail) == (
        RunState.EXITED,
        Cause.STOPPED,
        "cancelled on request",
    )


def test_what_cannot_start_is_given_up_and_cannot_start_any_more(kubernetes):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.wait(NAME, "ImagePullBackOff", 'Back-off pulling image "trainer:1"')
    assert kubernetes.status().detail == 'ImagePullBackOff: Back-off pulling image "trainer:1"'
    kubernetes.cluster.pass_time(299)
    assert "PATCH jobs" not in kubernetes.server.calls
    kubernetes.cluster.pass_time(60)
    assert kubernetes.status().state is RunState.PENDING  # told to end, and not gone yet
    ended = kubernetes.ended()
    assert ended.cause is Cause.NEVER_STARTED
    assert ended.detail.startswith('ImagePullBackOff: Back-off pulling image "trainer:1"; check the image')
    assert kubernetes.cluster.objects["pods"] == {}


def test_want_of_quota_is_waited_for_and_a_policy_is_not(kubernetes):
    kubernetes.cluster.no_pods = (
        "exceeded quota: team, requested: limits.cpu=1500m, used: limits.cpu=8, limited: limits.cpu=8"
    )
    kubernetes.backend.launch(SPEC)
    kubernetes.status()
    assert "exceeded quota: team" in kubernetes.status().detail
    kubernetes.cluster.pass_time(3000)
    assert kubernetes.status().state is RunState.PENDING
    assert "PATCH jobs" not in kubernetes.server.calls
    kubernetes.cluster.no_pods = 'violates PodSecurity "restricted:latest": hostPath'
    kubernetes.status()
    ended = kubernetes.ended()
    assert ended.cause is Cause.NEVER_STARTED
    assert "no pod is made for it: Error creating" in ended.detail
    assert "violates PodSecurity" in ended.detail


def test_without_the_right_to_see_events_a_run_is_looked_at_all_the_same(kubernetes):
    kubernetes.cluster.no_pods = "exceeded quota: team"
    kubernetes.backend.launch(SPEC)
    kubernetes.server.fail("GET events", 403, "Forbidden", "events is forbidden")
    assert kubernetes.status().detail == "no pod was made for it yet"


# --- few calls


def test_many_runs_are_looked_at_in_two_lists(kubernetes):
    handles = [kubernetes.backend.launch(RunSpec(f"job-{n}", 1, {}, 1, 512)) for n in range(30)]
    for handle in handles:
        kubernetes.cluster.start(handle)
    kubernetes.server.calls.clear()
    found = kubernetes.backend.status(handles)
    assert {status.state for status in found.values()} == {RunState.RUNNING}
    assert kubernetes.server.calls == ["GET jobs", "GET pods"]
    kubernetes.server.calls.clear()
    kubernetes.backend.logs(handles[0], 1000)
    assert kubernetes.server.calls == ["GET pods"]
    assert kubernetes.backend.status([]) == {}


def test_long_lists_come_in_pages(kubernetes, monkeypatch):
    monkeypatch.setattr(kubernetes_api, "_PAGE", 4)
    handles = [kubernetes.backend.launch(RunSpec(f"job-{n}", 1, {}, 1, 512)) for n in range(9)]
    kubernetes.server.calls.clear()
    assert RunState.UNKNOWN not in {status.state for status in kubernetes.backend.status(handles).values()}
    assert kubernetes.server.calls.count("GET jobs") == 3


def test_things_of_others_in_the_namespace_are_not_looked_at(kubernetes):
    kubernetes.backend.launch(SPEC)
    done = {"type": "Complete", "status": "True", "lastTransitionTime": kubernetes.cluster.time()}
    kubernetes.cluster.objects["jobs"]["backup"] = {
        "metadata": {"name": "backup", "uid": "of another"},
        "spec": {"ttlSecondsAfterFinished": 3600},
        "status": {"conditions": [done]},
    }
    assert kubernetes.status().state is RunState.PENDING


# --- logs


def test_logs_of_a_run_in_every_state(kubernetes):
    backend = kubernetes.backend
    assert backend.logs("nobody", 1000) == []
    backend.launch(SPEC)
    assert backend.logs(NAME, 1000) == []
    kubernetes.cluster.wait(NAME, "ContainerCreating", "")
    assert backend.logs(NAME, 1000) == []
    kubernetes.cluster.start(NAME)
    kubernetes.cluster.write(NAME, "first", "", "third ü")
    assert backend.logs(NAME, 1000) == ["first", "", "third ü"]
    kubernetes.cluster.exit(NAME, 0)
    kubernetes.ended()
    assert kubernetes.make().logs(NAME, 1000) == ["first", "", "third ü"]
    kubernetes.status()
    kubernetes.cluster.forget_pod(NAME)
    assert backend.logs(NAME, 1000) == []


@pytest.mark.parametrize(
    ("lines", "tail_bytes", "kept", "calls"),
    [
        (["x" * 199] * 50, 2000, 10, 1),
        (["x" * 9] * 5000, 2000, 200, 3),
        (["short"] * 3, 2000, 3, 1),
        (["x" * 5000], 2000, 1, 1),
    ],
)
def test_the_end_of_a_log_is_read_in_few_calls(kubernetes, lines, tail_bytes, kept, calls):
    kubernetes.backend.launch(SPEC)
    kubernetes.cluster.start(NAME)
    kubernetes.cluster.write(NAME, *lines)
    kubernetes.status()
    kubernetes.server.calls.clear()
    assert len(kubernetes.backend.logs(NAME, tail_bytes)) == kept
    assert kubernetes.server.calls == ["GET pods"] * calls


def test_a_kubelet_that_does_not_answer_is_asked_again_later(kubernetes):
    kubernetes.backend.launch(SPEC)
    kubernetes.status()
    kubernetes.server.fail("GET pods", 500, "InternalError", "dial tcp 10.0.0.7:10250: i/o timeout")
    with pytest.raises(Transient, match="i/o timeout"):
        kubernetes.backend.logs(NAME, 1000)


# --- errors


@pytest.mark.parametrize("call", ["POST jobs", "GET jobs", "GET pods", "PATCH jobs"])
@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (401, "Unauthorized", Transient),
        (403, "Forbidden", Refused),
        (429, "TooManyRequests", Transient),
        (500, "InternalError", Transient),
    ],
)
def test_errors_of_every_call_are_told_apart(kubernetes, call, code, reason, kind):
    kubernetes.backend.launch(SPEC)
    kubernetes.server.fail(call, code, reason, "because")
    with pytest.raises(kind, match=f"{reason}: because"):
        {
            "POST jobs": lambda: kubernetes.backend.launch(SPEC),
            "GET jobs": kubernetes.status,
            "GET pods": kubernetes.status,
            "PATCH jobs": lambda: kubernetes.backend.stop(NAME, "x"),
        }[call]()


def test_a_quota_of_jobs_may_pass_and_what_is_invalid_does_not(kubernetes):
    kubernetes.server.fail(
        "POST jobs",
        403,
        "Forbidden",
        "jobs.batch j is forbidden: exceeded quota: team, requested: count/jobs.batch=1",
    )
    with pytest.raises(Transient, match="exceeded quota"):
        kubernetes.backend.launch(SPEC)
    with pytest.raises(Refused, match=r"strict decoding error: unknown field .*tolerations\[0\]\.keey"):
        kubernetes.make(tolerations=({"keey": "x"},)).launch(SPEC)
    with pytest.raises(Refused, match="imagePullPolicy: Unsupported value"):
        kubernetes.make(image_pull_policy="Sometimes").launch(SPEC)


def test_a_namespace_that_does_not_exist_is_told(kubernetes):
    backend = KubernetesBackend(KubernetesApi(kubernetes.client, "nowhere"), Shape("trainer:1"))
    with pytest.raises(Refused, match='namespaces "nowhere" not found'):
        backend.launch(SPEC)


def test_an_api_that_is_away_is_transient(tmp_path):
    with serving(tmp_path) as kubernetes:
        pass
    for call in (
        lambda: kubernetes.backend.launch(SPEC),
        kubernetes.status,
        lambda: kubernetes.backend.logs(NAME, 9),
    ):
        with pytest.raises(Transient, match="does not answer"):
            call()
    kubernetes.client.close()


# --- credentials


def test_a_wrong_token_may_be_mended(kubernetes, tmp_path):
    client = connect(kubernetes.server.kubeconfig(tmp_path, token="wrong"))
    with pytest.raises(Transient, match="Unauthorized"):
        KubernetesBackend(KubernetesApi(client, NAMESPACE), Shape("trainer:1")).launch(SPEC)
    client.close()


def test_without_credentials_the_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(
        InvalidSettings, match="KUBERNETES_KUBECONFIG is not set, and this process is in no pod"
    ):
        connect(None)
    with pytest.raises(InvalidSettings, match=r"KUBERNETES_KUBECONFIG is '.*/nowhere'"):
        connect(tmp_path / "nowhere")


def certificate(folder):
    """Make a certificate for 127.0.0.1 that signs itself, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kubernetes")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    ca, chain = folder / "ca.crt", folder / "server.pem"
    ca.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(secret + ca.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return ca, context


def test_in_a_pod_the_service_account_is_used_over_tls_and_its_new_token_too(tmp_path, monkeypatch):
    ca, context = certificate(tmp_path)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with kubernetes_server(context) as server:
        host, port = server.url.removeprefix("https://").split(":")
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
        monkeypatch.setattr(incluster, "SERVICE_TOKEN_FILENAME", str(token))
        monkeypatch.setattr(incluster, "SERVICE_CERT_FILENAME", str(ca))
        client = connect(None)
        backend = KubernetesBackend(KubernetesApi(client, NAMESPACE), Shape("trainer:1"))
        assert backend.launch(SPEC) == NAME
        server.token = "token-of-the-next-hour"
        with pytest.raises(Transient, match="Unauthorized"):
            backend.status([NAME])
        token.write_text(server.token)
        monkeypatch.setattr(incluster, "datetime", SimpleNamespace(datetime=Tomorrow, timedelta=dt.timedelta))
        assert backend.status([NAME])[NAME].state is RunState.PENDING
        client.close()


class Tomorrow(dt.datetime):
    """A clock by which every token is read again."""

    @classmethod
    def now(cls, tz=None):
        return dt.datetime.now(tz) + dt.timedelta(days=1)


def test_a_server_that_is_not_the_clusters_is_not_talked_to(tmp_path):
    _, context = certificate(tmp_path)
    with kubernetes_server(context) as server:
        client = connect(server.kubeconfig(tmp_path))
        with pytest.raises(Transient, match=r"does not answer.*(?i:certificate)"):
            KubernetesBackend(KubernetesApi(client, NAMESPACE), Shape("trainer:1")).launch(SPEC)
        client.close()


# --- wiring


def settings(**variables):
    return LauncherSettings(
        database_url="sqlite:////x.db",
        redis_url="redis://h",
        objects_url="s3://bucket",
        trainer_api_base="http://gateway:8080",
        callback_root_secret="0123456789abcdef" * 2,
        launcher="kubernetes",
        kubernetes_namespace=NAMESPACE,
        kubernetes_image="registry/trainer:7",
        **variables,
    )


def test_the_settings_reach_the_pod(kubernetes, tmp_path):
    backend = make_backend(
        settings(
            kubernetes_kubeconfig=kubernetes.server.kubeconfig(tmp_path),
            kubernetes_image_pull_policy="Always",
            kubernetes_image_pull_secrets="registry",
            kubernetes_service_account="trainer",
            kubernetes_env_secrets="objects",
            kubernetes_node_selector='{"pool": "gpu"}',
            kubernetes_tolerations='[{"key": "gpu", "operator": "Exists"}]',
            kubernetes_user=77,
            kubernetes_disk_gb=5,
            kubernetes_keep_seconds=900,
            kubernetes_start_seconds=7,
            stop_grace_seconds=45,
            launch_give_up_seconds=1000,
        ),
        store=None,
    )
    job = kubernetes.cluster.objects["jobs"][backend.launch(SPEC)]["spec"]
    pod = job["template"]["spec"]
    assert (job["ttlSecondsAfterFinished"], job["activeDeadlineSeconds"]) == (900, 7200 + 1000 + 300)
    assert (pod["containers"][0]["image"], pod["containers"][0]["imagePullPolicy"]) == (
        "registry/trainer:7",
        "Always",
    )
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "objects"}}]
    assert pod["containers"][0]["resources"]["limits"]["ephemeral-storage"] == "5Gi"
    assert (pod["serviceAccountName"], pod["imagePullSecrets"]) == ("trainer", [{"name": "registry"}])
    assert (pod["nodeSelector"], pod["tolerations"]) == (
        {"pool": "gpu"},
        [{"key": "gpu", "operator": "Exists"}],
    )
    assert pod["securityContext"]["runAsUser"] == 77
    assert pod["terminationGracePeriodSeconds"] == 45
    kubernetes.cluster.wait(NAME, "ErrImagePull", "not found")
    kubernetes.cluster.pass_time(60)
    backend.status([NAME])
    assert kubernetes.ended().cause is Cause.NEVER_STARTED
    backend._api._client.close()


def test_without_the_extra_its_name_is_told(monkeypatch):
    monkeypatch.delattr(backends, "kubernetes", raising=False)
    monkeypatch.setitem(sys.modules, "services.launcher.backends.kubernetes", None)
    with pytest.raises(InvalidSettings, match=r"needs `pip install 'triptych\[launcher-kubernetes\]'`"):
        make_backend(settings(), store=None)


# --- together with the reconciler


@pytest.fixture
def launcher(make_launcher, kubernetes):
    launcher = make_launcher(report_grace_seconds=-1, lost_grace_seconds=-1)
    launcher.use(kubernetes.backend)
    return launcher


def test_a_job_is_launched_watched_and_told_of(launcher, kubernetes):
    launcher.request("a", memory_mb=2048)
    run = launcher.until_state("a", "running")
    env = kubernetes.cluster.start(run.handle)
    assert (env["JOB_ID"], env["WORKDIR"]) == ("a", "/work")
    kubernetes.cluster.write(run.handle, "epoch 1", "killed")
    kubernetes.cluster.exit(run.handle, 137, "OOMKilled")
    launcher.until_state("a", "ended")
    assert launcher.finished("a").reason == "exit 137: out of memory at 2048 MB; try 4096"
    assert launcher.log("a") == "epoch 1\nkilled\n"


@pytest.mark.parametrize("when", ["before", "during", "pending", "running"])
def test_a_cancelled_job_leaves_nothing_running(launcher, kubernetes, when):
    launcher.request("a")
    if when == "before":
        launcher.cancel("a")
    elif when == "during":
        kubernetes.server.lose_answer("POST jobs")
        launcher.round()
        launcher.cancel("a")
    else:
        handle = launcher.until_state("a", "running").handle
        if when == "running":
            kubernetes.cluster.start(handle)
        launcher.cancel("a")
    launcher.until_state("a", "ended")
    assert launcher.finished("a").outcome is Outcome.CANCELLED
    for pod in kubernetes.cluster.objects["pods"].values():
        assert pod["status"]["phase"] == "Failed"


def test_a_job_that_is_gone_after_its_cancellation_is_cancelled_not_lost(launcher, kubernetes):
    launcher.request("a")
    handle = launcher.until_state("a", "running").handle
    launcher.cancel("a")
    launcher.round()
    kubernetes.cluster.delete_job(handle)
    launcher.until_state("a", "ended")
    assert launcher.finished("a").outcome is Outcome.CANCELLED
