"""Short-lived access to objects for one attempt of a job: a role, narrowed by a session policy to what the attempt reads and writes.

What an attempt gets is for its own prefixes alone, whatever the role may do besides (docs/adr/0031-trainers-access.md).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from runtime.errors import Transient
from services.launcher.backend import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY_LIMIT = 2048  # characters that AssumeRole takes
_NEVER = {"MalformedPolicyDocument", "PackedPolicyTooLarge", "ValidationError"}
_READ, _WRITE = ["s3:GetObject"], ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]


class Assumes(Protocol):
    """What is used of boto3's client of the Security Token Service."""

    def assume_role(self, **request: Any) -> Any:
        """Give credentials of a role."""
        ...


@dataclass(frozen=True, slots=True)
class TrainerRole:
    """Makes credentials of a role.

    Attributes:
        sts: Client that assumes the role.
        arn: The role, which this process may assume.
        seconds: How long credentials are good for.
    """

    sts: Assumes
    arn: str
    seconds: int

    def lend(self, job_id: str, attempt: int, env: Mapping[str, str], news_uri: str) -> str:
        """Make the credentials of an attempt.

        Args:
            job_id: The job.
            attempt: Its attempt.
            env: The trainer's environment, which names what it reads and writes.
            news_uri: Where it will find newer ones.

        Returns:
            The trainer's OBJECT_CREDENTIALS, as JSON.

        Raises:
            Transient: STS does not answer, or denies the role, which no job can help.
            Refused: It does not take the policy.
        """
        policy = session_policy(env, news_uri, partition=self.arn.split(":")[1])
        try:
            answer = self.sts.assume_role(
                RoleArn=self.arn,
                RoleSessionName=re.sub(r"[^\w+=,.@-]", "-", f"triptych-{job_id}-{attempt}", flags=re.ASCII)[
                    :64
                ],
                Policy=policy,
                DurationSeconds=self.seconds,
            )
        except ClientError as error:
            if error.response["Error"].get("Code") in _NEVER:
                raise Refused(f"no access to objects for the trainer: {error}") from error
            raise Transient(f"no access to objects for the trainer yet: {error}") from error
        except BotoCoreError as error:
            raise Transient(f"STS does not answer: {error}") from error
        lent = answer["Credentials"]
        return json.dumps(
            {
                "access_key": lent["AccessKeyId"],
                "secret_key": lent["SecretAccessKey"],
                "token": lent["SessionToken"],
                "expiry_time": lent["Expiration"].isoformat(),
                "news_uri": news_uri,
            }
        )


def session_policy(env: Mapping[str, str], news_uri: str, *, partition: str = "aws") -> str:
    """Write what an attempt may do: read its data set, its job's checkpoints and pretrained weights; write its own folder.

    Args:
        env: The trainer's environment.
        news_uri: Where its next credentials lie.
        partition: Of ARNs, aws or aws-cn for instance.

    Raises:
        Refused: The policy is longer than AssumeRole takes.
    """
    folders = [env[name] for name in ("PRETRAINED_URI",) if env.get(name)]
    files = [news_uri]
    for asset in json.loads(env.get("ASSETS", "[]")):
        (folders if asset["key"] == "train_folder" else files).append(asset["s3_uri"])
    resume = env.get("RESUME_FROM", "").strip()
    files += json.loads(resume) if resume.startswith("[") else [resume] if resume else []
    own = (
        env.get("ARTIFACTS_URI")
        or f"s3://{env.get('S3_BUCKET', '')}/jobs/{env.get('JOB_ID')}/{env.get('ATTEMPT')}"
    )
    listed = [(uri, _arn(uri, partition)) for uri in folders if _is_s3(uri)]
    reads = [_arn(uri, partition) for uri in files if _is_s3(uri)] + [f"{arn}/*" for _, arn in listed]
    statements: list[dict[str, Any]] = [{"Effect": "Allow", "Action": _READ, "Resource": sorted(set(reads))}]
    if _is_s3(own):
        statements.append({"Effect": "Allow", "Action": _WRITE, "Resource": f"{_arn(own, partition)}/*"})
    for uri, _ in listed:
        bucket, _, prefix = uri.removeprefix("s3://").rstrip("/").partition("/")
        statements.append(
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": f"arn:{partition}:s3:::{bucket}",
                "Condition": {"StringLike": {"s3:prefix": f"{_literal(prefix)}/*"}},
            }
        )
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements}, separators=(",", ":"))
    if len(policy) > POLICY_LIMIT:
        raise Refused(
            f"what the trainer may reach takes {len(policy)} characters to say, and AWS takes {POLICY_LIMIT}: "
            "shorten the names of its assets, or retry the job as a new one"
        )
    return policy


def open_role(arn: str, seconds: int) -> TrainerRole:
    """Make one with a client for the region and credentials that boto3 finds in the environment."""
    config = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "max_attempts": 4})
    return TrainerRole(boto3.client("sts", config=config), arn, seconds)


def _is_s3(uri: str) -> bool:
    return uri.startswith("s3://")


def _arn(uri: str, partition: str) -> str:
    return f"arn:{partition}:s3:::{_literal(uri.removeprefix('s3://').rstrip('/'))}"


def _literal(text: str) -> str:
    """Write a name so that a policy takes none of its characters for a pattern or a variable."""
    return re.sub(r"[*?$]", lambda sign: f"${{{sign[0]}}}", text)
