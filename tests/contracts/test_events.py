"""Golden messages: what was released once is understood for ever, by everyone who subscribes to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts.events import EVENTS, Envelope, wrap
from contracts.topology import QUEUES, TOPOLOGY

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"
GOLDEN = sorted(EXAMPLES.glob("*.v*.json"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_golden_message_decodes_and_encodes_to_itself(path):
    message = json.loads(path.read_text())
    envelope = Envelope.model_validate_json(path.read_text())
    event = envelope.decode()
    assert event.model_dump(mode="json") == message["data"]
    assert envelope.model_dump(mode="json") == message


def test_every_event_has_a_golden_message_and_a_row_in_the_topology():
    assert {path.stem for path in GOLDEN} == set(EVENTS) == set(TOPOLOGY)
    assert {queue for queues in TOPOLOGY.values() for queue in queues} == set(QUEUES)


def test_an_unknown_field_is_refused():
    message = json.loads(GOLDEN[0].read_text())
    with pytest.raises(ValidationError, match="extra"):
        Envelope.model_validate({**message, "data": {**message["data"], "surprise": 1}}).decode()


def test_an_event_of_a_later_release_is_refused_by_name():
    message = json.loads(GOLDEN[0].read_text())
    with pytest.raises(KeyError, match=r"dataset\.uploaded\.v9"):
        Envelope.model_validate({**message, "event": "dataset.uploaded.v9"}).decode()


def test_wrapping_keeps_the_correlation():
    event = EVENTS["dataset.deleted.v1"](dataset_id="d")
    envelope = wrap(event, {"request_id": "r"})
    assert (envelope.event, envelope.correlation, envelope.decode()) == (
        "dataset.deleted.v1",
        {"request_id": "r"},
        event,
    )


@pytest.mark.parametrize(
    "old",
    [
        ("job.launch_requested.v1", {"job_id": "j", "attempt": 1, "spec": {}, "max_seconds": 60}),
        ("job.finished.v1", {"job_id": "j", "attempt": 1, "outcome": "failed", "reason": "exit 2"}),
        ("job.lost.v1", {"job_id": "j", "attempt": 1, "reason": "gone"}),
    ],
    ids=lambda old: old[0],
)
def test_what_was_sent_before_a_field_was_added_is_still_understood(old):
    name, data = old
    event = EVENTS[name].model_validate(data)
    assert event.model_dump(mode="json").items() >= data.items()
