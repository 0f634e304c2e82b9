"""Addresses that a trainer must not report to or read from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx

from contracts import places
from contracts.job import InvalidSpec, JobSpec
from trainer.delivery import Away, Delivery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

GOOD = {
    "MODEL": "multimodal",
    "JOB_ID": "j1",
    "TARGET_COL": "label",
    "ARTIFACTS_URI": "s3://ours/triptych/jobs/j1/1",
    "ASSETS": '[{"key":"train_file","s3_uri":"s3://ours/triptych/datasets/d1/table.csv"}]',
    "API_BASE": "http://gateway:8080",
    "CALLBACK_SECRET": "secret",
}


def told(**changes: str) -> Callable[[Path], str]:
    def answer(_folder: Path) -> str:
        try:
            JobSpec.from_env(GOOD | changes)
        except InvalidSpec as error:
            return str(error)
        return "taken"

    return answer


def asset(uri: str, **more: str) -> Callable[[Path], str]:
    return told(ASSETS=json.dumps([{"key": "train_file", "s3_uri": uri}]), **more)


def resolved(address: str) -> Callable[[Path], str]:
    def answer(_folder: Path) -> str:
        before = places.socket.getaddrinfo
        places.socket.getaddrinfo = lambda *_: [(2, 1, 6, "", (address, 0))]
        try:
            return f"API_BASE: {places.why_not_resolved('http://harmless.example:8080')}"
        finally:
            places.socket.getaddrinfo = before

    return answer


def redirected(status: int) -> Callable[[Path], str]:
    def answer(_folder: Path) -> str:
        delivery = Delivery(JobSpec.from_env(GOOD))
        asked = []

        def elsewhere(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.host)
            return httpx.Response(status, headers={"Location": "http://169.254.169.254/"})

        delivery._client = httpx.Client(transport=httpx.MockTransport(elsewhere))
        try:
            delivery.send(b"{}")
        except Away as error:
            assert asked == ["gateway"]
            return f"not followed; the report is kept, and sent again: `{error}`"
        raise AssertionError("a redirect passes for success")

    return answer


BASES = {
    url: told(API_BASE=url)
    for url in (
        "http://169.254.169.254",
        "http://2852039166",
        "http://0xa9fea9fe",
        "http://0251.0376.0251.0376",
        "http://169.254.43518",
        "http://[fd00:ec2::254]",
        "http://[::ffff:169.254.169.254]",
        "http://[64:ff9b::a9fe:a9fe]",
        "http://[fe80::1]",
        "http://169.254.170.2/v2/credentials",
        "http://metadata.google.internal",
        "http://100.100.100.200",
        "http://169。254。169。254",
        "http://gateway@169.254.169.254",
        "file:///etc/passwd",
        "gopher://gateway",
        "http://10.0.0.7:8080",
    )
}
REPORTS = {
    "a name that resolves to 169.254.169.254": resolved("169.254.169.254"),
    "a name that resolves to fd00:ec2::254": resolved("fd00:ec2::254"),
    "a redirect (302) to 169.254.169.254": redirected(302),
    "a redirect (307), which repeats the body": redirected(307),
}
ASSETS = {
    "another bucket": asset("s3://other/triptych/datasets/d1/table.csv"),
    "another prefix of the bucket": asset("s3://ours/salaries/table.csv"),
    "another bucket that ASSET_PLACES names": asset(
        "s3://other/shared/table.csv", ASSET_PLACES="s3://other/shared"
    ),
    "a bucket whose name begins alike": asset("s3://ours-2/triptych/table.csv"),
    "`s3://ours/triptych/../x`": asset("s3://ours/triptych/../x"),
    "`s3://ours@evil/x`": asset("s3://ours@evil/x"),
    "`s3://169.254.169.254:80/x`": asset("s3://169.254.169.254:80/x"),
    "`file:///etc/passwd`, while results go to S3": asset("file:///etc/passwd"),
    "`file://host/share`": asset("file://host/share"),
    "`file:///data/%2e%2e/etc/passwd`": asset("file:///data/%2e%2e/etc/passwd", ARTIFACTS_URI="file:///out"),
    "`http://169.254.169.254/`": asset("http://169.254.169.254/"),
    "a checkpoint in another bucket": told(RESUME_FROM="s3://other/jobs/j1/1/checkpoint.pt"),
}
