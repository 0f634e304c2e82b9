"""One process of the trainer with one model loaded, asked over its standard input and output, a line each way."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from pydantic import ValidationError

from contracts.prediction import PredictionAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from contracts.prediction import PredictionTask


_END_SECONDS = 5.0


class Ended(Exception):
    """The process is no more; the text says how it ended."""


class ModelProcess:
    """A process group of its own, so that stopping the service leaves it alone until its input ends."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start it; the first ``answer`` tells whether its model is loaded."""
        self._process = subprocess.Popen(  # noqa: S603 - the command is a setting
            command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self._read = b""

    def ask(self, task: PredictionTask) -> None:
        """Hand over a task.

        Raises:
            Ended: There is nobody to take it.
        """
        try:
            os.write(self._process.stdin.fileno(), task.model_dump_json().encode() + b"\n")  # type: ignore[union-attr] # it is a pipe
        except BrokenPipeError:
            raise Ended(self._how()) from None

    def answer(self, seconds: float) -> PredictionAnswer:
        """Wait for the next answer.

        Raises:
            TimeoutError: There is none within so long; the process is killed.
            Ended: The process ended without one, or said what is no answer.
        """
        until, pipe = time.monotonic() + seconds, self._process.stdout.fileno()  # type: ignore[union-attr] # it is a pipe
        while b"\n" not in self._read:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                self.stop()
                raise TimeoutError
            some = os.read(pipe, 1 << 16)
            if not some:
                raise Ended(self._how())
            self._read += some
        line, _, self._read = self._read.partition(b"\n")
        try:
            return PredictionAnswer.model_validate_json(line)
        except ValidationError:
            self.stop()
            raise Ended("it answered in a way that is not understood") from None

    def stop(self) -> None:
        """Kill it and all that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()  # type: ignore[union-attr] # they are pipes

    def _how(self) -> str:
        with suppress(subprocess.TimeoutExpired):  # it may have closed its output and live on
            self._process.wait(_END_SECONDS)
        self.stop()
        code = self._process.returncode
        if code == -signal.SIGKILL:
            return "it was killed, probably for want of memory"
        return f"signal {-code}" if code < 0 else f"exit code {code}"
