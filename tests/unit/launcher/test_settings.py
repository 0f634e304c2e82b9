"""The launcher's environment: what is needed depends on the back end, and every mistake is named."""

from __future__ import annotations

import sys

import pytest

from contracts.topology import LAUNCHER, TOPOLOGY
from runtime.settings import InvalidSettings, load
from services.launcher.handlers import Handlers
from services.launcher.settings import LauncherSettings

COMMON = {
    "DATABASE_URL": "sqlite:////x.db",
    "REDIS_URL": "redis://h",
    "OBJECTS_URL": "file:///o",
    "TRAINER_API_BASE": "http://gateway:8080",
    "CALLBACK_ROOT_SECRET": "0123456789abcdef" * 2,
}
LOCAL = {**COMMON, "RUNS_DIR": "/runs"}
ECS = {
    **COMMON,
    "LAUNCHER": "ecs",
    "OBJECTS_URL": "s3://bucket",
    "ECS_CLUSTER": "jobs",
    "ECS_TASK_DEFINITION": "trainer:7",
    "ECS_SUBNETS": "subnet-1, subnet-2",
    "ECS_SECURITY_GROUPS": "sg-1",
}
KUBERNETES = {
    **COMMON,
    "LAUNCHER": "kubernetes",
    "KUBERNETES_NAMESPACE": "training",
    "KUBERNETES_IMAGE": "registry/trainer:7",
}


@pytest.fixture
def read(monkeypatch):
    def read(variables):
        for name in {*(field.upper() for field in LauncherSettings.model_fields), *variables}:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load(LauncherSettings)

    return read


def test_local_defaults(read):
    settings = read(LOCAL)
    assert settings.launcher == "local"
    assert settings.command() == [sys.executable, "-P", "-m", "trainer"]
    assert (settings.effective("max_running"), settings.effective("reconcile_seconds")) == (2, 1)


def test_ecs_defaults_and_lists(read):
    settings = read(ECS)
    assert settings.ecs_subnets == ("subnet-1", "subnet-2")
    assert (settings.effective("max_running"), settings.effective("reconcile_seconds")) == (100, 15)
    assert read({**ECS, "MAX_RUNNING": "7"}).effective("max_running") == 7


def test_kubernetes_defaults_lists_and_json(read):
    settings = read(
        {
            **KUBERNETES,
            "KUBERNETES_ENV_SECRETS": "objects, more",
            "KUBERNETES_NODE_SELECTOR": '{"pool": "gpu"}',
            "KUBERNETES_TOLERATIONS": '[{"key": "gpu", "operator": "Exists", "tolerationSeconds": 60}]',
        }
    )
    assert settings.kubernetes_env_secrets == ("objects", "more")
    assert settings.kubernetes_node_selector == {"pool": "gpu"}
    assert settings.kubernetes_tolerations == ({"key": "gpu", "operator": "Exists", "tolerationSeconds": 60},)
    assert settings.kubernetes_kubeconfig is None
    assert (settings.effective("max_running"), settings.effective("reconcile_seconds")) == (100, 10)


@pytest.mark.parametrize(
    "name",
    ["trainer", "trainer:0", "trainer:latest", "arn:aws:ecs:eu-west-1:123456789012:task-definition/trainer"],
)
def test_a_task_definition_without_revision_is_refused(read, name):
    with pytest.raises(InvalidSettings, match=r"ECS_TASK_DEFINITION.*names no revision; family:revision"):
        read({**ECS, "ECS_TASK_DEFINITION": name})


@pytest.mark.parametrize(
    "name", ["trainer:7", "arn:aws:ecs:eu-west-1:123456789012:task-definition/trainer:12"]
)
def test_a_task_definition_is_a_family_or_an_arn_with_a_revision(read, name):
    assert read({**ECS, "ECS_TASK_DEFINITION": name}).ecs_task_definition == name


def test_tasks_cannot_read_a_folder_of_this_machine(read):
    with pytest.raises(InvalidSettings, match="OBJECTS_URL must be s3://"):
        read({**ECS, "OBJECTS_URL": "file:///o"})


ROLE = {"TRAINER_ROLE_ARN": "arn:aws:iam::123456789012:role/trainer"}


@pytest.mark.parametrize(
    "variables",
    [
        {**LOCAL, **ROLE, "OBJECTS_URL": "s3://bucket"},
        {**ECS, **ROLE, "LAUNCH_GIVE_UP_SECONDS": "1800"},
        {**ECS, **ROLE, "TRAINER_ROLE_SECONDS": "7200"},
    ],
)
def test_a_role_for_trainers_is_taken(read, variables):
    assert read(variables).trainer_role_arn == ROLE["TRAINER_ROLE_ARN"]


@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({**LOCAL, **ROLE}, "OBJECTS_URL must be s3://"),
        ({**ECS, **ROLE}, r"LAUNCH_GIVE_UP_SECONDS \(3600\) must be at most half of TRAINER_ROLE_SECONDS"),
        ({**KUBERNETES, **ROLE, "OBJECTS_URL": "s3://b"}, "LAUNCH_GIVE_UP_SECONDS"),
        ({**ECS, "TRAINER_ROLE_ARN": "trainer"}, "TRAINER_ROLE_ARN is 'trainer'"),
        ({**ECS, **ROLE, "TRAINER_ROLE_SECONDS": "900"}, "TRAINER_ROLE_SECONDS is '900'"),
    ],
)
def test_a_role_that_would_not_last_or_is_none_is_refused(read, variables, complaint):
    with pytest.raises(InvalidSettings, match=complaint):
        read(variables)


def test_a_command_line_is_split_as_a_shell_would(read):
    assert read({**LOCAL, "TRAINER_COMMAND": "python -c 'print(1)'"}).command() == [
        "python",
        "-c",
        "print(1)",
    ]


@pytest.mark.parametrize(
    ("base", "change", "told"),
    [
        (LOCAL, {"RUNS_DIR": ""}, "RUNS_DIR"),
        (LOCAL, {"LAUNCHER": "docker"}, "LAUNCHER"),
        (LOCAL, {"TRAINER_API_BASE": "gateway:8080"}, "TRAINER_API_BASE"),
        (LOCAL, {"TRAINER_API_BASE": ""}, "TRAINER_API_BASE is not set"),
        (LOCAL, {"CALLBACK_ROOT_SECRET": "short"}, "CALLBACK_ROOT_SECRET"),
        (LOCAL, {"MAX_RUNNING": "-1"}, "MAX_RUNNING"),
        (LOCAL, {"RECONCILE_SECONDS": "61"}, "RECONCILE_SECONDS"),
        (LOCAL, {"LOG_TAIL_BYTES": "1"}, "LOG_TAIL_BYTES"),
        (ECS, {"ECS_CLUSTER": ""}, "ECS_CLUSTER"),
        (ECS, {"ECS_TASK_DEFINITION": ""}, "ECS_TASK_DEFINITION"),
        (ECS, {"ECS_SUBNETS": " , "}, "ECS_SUBNETS"),
        (ECS, {"ECS_SECURITY_GROUPS": ""}, "ECS_SECURITY_GROUPS"),
        (KUBERNETES, {"KUBERNETES_NAMESPACE": ""}, "KUBERNETES_NAMESPACE"),
        (KUBERNETES, {"KUBERNETES_IMAGE": ""}, "KUBERNETES_IMAGE"),
        (KUBERNETES, {"KUBERNETES_IMAGE_PULL_POLICY": "Sometimes"}, "KUBERNETES_IMAGE_PULL_POLICY"),
        (KUBERNETES, {"KUBERNETES_NODE_SELECTOR": "pool=gpu"}, "KUBERNETES_NODE_SELECTOR"),
        (KUBERNETES, {"KUBERNETES_NODE_SELECTOR": '["gpu"]'}, "KUBERNETES_NODE_SELECTOR"),
        (KUBERNETES, {"KUBERNETES_TOLERATIONS": '{"key": "gpu"}'}, "KUBERNETES_TOLERATIONS"),
        (KUBERNETES, {"KUBERNETES_USER": "-1"}, "KUBERNETES_USER"),
        (KUBERNETES, {"KUBERNETES_DISK_GB": "0"}, "KUBERNETES_DISK_GB"),
        (ECS, {"ECS_EVENTS_QUEUE_URL": "notices"}, "ECS_EVENTS_QUEUE_URL"),
    ],
)
def test_a_mistake_is_named_by_its_variable(read, base, change, told):
    with pytest.raises(InvalidSettings) as raised:
        read({**base, **change})
    [_, line] = str(raised.value).splitlines()
    assert line.strip().startswith(told)


def test_a_secret_is_not_shown(read):
    assert COMMON["CALLBACK_ROOT_SECRET"] not in repr(read(LOCAL))


def test_every_event_of_the_launchers_queue_has_a_handler():
    heard = {event for event, queues in TOPOLOGY.items() if LAUNCHER in queues}
    assert set(Handlers(lambda: None, lambda: None).table()) == heard
