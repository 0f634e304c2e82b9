"""How a run can end other than well, and the exit code each end has."""

from __future__ import annotations

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_DATA = 2
EXIT_MODEL = 3
EXIT_OVER = 4
EXIT_SPEC = 64  # EX_USAGE of sysexits.h
EXIT_STORE = 75  # EX_TEMPFAIL
EXIT_TIMED_OUT = 124  # of timeout(1)
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_CANCELLED = 143  # 128 + SIGTERM


class DataError(Exception):
    """The inputs cannot be trained on; its text is one sentence that their owner can act on."""


class StoreError(Exception):
    """The object store did not answer, or could not take an object now; the same may go well later."""


class ModelError(Exception):
    """A model's own code is broken or failed; its text is one sentence, its cause has the traceback."""


class Cancelled(BaseException):  # a BaseException, so that no ``except Exception`` on the way swallows it
    """The process was asked to stop."""
