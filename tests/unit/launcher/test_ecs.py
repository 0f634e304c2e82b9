"""The ECS back end against botocore's Stubber: every call and answer is checked against the service's model.

It shows what is sent and how answers are read, for answers that moto never gives (failures, throttling, a token in
use, missing tasks, paging). It does not show that ECS gives these answers at these occasions: they are written down
from its documentation. See docs/launchers.md for what is shown where.
"""

from __future__ import annotations

import json

import boto3
import pytest
from botocore.stub import ANY, Stubber

from runtime.errors import Transient
from runtime.storage import open_store
from services.launcher.backend import InDoubt, Refused, RunSpec, RunState
from services.launcher.backends.ecs import DESCRIBE_LIMIT, EcsBackend, client_token
from services.launcher.specs import SpecObjects

ARN = "arn:aws:ecs:eu-west-1:123456789012:task/jobs/{}"
ENV = {"JOB_ID": "j1", "ATTEMPT": "2", "CALLBACK_SECRET": "s3cret", "EPOCHS": "3"}


def client(service):
    return boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


class Aws:
    """A back end with its two stubbed clients."""

    def __init__(self, folder, **settings):
        self.store = open_store(folder.as_uri())
        ecs, logs = client("ecs"), client("logs")
        self.ecs, self.logs = Stubber(ecs), Stubber(logs)
        self.backend = EcsBackend(
            ecs,
            logs,
            SpecObjects(self.store),
            cluster="jobs",
            task_definition="trainer:7",
            container="trainer",
            subnets=["subnet-1", "subnet-2"],
            security_groups=["sg-1"],
            **settings,
        )
        self.ecs.activate()
        self.logs.activate()


@pytest.fixture
def make_aws(tmp_path):
    made = []

    def make(**settings):
        made.append(Aws(tmp_path, **settings))
        return made[-1]

    yield make
    for aws in made:
        aws.ecs.assert_no_pending_responses()
        aws.logs.assert_no_pending_responses()


@pytest.fixture
def aws(make_aws):
    return make_aws()


def spec(env=ENV, **values):
    return RunSpec("j1", 2, env, **{"cpus": 1.0, "memory_mb": 3000, **values})


def started(number=1):
    return {"tasks": [{"taskArn": ARN.format(number)}], "failures": []}


def test_one_task_is_asked_for_with_token_size_network_and_where_its_environment_is(aws):
    shown = {"ATTEMPT": "2", "JOB_ID": "j1", "JOB_SPEC_ONCE": "true", "JOB_SPEC_URI": ANY}
    expected = {
        "cluster": "jobs",
        "taskDefinition": "trainer:7",
        "count": 1,
        "clientToken": client_token(spec()),
        "startedBy": "triptych/j1/2",
        "launchType": "FARGATE",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-1", "subnet-2"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "DISABLED",
            }
        },
        "overrides": {
            "cpu": "1024",
            "memory": "3072",
            "containerOverrides": [
                {
                    "name": "trainer",
                    "cpu": 1024,
                    "memory": 3072,
                    "environment": [{"name": name, "value": value} for name, value in shown.items()],
                }
            ],
        },
    }
    aws.ecs.add_response("run_task", started(), expected)
    assert aws.backend.launch(spec()) == ARN.format(1)
    [stored] = aws.store.list("specs/j1/2")
    assert json.loads(aws.store.get_bytes(stored.key)) == ENV


def test_a_capacity_provider_takes_the_place_of_the_launch_type(make_aws):
    aws = make_aws(capacity_provider="FARGATE_SPOT", assign_public_ip=True)
    sent = []
    aws.backend._ecs.meta.events.register(
        "provide-client-params.ecs.RunTask", lambda params, **_: sent.append(params)
    )
    aws.ecs.add_response("run_task", started())
    aws.backend.launch(spec())
    assert sent[0]["capacityProviderStrategy"] == [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    assert "launchType" not in sent[0]
    assert sent[0]["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "ENABLED"


def test_the_token_tells_jobs_attempts_and_launches_apart_and_keeps_to_its_limit():
    tokens = {
        client_token(RunSpec(job, attempt, ENV, 1, 512, launch=launch))
        for job in ("j1", "j11")
        for attempt in (1, 2, 11)
        for launch in (1, 2, 11)
    }
    assert len(tokens) == 18
    assert {len(token) for token in tokens} == {64}


def test_a_token_in_use_gives_the_task_it_started(aws):
    aws.ecs.add_client_error(
        "run_task",
        "ConflictException",
        "The clientToken is already in use",
        400,
        modeled_fields={"resourceIds": [ARN.format(9)]},
    )
    assert aws.backend.launch(spec()) == ARN.format(9)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("RESOURCE:ENI", Transient),
        ("RESOURCE:MEMORY", Transient),
        ("AGENT", Transient),
        ("Capacity is unavailable at this time. Please try again later or in a different availability zone", Transient),
        ("You've reached the limit on the number of tasks you can run concurrently", Transient),
        ("You've reached the limit on the number of vCPUs you can run concurrently", Transient),
        ("EMPTY CAPACITY PROVIDER", Transient),
        ("ATTRIBUTE", Refused),
        ("MISSING", Refused),
        ("INACTIVE", Refused),
        ("The requested CPU configuration is above your limit", Refused),
    ],
)  # fmt: skip
def test_a_failure_says_whether_it_may_pass(aws, reason, kind):
    aws.ecs.add_response("run_task", {"tasks": [], "failures": [{"reason": reason, "detail": "why"}]})
    with pytest.raises(kind, match="why") as raised:
        aws.backend.launch(spec())
    assert reason in str(raised.value)
    assert not isinstance(raised.value, InDoubt)


def test_an_answer_without_task_and_failure_is_a_failure_unless_a_list_has_the_task(aws):
    for listed in ([], [ARN.format(4)]):
        aws.ecs.add_response("run_task", {"tasks": [], "failures": []})
        aws.ecs.add_response(
            "list_tasks", {"taskArns": listed}, {"cluster": "jobs", "startedBy": "triptych/j1/2"}
        )
    with pytest.raises(Transient, match="neither"):
        aws.backend.launch(spec())
    assert aws.backend.launch(spec()) == ARN.format(4)


@pytest.mark.parametrize(
    ("code", "message", "status", "kind"),
    [
        ("ThrottlingException", "Rate exceeded", 400, Transient),
        ("ClientException", "too many tasks in the PROVISIONING state", 400, Transient),
        ("InvalidParameterException", "Unable to assume the service linked role.", 400, Transient),
        ("ServerException", "Service Unavailable. Please try again later.", 500, InDoubt),
        ("Unheard", "of", 503, InDoubt),
        ("ExpiredTokenException", "The security token is expired", 400, Transient),
        ("AccessDeniedException", "not authorized to perform: ecs:RunTask", 400, Transient),
        (
            "UnrecognizedClientException",
            "The security token included in the request is invalid",
            400,
            Transient,
        ),
        ("InvalidSignatureException", "Signature expired: is now earlier than", 400, Transient),
        ("BlockedException", "Your account was blocked", 400, Refused),
        ("ClientException", "TaskDefinition is inactive", 400, Refused),
        ("ClusterNotFoundException", "Cluster not found.", 400, Refused),
        ("InvalidParameterException", "The specified capacity provider was not found.", 400, Refused),
        ("PlatformUnknownException", "The specified platform does not exist.", 400, Refused),
        ("UnsupportedFeatureException", "The task isn't supported in this Region.", 400, Refused),
    ],
)
def test_an_error_answer_says_whether_it_may_pass_and_whether_it_leaves_a_doubt(
    aws, code, message, status, kind
):
    aws.ecs.add_client_error("run_task", code, message, status)
    with pytest.raises(kind, match=message) as raised:
        aws.backend.launch(spec())
    assert isinstance(raised.value, InDoubt) == (kind is InDoubt)
    for call, use in (
        ("describe_tasks", lambda: aws.backend.status([ARN.format(1)])),
        ("stop_task", lambda: aws.backend.stop(ARN.format(1), "over")),
    ):
        aws.ecs.add_client_error(call, code, message, status)
        with pytest.raises(Refused if kind is Refused else Transient, match=message):
            use()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("AccessDeniedException", "not authorized to perform: ecs:RunTask"),
        ("ClientException", "TaskDefinition is inactive"),
    ],
)
def test_an_error_answer_settles_no_doubt(aws, code, message):
    """It is about this call: the earlier one may have started a task, which may still have to read its settings."""
    aws.ecs.add_response("list_tasks", {"taskArns": []})
    aws.ecs.add_client_error("run_task", code, message, 400)
    with pytest.raises(InDoubt, match=message):
        aws.backend.launch(spec(in_doubt=True))
    assert len(list(aws.store.list("specs/j1/2"))) == 1


def test_a_store_that_denies_access_settles_no_doubt(aws, monkeypatch):
    def refuse(_run):
        raise Refused("the object store refuses the job's settings: 403")

    monkeypatch.setattr(aws.backend._specs, "put", refuse)
    aws.ecs.add_response("list_tasks", {"taskArns": []})
    with pytest.raises(InDoubt, match="403"):
        aws.backend.launch(spec(in_doubt=True))


def test_a_failure_of_the_call_itself_settles_a_doubt(aws):
    aws.ecs.add_response("list_tasks", {"taskArns": []})
    aws.ecs.add_response("run_task", {"tasks": [], "failures": [{"reason": "ATTRIBUTE"}]})
    with pytest.raises(Refused, match="ATTRIBUTE"):
        aws.backend.launch(spec(in_doubt=True))
    assert list(aws.store.list("specs")) == []


def test_without_credentials_nothing_is_sent_and_so_nothing_is_in_doubt(tmp_path, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    ecs = boto3.session.Session(region_name="eu-west-1").client("ecs")
    backend = EcsBackend(
        ecs, client("logs"), SpecObjects(open_store(tmp_path.as_uri())), cluster="c", task_definition="t:1", container="c",
        subnets=["s"], security_groups=["g"],
    )  # fmt: skip
    with pytest.raises(Transient, match="not reached: Unable to locate credentials") as raised:
        backend.launch(spec())
    assert not isinstance(raised.value, InDoubt)


def test_a_request_that_boto3_takes_for_wrong_is_refused(tmp_path):
    backend = EcsBackend(
        client("ecs"), client("logs"), SpecObjects(open_store(tmp_path.as_uri())), cluster="c", task_definition=7, container="c",
        subnets=["s"], security_groups=["g"],
    )  # fmt: skip
    with pytest.raises(Refused, match="Invalid type for parameter taskDefinition"):
        backend.launch(spec())


def test_status_asks_in_batches_and_a_missing_task_is_unknown(aws):
    handles = [ARN.format(number) for number in range(250)]
    for start in (0, 100, 200):
        batch = handles[start : start + DESCRIBE_LIMIT]
        aws.ecs.add_response(
            "describe_tasks",
            {
                "tasks": [{"taskArn": arn, "lastStatus": "RUNNING"} for arn in batch[1:]],
                "failures": [{"arn": batch[0], "reason": "MISSING"}],
            },
            {"cluster": "jobs", "tasks": batch},
        )
    found = aws.backend.status(handles)
    unknown = [handle for handle in handles if found[handle].state is RunState.UNKNOWN]
    assert unknown == [handles[0], handles[100], handles[200]]
    assert len(found) == 250


def test_nothing_is_asked_about_no_runs_and_about_what_is_no_task(aws):
    assert aws.backend.status([]) == {}
    assert aws.backend.status(["a/1"])["a/1"].state is RunState.UNKNOWN


def test_a_failure_to_describe_is_no_sign_that_a_task_is_gone_and_costs_only_that_task(aws):
    one, other, gone = (ARN.format(number) for number in (1, 2, 3))
    aws.ecs.add_response(
        "describe_tasks",
        {
            "tasks": [{"taskArn": other, "lastStatus": "RUNNING"}],
            "failures": [{"arn": one, "reason": "LATER"}, {"arn": gone, "reason": "MISSING"}],
        },
    )
    found = aws.backend.status([one, other, gone])
    assert {handle: status.state for handle, status in found.items()} == {
        other: RunState.RUNNING,
        gone: RunState.UNKNOWN,
    }


def test_a_failure_to_describe_that_names_no_task_is_about_all(aws):
    aws.ecs.add_response(
        "describe_tasks", {"tasks": [], "failures": [{"arn": "elsewhere", "reason": "LATER"}]}
    )
    with pytest.raises(Transient, match="LATER"):
        aws.backend.status([ARN.format(1)])


def test_stop_says_why_and_takes_a_task_that_is_gone(aws):
    aws.ecs.add_response(
        "stop_task",
        {"task": {}},
        {"cluster": "jobs", "task": ARN.format(1), "reason": "cancelled on request"},
    )
    aws.backend.stop(ARN.format(1), "cancelled on request")
    aws.ecs.add_client_error(
        "stop_task", "InvalidParameterException", "The referenced task was not found.", 400
    )
    aws.backend.stop(ARN.format(1), "again")
    aws.ecs.add_client_error("stop_task", "ClusterNotFoundException", "Cluster not found.", 400)
    with pytest.raises(Refused, match="Cluster"):
        aws.backend.stop(ARN.format(1), "again")
    aws.ecs.add_client_error("stop_task", "AccessDeniedException", "not authorized", 400)
    with pytest.raises(Transient, match="not authorized"):
        aws.backend.stop(ARN.format(1), "again")


def definition(options):
    return {
        "taskDefinition": {
            "containerDefinitions": [
                {"name": "sidecar"},
                {"name": "trainer", "logConfiguration": {"logDriver": "awslogs", "options": options}},
            ]
        }
    }


def page(messages, backward):
    return {
        "events": [{"message": text, "timestamp": 1, "ingestionTime": 1} for text in messages],
        "nextBackwardToken": backward,
        "nextForwardToken": "f/0",
    }


WHERE = {"logGroupName": "/triptych", "logStreamName": "jobs/trainer/42", "startFromHead": False}


def test_the_end_of_a_log_is_put_together_from_pages_read_backwards(aws):
    aws.ecs.add_response(
        "describe_task_definition",
        definition({"awslogs-group": "/triptych", "awslogs-stream-prefix": "jobs"}),
        {"taskDefinition": "trainer:7"},
    )
    aws.logs.add_response("get_log_events", page(["five", "six"], "b/3"), WHERE)
    aws.logs.add_response("get_log_events", page([], "b/2"), {**WHERE, "nextToken": "b/3"})
    aws.logs.add_response("get_log_events", page(["three", "four"], "b/1"), {**WHERE, "nextToken": "b/2"})
    assert aws.backend.logs(ARN.format(42), len("four\nfive\nsix\n")) == ["four", "five", "six"]
    # The stream's start is known by a token that comes again
    aws.logs.add_response("get_log_events", page(["one"], "b/1"), WHERE)
    aws.logs.add_response("get_log_events", page([], "b/1"), {**WHERE, "nextToken": "b/1"})
    assert aws.backend.logs(ARN.format(42), 1000) == ["one"]


def test_a_log_that_is_not_there_yet_is_empty(aws):
    aws.ecs.add_response(
        "describe_task_definition",
        definition({"awslogs-group": "/triptych", "awslogs-stream-prefix": "jobs"}),
    )
    aws.logs.add_client_error(
        "get_log_events", "ResourceNotFoundException", "The specified log stream does not exist"
    )
    assert aws.backend.logs(ARN.format(42), 1000) == []


@pytest.mark.parametrize("options", [{}, {"awslogs-group": "/triptych"}])
def test_a_log_says_that_the_task_definition_has_no_awslogs(aws, options):
    aws.ecs.add_response("describe_task_definition", definition(options), {"taskDefinition": ANY})
    [line] = aws.backend.logs(ARN.format(42), 1000)
    assert line.startswith("the log cannot be read: container trainer of trainer:7 does not log by awslogs")


def test_a_log_says_that_it_may_not_be_read(aws):
    aws.ecs.add_client_error("describe_task_definition", "AccessDeniedException", "not authorized", 400)
    assert aws.backend.logs(ARN.format(42), 1000) == [
        "the log cannot be read: AccessDeniedException: not authorized"
    ]


def test_a_job_larger_than_any_task_is_refused(aws):
    with pytest.raises(Refused, match="more than Fargate has"):
        aws.backend.launch(spec(cpus=17.0))
