"""Items: what a viewer of a job is told, as JSON and as Server-Sent Event frames.

An item's data is serialized once, when it is accepted, and never parsed again on its way to a viewer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from contracts.callback import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from contracts.callback import ArtifactInfo, Evaluation, Heartbeat, Point
    from contracts.changes import Change

# interrupted: the attempt is over, and whether another one follows is not told yet
QUEUED, LAUNCHING, RUNNING, INTERRUPTED = "queued", "launching", "running", "interrupted"
TERMINAL = frozenset(outcome.value for outcome in Outcome)
DELETED = "deleted"  # of a job's row alone, for good: no item tells it, and its items go
OVER = TERMINAL | {DELETED}

POINT, EVALUATION, STATE, ARTIFACT, HEARTBEAT = "point", "evaluation", "state", "artifact", "heartbeat"

END = b"event: end\ndata: {}\n\n"


@dataclass(frozen=True, slots=True)
class Draft:
    """An item that has no number yet."""

    identity: str
    kind: str
    attempt: int
    at: datetime
    data: str


@dataclass(frozen=True, slots=True)
class Numbered:
    """An item as it is stored."""

    seq: int
    kind: str
    attempt: int
    at: datetime
    data: str

    def to_json(self) -> str:
        """Give the item as one line of JSON."""
        at = self.at.isoformat().replace("+00:00", "Z")
        return f'{{"seq":{self.seq},"kind":"{self.kind}","attempt":{self.attempt},"at":"{at}","data":{self.data}}}'


def point(attempt: int, measured: Point) -> Draft:
    """Draft the item of a point; (attempt, split, step, seq) is its identity."""
    return Draft(
        f"p:{attempt}:{measured.split}:{measured.step}:{measured.seq}",
        POINT,
        attempt,
        measured.at,
        measured.model_dump_json(exclude={"seq", "at"}),
    )


def evaluation(attempt: int, evaluated: Evaluation, at: datetime) -> Draft:
    """Draft the item of a validation pass."""
    return Draft(
        f"e:{attempt}:{evaluated.step}:{evaluated.seq}",
        EVALUATION,
        attempt,
        at,
        evaluated.model_dump_json(exclude={"seq"}),
    )


def state(
    attempt: int, name: str, at: datetime, reason: str = "", metrics: Mapping[str, float] | None = None
) -> Draft:
    """Draft the item of a state; an attempt has each state once, and one end."""
    data: dict[str, object] = {"state": name, "reason": reason}
    if metrics:
        data["metrics"] = dict(metrics)
    identity = f"s:{attempt}:{'end' if name in TERMINAL else name}"
    return Draft(identity, STATE, attempt, at, json.dumps(data))


def artifacts(attempt: int, uploaded: Iterable[ArtifactInfo], at: datetime) -> Draft:
    """Draft the item that lists an attempt's artifacts."""
    data = {"items": [info.model_dump(mode="json") for info in uploaded]}
    return Draft(f"a:{attempt}", ARTIFACT, attempt, at, json.dumps(data))


def frame(seq: int, kind: str, line: bytes) -> bytes:
    """Make the Server-Sent Event of an item (WHATWG HTML, "Server-sent events")."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode(), line)


def frames(numbered: Sequence[Numbered]) -> bytes:
    """Make the Server-Sent Events of some items."""
    return b"".join(frame(item.seq, item.kind, item.to_json().encode()) for item in numbered)


def heartbeat_frame(heartbeat: str) -> bytes:
    """Make the Server-Sent Event of a heartbeat: without a number, so that a reconnect does not start from it."""
    return b"event: heartbeat\ndata: %s\n\n" % heartbeat.encode()


# A word without content: the log itself is the api's
LOG_FRAME = b"event: log\ndata: {}\n\n"


def change_frame(change: Change) -> bytes:
    """Make the Server-Sent Event of a change in a workspace."""
    return b"event: change\ndata: %s\n\n" % change.model_dump_json().encode()


def message(numbered: Sequence[Numbered], heartbeat: Heartbeat | None, last_seq: int) -> bytes:
    """Make the pub/sub message of what one transaction added: one JSON document a line.

    Args:
        numbered: The new items, in order.
        heartbeat: The heartbeat that came with them.
        last_seq: The job's newest number, which tells a viewer what it missed even where nothing is new.
    """
    lines = [item.to_json() for item in numbered]
    if heartbeat is not None:
        lines.append(f'{{"kind":"{HEARTBEAT}","last":{last_seq},"data":{heartbeat.model_dump_json()}}}')
    return "\n".join(lines).encode()


def heartbeat_of(line: bytes) -> str:
    """Give the heartbeat in a line of a message exactly as the database has it, so that the two can be told to be one."""
    return line.partition(b'"data":')[2].removesuffix(b"}").decode()
