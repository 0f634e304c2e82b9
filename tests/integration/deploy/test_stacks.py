"""The stacks of deploy/aws, created in moto, and the launcher's own back end on what they made.

moto makes no bucket policy, secret, queue policy or identity provider of a template (it leaves them out and says so) and no lifecycle
rule (it does not say so), knows no EKS Pod Identity, runs no container and checks no permission: what a role may do is compared with
the code in tests/unit/deploy/test_aws.py.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

from runtime.storage import open_store
from services.launcher.backend import RunSpec, RunState
from services.launcher.backends.ecs import from_settings
from services.launcher.settings import LauncherSettings
from services.launcher.specs import SpecObjects

pytestmark = pytest.mark.long

TEMPLATES = Path(__file__).parents[3] / "deploy/aws"
LEFT_OUT = {
    "AWS::S3::BucketPolicy",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::QueuePolicy",
    "AWS::IAM::OIDCProvider",
}


class Account:
    """An account of moto's, and stacks in it."""

    def __init__(self):
        self.cloudformation = boto3.client("cloudformation")
        ec2 = boto3.client("ec2")
        self.subnet = ec2.describe_subnets()["Subnets"][0]
        self.left_out = set()

    def create(self, template, stack, **parameters):
        """Create a stack and give its outputs."""
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            self.cloudformation.create_stack(
                StackName=stack,
                TemplateBody=(TEMPLATES / f"{template}.yaml").read_text(),
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
            )
        self.left_out |= {
            str(warning.message).split()[3] for warning in told if "not supported" in str(warning.message)
        }
        [found] = self.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        assert found["StackStatus"] == "CREATE_COMPLETE"
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}


@pytest.fixture
def account(monkeypatch):
    moto = pytest.importorskip("moto")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        yield Account()


def test_every_stack_is_created_and_the_launcher_trains_on_it(account, monkeypatch):
    made = account.create("platform", "triptych", VpcId=account.subnet["VpcId"])
    policies = account.create("services", "triptych-services")
    delivery = account.create("delivery", "triptych-delivery", Repository="owner/name")
    host = account.create(
        "host", "triptych-host", VpcId=account.subnet["VpcId"], SubnetId=account.subnet["SubnetId"]
    )
    assert account.left_out == LEFT_OUT
    assert len(policies) == 4
    assert delivery["DeployRoleArn"].endswith(":role/triptych-github")
    assert host["TrainerApiBase"].startswith("http://")

    environment = {
        "DATABASE_URL": "sqlite:////unused",
        "REDIS_URL": "redis://unused",
        "OBJECTS_URL": made["ObjectsUrl"],
        "LAUNCHER": "ecs",
        "TRAINER_API_BASE": host["TrainerApiBase"],
        "CALLBACK_ROOT_SECRET": "x" * 32,
        "ECS_CLUSTER": made["ClusterName"],
        "ECS_TASK_DEFINITION": made["TaskDefinition"],
        "ECS_SUBNETS": account.subnet["SubnetId"],
        "ECS_SECURITY_GROUPS": made["TaskSecurityGroup"],
        "ECS_EVENTS_QUEUE_URL": made["TaskChangesQueueUrl"],
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = LauncherSettings()
    store = open_store(settings.objects_url)
    backend = from_settings(settings, SpecObjects(store))
    run = RunSpec("j1", 1, {"JOB_ID": "j1", "CALLBACK_SECRET": "s3cret"}, 1, 2048, max_seconds=600)
    handle = backend.launch(run)
    assert backend.status([handle])[handle].state in {RunState.PENDING, RunState.RUNNING}
    # Nothing was written yet, where the definition says that logs go
    assert backend.logs(handle, 1000) == []
    backend.stop(handle, "enough")
    assert len(list(store.list("specs"))) == 1
    backend.forget("j1", 1)
    assert not list(store.list("specs"))


def test_a_prefix_stands_before_everything_that_roles_may_reach(account):
    made = account.create("platform", "triptych", VpcId=account.subnet["VpcId"], ObjectsPrefix="team/")
    policies = account.create("services", "triptych-services")
    assert made["ObjectsUrl"] == f"s3://{made['BucketName']}/team/"
    iam = boto3.client("iam")
    documents = [
        iam.get_role_policy(RoleName=made[arn].rpartition("/")[2], PolicyName=policy)["PolicyDocument"]
        for arn, policy in (("TaskRoleArn", "settings"), ("TrainerRoleArn", "train"))
    ]
    for arn in policies.values():
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        documents.append(
            iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
        )
    bucket = f"arn:aws:s3:::{made['BucketName']}"
    # As text: moto gives a managed policy's as Python would write it
    named = set(re.findall(rf"{bucket}[^'\"]*", str(documents)))
    folders = ("*", "datasets/*", "datasets/*/upload", "jobs/*", "jobs/*/log.txt", "jobs/*/predictions/*", "specs/*")  # fmt: skip
    assert named == {bucket, f"{bucket}/pretrained/*", *(f"{bucket}/team/{folder}" for folder in folders)}


def test_without_notices_there_is_no_queue(account):
    made = account.create("platform", "triptych", VpcId=account.subnet["VpcId"], TaskChanges="false")
    assert "TaskChangesQueueUrl" not in made
    with pytest.raises(ClientError, match=r"NonExistentQueue|does not exist"):
        boto3.client("sqs").get_queue_url(QueueName="triptych-task-changes")
