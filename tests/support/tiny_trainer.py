"""`python tiny_trainer.py LEDGER`: stands for the trainer where hundreds of jobs run; its reports go by the real reporter.

It writes what it did to LEDGER/<job>.jsonl, a line each: its start and stop, the points it told, those that the platform
has acknowledged, and whether another process of the same job was alive beside it.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.callback import Outcome, Phase
from contracts.job import JobSpec
from trainer.delivery import Delivery
from trainer.reporter import HttpReporter
from trainer.spool import Spool

if TYPE_CHECKING:
    from typing import NoReturn

# A job with this seed ends without a word, as a killed process does
SILENT_SEED, SILENT_EXIT = 137, 3
FLUSH_SECONDS = 120


class Stopped(Exception):
    """SIGTERM came."""


class Ledger:
    """What this process did, for the test to read."""

    def __init__(self, folder: Path, spec: JobSpec) -> None:
        self._path = folder / f"{spec.job_id}.jsonl"
        self._attempt = spec.attempt
        self._lock = (folder / f"{spec.job_id}.lock").open("w")
        self.note("start")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.note("overlap")

    def note(self, what: str, **more: Any) -> None:
        """Write one line, which survives this process."""
        line = {"what": what, "attempt": self._attempt, "pid": os.getpid(), "at": time.time(), **more}
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")


class NotingDelivery(Delivery):
    """Notes what the platform has acknowledged."""

    def __init__(self, spec: JobSpec, ledger: Ledger) -> None:
        super().__init__(spec)
        self._ledger = ledger

    def send(self, body: bytes, *, final: bool = False) -> None:
        """Send one body, and note it once it is taken."""
        super().send(body, final=final)
        sent = json.loads(body)
        points = [[p["split"], p["step"], p["seq"]] for p in sent.get("points", ())]
        if points or "final" in sent:
            self._ledger.note("acknowledged", points=points, final=sent.get("final", {}).get("outcome"))


def main() -> int:
    """Train nothing for a while and tell of it."""
    signal.signal(signal.SIGTERM, _stop)
    spec = JobSpec.from_env(os.environ)
    ledger = Ledger(Path(sys.argv[1]), spec)
    reporter = HttpReporter(
        Spool(Path(spec.workdir) / "spool", 2**20),
        NotingDelivery(spec, ledger),
        attempt=spec.attempt,
        heartbeat_seconds=5,
        over=lambda _: os.kill(os.getpid(), signal.SIGTERM),
    )
    outcome, reason = Outcome.SUCCEEDED, ""
    try:
        _train(spec, reporter)
    except Stopped:
        outcome, reason = Outcome.CANCELLED, "stopped on request (SIGTERM)"
    except RuntimeError as error:
        outcome, reason = Outcome.FAILED, str(error)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if spec.seed == SILENT_SEED and outcome is not Outcome.CANCELLED:
        ledger.note("stop")
        os._exit(SILENT_EXIT)
    reporter.final(outcome, reason, {"accuracy": 0.5} if outcome is Outcome.SUCCEEDED else None)
    reporter.close(FLUSH_SECONDS)
    ledger.note("stop")
    return 0 if outcome is Outcome.SUCCEEDED else 1


def _train(spec: JobSpec, reporter: HttpReporter) -> None:
    reporter.phase(Phase.TRAINING)
    fails_at = spec.model_params.get("fail_at_epoch") if spec.attempt == 1 else None
    for epoch in range(1, (spec.epochs or 1) + 1):
        time.sleep(spec.model_params.get("seconds_per_epoch", 0))
        if epoch == fails_at:
            raise RuntimeError(f"asked to fail at epoch {epoch}")
        reporter.point("train", epoch, epoch, {"loss": 1 / epoch})


def _stop(_number: int, _frame: object) -> NoReturn:
    raise Stopped


if __name__ == "__main__":
    sys.exit(main())
