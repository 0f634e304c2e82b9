"""What an attempt's session policy allows, by a reading of it as IAM's; and what STS' answers become."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from runtime.errors import Transient
from services.launcher.backend import Refused
from services.launcher.trainer_role import TrainerRole, session_policy

ENV = {
    "JOB_ID": "j1",
    "ATTEMPT": "2",
    "ASSETS": json.dumps(
        [
            {"key": "train_file", "s3_uri": "s3://b/p/datasets/d1/table.csv"},
            {"key": "train_folder", "s3_uri": "s3://b/p/datasets/d1/images/"},
        ]
    ),
    "ARTIFACTS_URI": "s3://b/p/jobs/j1/2",
    "RESUME_FROM": json.dumps(["s3://b/p/jobs/j1/1/checkpoint.pt"]),
    "PRETRAINED_URI": "s3://weights/all",
}
NEWS = "s3://b/p/specs/j1/2/0f.credentials.json"
GET, PUT, LIST, DELETE = "s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:DeleteObject"


def matches(pattern, text):
    """Match as IAM does: * and ? are patterns, ${*} and the like are themselves."""
    parts = re.split(r"(\$\{[*?$]\}|\*|\?)", pattern)
    as_regex = {"*": ".*", "?": "."}
    return re.fullmatch(
        "".join(as_regex.get(part) or re.escape(re.sub(r"\$\{(.)\}", r"\1", part)) for part in parts), text
    )


def allows(policy, action, resource, prefix=""):
    def listed(value):
        return value if isinstance(value, list) else [value]

    for statement in json.loads(policy)["Statement"]:
        assert statement["Effect"] == "Allow"
        wanted = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        if (
            action in listed(statement["Action"])
            and any(matches(pattern, f"arn:aws:s3:::{resource}") for pattern in listed(statement["Resource"]))
            and (wanted is None or matches(wanted, prefix))
        ):
            return True
    return False


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        (GET, "b/p/datasets/d1/table.csv", True),
        (GET, "b/p/datasets/d1/images/0001.jpg", True),
        (GET, "b/p/jobs/j1/1/checkpoint.pt", True),
        (GET, "weights/all/resnet18.safetensors", True),
        (GET, NEWS.removeprefix("s3://"), True),
        (GET, "b/p/jobs/j1/2/model.pt", True),
        (PUT, "b/p/jobs/j1/2/model.pt", True),
        (PUT, "b/p/datasets/d1/table.csv", False),
        (PUT, "b/p/jobs/j1/1/model.pt", False),
        (PUT, "b/p/jobs/j1/22/model.pt", False),
        (PUT, "b/p/jobs/j2/2/model.pt", False),
        (PUT, NEWS.removeprefix("s3://"), False),
        (PUT, "weights/all/resnet18.safetensors", False),
        (GET, "b/p/datasets/d2/table.csv", False),
        (GET, "b/p/datasets/d1/images-of-others/1.jpg", False),
        (GET, "b/p/specs/j2/1/0f.json", False),
        (GET, "b/p/specs/j1/2/other.json", False),
        (GET, "other/p/datasets/d1/table.csv", False),
        (DELETE, "b/p/jobs/j1/2/model.pt", False),
        (DELETE, "b/p/datasets/d1/table.csv", False),
    ],
)
def test_an_attempt_reaches_its_own_objects_alone(action, resource, allowed):
    assert allows(session_policy(ENV, NEWS), action, resource) is allowed


@pytest.mark.parametrize(
    ("bucket", "prefix", "allowed"),
    [
        ("b", "p/datasets/d1/images/", True),
        ("weights", "all/", True),
        ("b", "", False),
        ("b", "p/", False),
        ("b", "p/datasets/", False),
        ("b", "p/specs/", False),
        ("weights", "", False),
    ],
)
def test_an_attempt_lists_its_folders_alone(bucket, prefix, allowed):
    assert allows(session_policy(ENV, NEWS), LIST, bucket, prefix) is allowed


def test_a_name_is_never_a_pattern():
    wild = json.dumps([{"key": "train_file", "s3_uri": "s3://b/datasets/*/t?$.csv"}])
    policy = session_policy({**ENV, "ASSETS": wild}, NEWS)
    assert allows(policy, GET, "b/datasets/*/t?$.csv")
    assert not allows(policy, GET, "b/datasets/other/tx$.csv")


def test_a_bucket_for_artifacts_stands_for_the_attempts_folder_in_it():
    env = {name: value for name, value in ENV.items() if name != "ARTIFACTS_URI"} | {"S3_BUCKET": "out"}
    policy = session_policy(env, NEWS)
    assert allows(policy, PUT, "out/jobs/j1/2/model.pt")
    assert not allows(policy, PUT, "out/jobs/j1/1/model.pt")


def test_a_policy_that_is_too_long_is_refused_before_aws_is_asked():
    many = [f"s3://b/jobs/j1/{number}/checkpoint.pt" for number in range(60)]
    with pytest.raises(Refused, match="takes 2048"):
        session_policy({**ENV, "RESUME_FROM": json.dumps(many)}, NEWS)


class Sts:
    """Answers as told."""

    def __init__(self, error=None):
        self.asked, self.error = [], error

    def assume_role(self, **request):
        self.asked.append(request)
        if self.error:
            raise self.error
        given = {"AccessKeyId": "ASIA1", "SecretAccessKey": "s", "SessionToken": "t"}
        return {"Credentials": {**given, "Expiration": datetime(2026, 1, 1, tzinfo=UTC)}}


def lend(sts, job_id="j1"):
    return TrainerRole(sts, "arn:aws:iam::123456789012:role/trainer", 3600).lend(job_id, 2, ENV, NEWS)


def test_what_is_lent_is_asked_for_by_the_attempts_name_with_its_policy():
    sts = Sts()
    assert json.loads(lend(sts)) == {
        "access_key": "ASIA1",
        "secret_key": "s",
        "token": "t",
        "expiry_time": "2026-01-01T00:00:00+00:00",
        "news_uri": NEWS,
    }
    [asked] = sts.asked
    assert asked["Policy"] == session_policy(ENV, NEWS)
    assert (asked["RoleSessionName"], asked["DurationSeconds"]) == ("triptych-j1-2", 3600)
    lend(sts, "j" * 64)
    assert len(sts.asked[-1]["RoleSessionName"]) == 64


def error(code):
    return ClientError({"Error": {"Code": code, "Message": "told"}}, "AssumeRole")


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (error("AccessDenied"), Transient),
        (error("PackedPolicyTooLarge"), Refused),
        (error("Throttling"), Transient),
        (error("ExpiredToken"), Transient),
        (EndpointConnectionError(endpoint_url="http://sts"), Transient),
    ],
)
def test_a_denial_ends_the_launch_and_what_may_pass_postpones_it(raised, becomes):
    with pytest.raises(becomes, match=r"trainer|STS"):
        lend(Sts(raised))
