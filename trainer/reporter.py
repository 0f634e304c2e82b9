"""Reports to the platform from a thread of its own: batched, in order, spooled on disk while the service is away.

Training never waits for a report and never dies of one.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from contracts.callback import (
    ArtifactInfo,
    CallbackBody,
    Evaluation,
    Final,
    Heartbeat,
    Outcome,
    Phase,
    Point,
    to_json,
)
from trainer.delivery import LONGEST_WAIT, Away, Dropped, Over
from trainer.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from contracts.base import Wire
    from trainer.delivery import Delivery
    from trainer.spool import Spool

log = logging.getLogger(__name__)

MAX_LINES = 500
MAX_BODY_BYTES = 256 * 1024
MAX_EVALUATIONS = 20  # of CallbackBody
MAX_LABELS = 100  # a matrix over more classes is in report.json only
BATCH_SECONDS = 0.5


class Reporter(Protocol):
    """What a training loop tells of itself."""

    def phase(self, phase: Phase, message: str = "") -> None:
        """Enter a phase."""

    def progress(self, share: float, eta_seconds: float | None = None) -> None:
        """Say how far the phase is, 0 to 1, and in how many seconds it ends."""

    def message(self, text: str) -> None:
        """Say what the phase does or waits for."""

    def point(self, split: str, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Tell values measured at an optimizer step."""

    def evaluation(
        self, step: int, epoch: float, labels: Sequence[str], matrix: list[list[int]], *, best: bool
    ) -> None:
        """Tell the confusion matrix of a validation pass."""

    def final(
        self,
        outcome: Outcome,
        reason: str = "",
        metrics: Mapping[str, float] | None = None,
        artifacts: Sequence[ArtifactInfo] = (),
        *,
        passing: bool = False,
    ) -> None:
        """Tell how the attempt ended, and whether another may go well; nothing may be told after it."""


class SilentReporter:
    """Reports to no one: for a job without API_BASE, whose logs tell everything."""

    def phase(self, phase: Phase, message: str = "") -> None:
        """Log the phase."""
        log.info("%s %s", phase.value, message)

    def progress(self, share: float, eta_seconds: float | None = None) -> None:
        """Do nothing."""

    def message(self, text: str) -> None:
        """Do nothing."""

    def point(self, split: str, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def evaluation(
        self, step: int, epoch: float, labels: Sequence[str], matrix: list[list[int]], *, best: bool
    ) -> None:
        """Do nothing."""

    def final(
        self,
        outcome: Outcome,
        reason: str = "",
        metrics: Mapping[str, float] | None = None,
        artifacts: Sequence[ArtifactInfo] = (),
        *,
        passing: bool = False,
    ) -> None:
        """Do nothing."""

    def close(self, seconds: float) -> None:
        """Do nothing."""

    def hurry(self, seconds: float) -> None:
        """Do nothing."""


class HttpReporter:
    """Appends to the spool from the training thread; sends from a thread of its own."""

    def __init__(
        self,
        spool: Spool,
        delivery: Delivery,
        *,
        attempt: int,
        heartbeat_seconds: float,
        over: Callable[[str], None],
    ) -> None:
        """Start reporting.

        Args:
            spool: Keeps what is not sent yet.
            delivery: Signs and sends one body.
            attempt: The job's attempt.
            heartbeat_seconds: Between signs of life and samples of this process's use of the machine.
            over: Told, from the reporter's thread, why nobody wants this attempt any more; nothing is sent after it.
        """
        self._spool = spool
        self._delivery = delivery
        self._attempt = attempt
        self._heartbeat_seconds = heartbeat_seconds
        self._over = over
        self._now: tuple[Phase, float, float | None, str] = (Phase.DOWNLOADING, 0.0, None, "")
        self._at = (0, 0.0)  # step and epoch of the last point
        self._seq_lock = threading.Lock()
        self._dropped = 0
        # the last word, where the disk had no room for it, or points beside it were refused
        self._unspooled: Final | None = None
        self._closing = threading.Event()
        self._give_up_at = math.inf  # monotonic seconds
        self._machine = Machine()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def phase(self, phase: Phase, message: str = "") -> None:
        """Enter a phase."""
        log.info("%s %s", phase.value, message)
        self._now = (phase, 0.0, None, message[:500])

    def progress(self, share: float, eta_seconds: float | None = None) -> None:
        """Say how far the phase is, 0 to 1, and in how many seconds it ends."""
        phase, _, _, message = self._now
        self._now = (phase, min(1.0, max(0.0, share)), eta_seconds, message)

    def message(self, text: str) -> None:
        """Say what the phase does or waits for."""
        phase, share, eta, _ = self._now
        self._now = (phase, share, eta, text[:500])

    def point(self, split: str, step: int, epoch: float, values: Mapping[str, float]) -> None:
        """Tell values measured at an optimizer step; those that are not finite are left out."""
        if split != "system":
            self._at = (step, epoch)
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        if finite:
            body = {"split": split, "step": step, "epoch": epoch, "at": datetime.now(UTC), "values": finite}
            self._append(Point, body)

    def evaluation(
        self, step: int, epoch: float, labels: Sequence[str], matrix: list[list[int]], *, best: bool
    ) -> None:
        """Tell the confusion matrix of a validation pass."""
        if len(labels) <= MAX_LABELS:
            body = {"step": step, "epoch": epoch, "labels": list(labels), "matrix": matrix, "best": best}
            self._append(Evaluation, body)

    def final(
        self,
        outcome: Outcome,
        reason: str = "",
        metrics: Mapping[str, float] | None = None,
        artifacts: Sequence[ArtifactInfo] = (),
        *,
        passing: bool = False,
    ) -> None:
        """Tell how the attempt ended, and whether another may go well."""
        finite = {name: value for name, value in (metrics or {}).items() if math.isfinite(value)}
        final = Final(
            outcome=outcome,
            reason=reason[:4000],
            metrics=finite,
            artifacts=list(artifacts),
            passing=passing,
        )
        if not self._spool.append(f'{{"final":{final.model_dump_json()}}}', always=True):
            self._unspooled = final

    def close(self, seconds: float) -> None:
        """Wait until everything is sent, or some seconds are over."""
        self._give_up_at = time.monotonic() + seconds
        self._closing.set()
        while self._thread.is_alive() and (left := self._give_up_at - time.monotonic()) > 0:
            self._thread.join(min(left, 0.5))  # a signal may have cut the time
        if not self._thread.is_alive():  # else it is still in the middle of a report
            self._delivery.close()
        if self._spool.waiting or self._unspooled:
            log.warning("ended with %d bytes of reports unsent", self._spool.waiting)

    def hurry(self, seconds: float) -> None:
        """Wait some seconds more at most; for a signal's handler, while `close` waits."""
        self._give_up_at = min(self._give_up_at, time.monotonic() + seconds)

    def _append(self, kind: type[Wire], values: dict[str, Any]) -> None:
        key = "evaluation" if kind is Evaluation else "point"
        with self._seq_lock:
            try:
                item = kind.model_validate({**values, "seq": self._spool.appended})
            except ValidationError as error:
                log.warning("left out a report that breaks the wire format: %s", error)
                return
            kept = self._spool.append(f'{{"{key}":{item.model_dump_json()}}}')
        if not kept:
            self._dropped += 1
            if self._dropped == 1:
                log.warning("the spool of reports is full (SPOOL_MAX_MB), or its disk: points are dropped")

    def _run(self) -> None:
        next_beat = 0.0
        while time.monotonic() < self._give_up_at:
            try:
                if time.monotonic() >= next_beat:
                    next_beat = time.monotonic() + self._heartbeat_seconds
                    self._sample()
                    self._send(CallbackBody(attempt=self._attempt, heartbeat=self._heartbeat()))
                self._drain()
            except Away as away:
                # while the service is away only this wait is between attempts: the spool keeps what comes
                log.warning("%s; trying again in %.1f s", away, away.wait)
                self._closing.wait(away.wait) if not self._closing.is_set() else time.sleep(
                    min(1.0, away.wait)
                )
                continue
            except Over as over:
                self._over(str(over))
                return
            except Exception:
                log.exception("the reporter stumbled")
                if self._closing.is_set():
                    return
            if self._closing.is_set() and not (self._spool.waiting or self._unspooled):
                return
            self._closing.wait(BATCH_SECONDS)

    def _drain(self) -> None:
        while lines := self._spool.peek(MAX_LINES, MAX_BODY_BYTES):
            taken, body = self._body(lines)
            if not self._send(body) and body.final is not None:
                self._unspooled = body.final  # again, by itself
            self._spool.take(taken)
        if self._unspooled is not None:
            if not self._send(CallbackBody(attempt=self._attempt, final=self._unspooled)):
                raise Away("it refused the last word, which alone says where the model is", LONGEST_WAIT)
            self._unspooled = None

    def _body(self, lines: list[bytes]) -> tuple[list[bytes], CallbackBody]:
        points: list[Point] = []
        evaluations: list[Evaluation] = []
        final: Final | None = None
        taken: list[bytes] = []
        for line in lines:
            ((key, value),) = json.loads(line).items()
            if key == "evaluation":
                if len(evaluations) == MAX_EVALUATIONS:
                    break
                evaluations.append(Evaluation.model_validate(value))
            elif key == "point":
                points.append(Point.model_validate(value))
            else:
                final = Final.model_validate(value)
            taken.append(line)
        body = CallbackBody(attempt=self._attempt, points=points, evaluations=evaluations, final=final)
        return taken, body

    def _send(self, body: CallbackBody) -> bool:
        """Send a body, and give whether it was taken; one that was refused is of no further use."""
        try:
            self._delivery.send(to_json(body), final=body.final is not None)
        except Dropped as refusal:
            log.error("a report was refused and dropped: %s", refusal)  # noqa: TRY400 - its traceback tells nothing
            return False
        return True

    def _heartbeat(self) -> Heartbeat:
        phase, share, eta, message = self._now
        return Heartbeat(at=datetime.now(UTC), phase=phase, progress=share, eta_seconds=eta, message=message)

    def _sample(self) -> None:
        step, epoch = self._at
        self.point("system", step, epoch, self._machine.sample())
