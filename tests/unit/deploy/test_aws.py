"""CloudFormation: clean to cfn-lint, and each role may do what its room's code calls, no more and no less."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from subprocess import run

import pytest
import yaml

from contracts import fargate
from services.api.direct import key_of

ROOT = Path(__file__).parents[3]
TEMPLATES = sorted((ROOT / "deploy/aws").glob("*.yaml"))
# What IAM asks for an operation, where it is not s3:<the operation>
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html
S3 = {
    "upload_file": {"PutObject", "AbortMultipartUpload"},
    "upload_fileobj": {"PutObject", "AbortMultipartUpload"},
    "download_file": {"GetObject"},
    "head_object": {"GetObject"},
    "generate_presigned_url": {"GetObject"},  # of whoever follows it; see test_links_are_to_get_objects
    "delete_objects": {"DeleteObject"},
    "head_bucket": {"ListBucket"},
    "list_objects_v2": {"ListBucket"},
    "list_multipart_uploads": {"ListBucketMultipartUploads"},
    "list_parts": {"ListMultipartUploadParts"},
}


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms: !Ref x is {"Ref": x}, !Sub x is {"Fn::Sub": x}."""


def _short(loader, suffix, node):
    maker = {
        yaml.ScalarNode: loader.construct_scalar,
        yaml.SequenceNode: lambda found: loader.construct_sequence(found, deep=True),
        yaml.MappingNode: lambda found: loader.construct_mapping(found, deep=True),
    }
    return {suffix if suffix == "Ref" else f"Fn::{suffix}": maker[type(node)](node)}


_Loader.add_multi_constructor("!", _short)


def template(name):
    return yaml.load((ROOT / f"deploy/aws/{name}.yaml").read_text(), Loader=_Loader)  # noqa: S506 - a SafeLoader


def resource(name, logical_id):
    return template(name)["Resources"][logical_id]["Properties"]


def statements(properties):
    found = properties.get("PolicyDocument") or properties["Policies"][0]["PolicyDocument"]
    return found["Statement"]


def actions(properties):
    allowed = set()
    for statement in statements(properties):
        assert statement["Effect"] == "Allow"
        given = statement["Action"]
        allowed |= set([given] if isinstance(given, str) else given)
    return allowed


def calls(path, of):
    """Give the methods that a module calls of something, e.g. `self._ecs`."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == of:
            found.add(node.attr)
        # a page of such an operation is one call of it
        if isinstance(node, ast.Call) and ast.unparse(node.func) == f"{of}.get_paginator":
            found.add(ast.literal_eval(node.args[0]))
    return found - {"get_paginator"}


def s3_actions(operations):
    return {
        f"s3:{action}"
        for operation in operations
        for action in S3.get(operation, {operation.title().replace("_", "")})
    }


def store_operations():
    """Give what each method of the S3 store calls of S3, by itself and through other methods."""
    tree = ast.parse((ROOT / "runtime/storage/s3.py").read_text())
    [store] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "S3Store"]
    direct, through = {}, defaultdict(set)
    for method in store.body:
        if isinstance(method, ast.FunctionDef):
            text = ast.unparse(method)
            paged = set(re.findall(r"self\._client\.get_paginator\('(\w+)'\)", text))
            direct[method.name] = set(re.findall(r"self\._client\.(\w+)", text)) - {"get_paginator"} | paged
            through[method.name] = set(re.findall(r"self\.(\w+)\(", text))
    found = {name: set(operations) for name, operations in direct.items()}
    for _ in range(len(found)):
        for name in found:
            for other in through[name] & found.keys():
                found[name] |= found[other]
    return found


def room_actions(room):
    """Give the S3 actions that a service's calls of its store come to."""
    by_method = store_operations()
    used = set()
    for path in (ROOT / "services" / room).rglob("*.py"):
        text = path.read_text()
        used |= set(re.findall(r"\b_?store\.(\w+)", text))
    return s3_actions(set().union(*(by_method.get(method, set()) for method in used)))


def test_templates_are_clean():
    pytest.importorskip("cfnlint")
    # In a process of its own, for it changes how YAML is read; in one, for that takes seconds to start
    done = run(
        [Path(sys.executable).with_name("cfn-lint"), *TEMPLATES], capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("room", ["api", "ingest"])
def test_a_services_policy_is_what_it_calls(room):
    assert actions(resource("services", f"{room.title()}Policy")) == room_actions(room)


def test_the_api_may_do_what_uploads_straight_to_s3_need_and_nowhere_else():
    # A multipart upload is begun, added to and completed by the right to put; a signed address has its signer's rights
    needed = {"create_multipart_upload", "generate_presigned_url", "complete_multipart_upload"}
    assert calls("runtime/storage/direct.py", "self._client") == needed | {"list_parts", "head_object"}
    policy = resource("services", "ApiPolicy")
    [put] = [statement for statement in statements(policy) if statement["Action"] == "s3:PutObject"]
    folders = [place["Fn::Sub"][0] for place in put["Resource"]]
    assert folders == ["${Objects}datasets/*/upload", "${Objects}jobs/*"]
    assert key_of("x") == "datasets/x/upload"
    assert {"s3:ListMultipartUploadParts", "s3:GetObject"} <= actions(policy)
    [rule] = resource("platform", "Bucket")["CorsConfiguration"]["CorsRules"]
    assert (rule["AllowedMethods"], rule["AllowedHeaders"]) == (["PUT"], ["x-amz-checksum-crc32"])


def test_the_launchers_policy_is_what_it_calls():
    ecs = calls("services/launcher/backends/ecs.py", "self._ecs") | calls(
        "services/launcher/backends/ecs_logs.py", "self._ecs"
    )
    logs = calls("services/launcher/backends/ecs_logs.py", "self._logs")
    queue = calls("services/launcher/notices.py", "self._queue")
    called = {f"ecs:{name.title().replace('_', '')}" for name in ecs}
    called |= {f"logs:{name.title().replace('_', '')}" for name in logs}
    called |= {f"sqs:{name.title().replace('_', '').removesuffix('Batch')}" for name in queue}
    lent = {
        f"sts:{name.title().replace('_', '')}"
        for name in calls("services/launcher/trainer_role.py", "self.sts")
    }
    # RunTask hands the task's two roles over
    assert actions(resource("services", "LauncherPolicy")) == called | lent | {"iam:PassRole"} | room_actions(
        "launcher"
    )


def test_the_trainers_roles_are_what_it_calls():
    called = s3_actions(calls("trainer/objects.py", "_s3()"))
    assert actions(resource("platform", "TrainerRole")) == called - {"s3:DeleteObject"}
    # Its settings, before it has the other's credentials
    assert actions(resource("platform", "TaskRole")) == {"s3:GetObject", "s3:DeleteObject"}
    # The predictor's processes are the trainer's, but remove nothing
    assert actions(resource("services", "PredictorPolicy")) == called - {"s3:DeleteObject"}


def test_links_are_to_get_objects():
    assert 'generate_presigned_url(\n            "get_object"' in (ROOT / "runtime/storage/s3.py").read_text()


def test_a_trainer_is_nobody_and_writes_to_one_place_alone():
    definition = resource("platform", "TaskDefinition")
    [container] = definition["ContainerDefinitions"]
    assert (container["User"], container["ReadonlyRootFilesystem"]) == ("10001:10001", True)
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert container["MountPoints"] == [{"SourceVolume": "tmp", "ContainerPath": "/tmp"}]
    dockerfile = (ROOT / "trainer/Dockerfile").read_text()
    assert 'VOLUME ["/tmp"]' in dockerfile
    assert "HOME=/tmp" in dockerfile


def test_a_trainer_reads_no_other_jobs_settings():
    """It may get what it is told the name of under specs/, and list data sets and weights alone (ADR 20)."""
    [alone] = statements(resource("platform", "TaskRole"))
    assert alone["Resource"] == {"Fn::Sub": "${Bucket.Arn}/${ObjectsPrefix}specs/*"}
    lent = statements(resource("platform", "TrainerRole"))
    assert [item["Condition"] for item in lent if item["Action"] == "s3:ListBucket"] == [
        {
            "StringLike": {
                "s3:prefix": [{"Fn::Sub": "${ObjectsPrefix}datasets/*"}, {"Fn::Sub": "${PretrainedPrefix}*"}]
            }
        }
    ]
    writes = [item["Resource"] for item in lent if "s3:PutObject" in item["Action"]]
    assert writes == [{"Fn::Sub": "${Bucket.Arn}/${ObjectsPrefix}jobs/*"}]


def everything_allowed():
    for path in TEMPLATES:
        for logical_id, item in template(path.stem)["Resources"].items():
            properties = item["Properties"]
            if item["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"} and (
                "Policies" in properties or "PolicyDocument" in properties
            ):
                for statement in statements(properties):
                    yield logical_id, statement


def test_no_statement_allows_all_there_is():
    # These have no resource that could be named
    alone = {"ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition"}
    for logical_id, statement in everything_allowed():
        given = statement["Action"]
        given = [given] if isinstance(given, str) else given
        assert not any("*" in action for action in given), logical_id
        assert (
            statement["Resource"] != "*"
            or set(given) <= alone
            or "ecs:cluster" in str(statement["Condition"])
        )


def test_the_bucket_is_closed_encrypted_and_swept():
    bucket = resource("platform", "Bucket")
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["unfinished-uploads"]["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] > 0
    assert rules["specs"]["Prefix"] == {"Fn::Sub": "${ObjectsPrefix}specs/"}
    assert rules["specs"]["ExpirationInDays"] == 1
    [statement] = resource("platform", "BucketPolicy")["PolicyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_task_definition_is_what_the_launcher_expects():
    """docs/launchers.md: its container's name, logs with group and prefix, time to stop; and one revision for every commit."""
    properties = resource("platform", "TaskDefinition")
    [container] = properties["ContainerDefinitions"]
    assert container["Name"] == "trainer"  # ECS_CONTAINER's default
    assert container["Image"]["Fn::Sub"].endswith("/triptych/trainer:latest")
    assert container["VersionConsistency"] == "disabled"
    assert container["StopTimeout"] == 120
    assert container["LogConfiguration"]["Options"].keys() >= {"awslogs-group", "awslogs-stream-prefix"}
    size = int(properties["Cpu"]), int(properties["Memory"])
    assert fargate.fargate_size(size[0] / 1024, size[1]) == size
    assert (container["Cpu"], container["Memory"]) == size


def test_workflows_may_push_from_the_branch_and_tags_alone():
    role = resource("delivery", "DeployRole")
    [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"]["StringEquals"] == {
        "token.actions.githubusercontent.com:aud": "sts.amazonaws.com"
    }
    assert trust["Condition"]["StringLike"] == {
        "token.actions.githubusercontent.com:sub": [
            {"Fn::Sub": "repo:${Repository}:ref:refs/heads/${Branch}"},
            {"Fn::Sub": "repo:${Repository}:ref:refs/tags/v*"},
        ]
    }
    assert {action.partition(":")[0] for action in actions(role)} == {"ecr"}


def test_roles_of_pods_are_for_accounts_that_there_are():
    accounts = yaml.safe_load_all((ROOT / "k8s/base/setup/accounts.yaml").read_text())
    names = {item["metadata"]["name"] for item in accounts}
    resources = template("services")["Resources"]
    for room in ("api", "ingest", "launcher", "predictor"):
        assert room in names
        association = resources[f"{room.title()}Pods"]["Properties"]
        assert association["ServiceAccount"] == room
        assert association["RoleArn"] == {"Fn::GetAtt": f"{room.title()}Role.Arn"}
        role = resources[f"{room.title()}Role"]["Properties"]
        assert role["ManagedPolicyArns"] == [{"Ref": f"{room.title()}Policy"}]
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Condition"]["StringEquals"]["aws:RequestTag/kubernetes-service-account"] == room
