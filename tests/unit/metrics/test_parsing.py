"""Bodies of callbacks: what is taken, and which field is named when one is not."""

from __future__ import annotations

import json

import pytest

from runtime.errors import Invalid
from services.metrics.parsing import parse

AT = "2026-01-01T00:00:00Z"


def point(**changes):
    measured = {"split": "train", "step": 1, "seq": 0, "epoch": 0.5, "at": AT, "values": {"loss": 1.0}}
    return json.dumps({"points": [{**measured, **changes}]}).encode()


def evaluation(**changes):
    evaluated = {"step": 1, "seq": 0, "epoch": 1, "labels": ["a", "b"], "matrix": [[1, 2], [3, 4]]}
    return json.dumps({"evaluations": [{**evaluated, **changes}]}).encode()


def heartbeat(**changes):
    return json.dumps({"heartbeat": {"at": AT, "phase": "training", "progress": 0.5, **changes}}).encode()


def final(**changes):
    return json.dumps({"final": {"outcome": "succeeded", **changes}}).encode()


@pytest.mark.parametrize(
    "raw", [b"{}", point(), evaluation(), heartbeat(), final(), point(epoch=1), final(metrics={"f1": 1})]
)
def test_a_good_body_is_taken(raw):
    parse(raw)


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b"", "body"),
        (b"null", "body"),
        (b"[]", "body"),
        (b"{", "body"),
        (b"[" * 100_000, "body"),
        (b'{"points":' * 5_000, "body"),
        (b'{"points":["\xff"]}', "body"),
        (b"\xef\xbb\xbf{}", "body"),
        (b'{"attempt":' + b"9" * 10_000 + b"}", "body"),
        (rb'{"final":{"outcome":"failed","reason":"\ud800"}}', "body"),
        (b'{"attempt":1,"attempt":0}', "attempt"),
        (b'{"attempt":' + b"9" * 400 + b"}", "attempt"),
        (b'{"attempt":true}', "attempt"),
        (b'{"attempt":"1_000"}', "attempt"),
        (b'{"version":2}', "version"),
        (b'{"typo":1}', "typo"),
        (point(epoch="NaN").replace(b'"NaN"', b"NaN"), "points.0.epoch"),
        (point(epoch="x").replace(b'"x"', b"1e999"), "points.0.epoch"),
        (point(epoch="x").replace(b'"x"', b"-Infinity"), "points.0.epoch"),
        (point(values={"loss": "x"}).replace(b'"x"', b"9" * 400), "points.0.values.loss"),
        (point(values={"loss": None}), "points.0.values.loss"),
        (point(values={}), "points.0.values"),
        (point(values={"Loss!": 1}), "points.0.values.Loss!.[key]"),
        (point(split="test"), "points.0.split"),
        (point(step=-1), "points.0.step"),
        (point(step=2**53 + 1), "points.0.step"),
        (point(step="1_000"), "points.0.step"),
        (point(step="\N{FULLWIDTH DIGIT ONE}"), "points.0.step"),
        (point(step=1.5), "points.0.step"),
        (point(at="yesterday"), "points.0.at"),
        (point(at="2026-01-01T00:00:00"), "points.0.at"),
        (point(at="0001-01-01T00:00:00+23:00"), "points.0.at"),
        (point(at="9999-12-31T23:59:59-23:00"), "points.0.at"),
        (point(extra=1), "points.0.extra"),
        (json.dumps({"points": [json.loads(point())["points"][0]] * 1001}).encode(), "points"),
        (evaluation(matrix=[[1, 2]]), "evaluations.0.matrix"),
        (evaluation(matrix=[[1], [2, 3]]), "evaluations.0.matrix"),
        (evaluation(matrix=[[1, 2], [3, -4]]), "evaluations.0.matrix"),
        (evaluation(matrix=[[1, 2], [3, 10**400]]), "evaluations.0.matrix"),
        (heartbeat(progress=1.1), "heartbeat.progress"),
        (heartbeat(at="2026-01-01T00:00:00"), "heartbeat.at"),
        (heartbeat(phase="resting"), "heartbeat.phase"),
        (final(outcome="won"), "final.outcome"),
        (
            final(artifacts=[{"name": "m", "uri": "u", "size": 2**63, "sha256": "0" * 64}]),
            "final.artifacts.0.size",
        ),
        (final(artifacts=[{"name": "m", "uri": "u", "size": 1, "sha256": "?"}]), "final.artifacts.0.sha256"),
    ],
)
def test_a_bad_body_is_refused_with_the_field(raw, field):
    with pytest.raises(Invalid, match=r"^.+: .+") as refused:
        parse(raw)
    assert list(refused.value.errors) == [field]


def test_a_body_with_many_mistakes_gets_a_short_answer():
    with pytest.raises(Invalid, match="and 980 more") as refused:
        parse(json.dumps({"points": [{**json.loads(point())["points"][0], "step": -1}] * 1000}).encode())
    assert len(refused.value.errors) == 20
