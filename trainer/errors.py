"""How a run can end other than well, and the exit code each end has."""

from __future__ import annotations

EXIT_OK = 0
EXIT_UNEXPECTED = 1
EXIT_DATA = 2
EXIT_MODEL = 3
EXIT_OVER = 4
EXIT_MEMORY = 5
EXIT_SPEC = 64  # EX_USAGE of sysexits.h
EXIT_STORE = 75  # EX_TEMPFAIL
EXIT_TIMED_OUT = 124  # of timeout(1)
EXIT_INTERRUPTED = 130  # 128 + SIGINT
EXIT_CANCELLED = 143  # 128 + SIGTERM


_NO_MEMORY = ("can't allocate memory",)  # in torch's words
_NO_GPU_MEMORY = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


class DataError(Exception):
    """The inputs cannot be trained on; its text is one sentence that their owner can act on."""


class StoreError(Exception):
    """The object store did not answer, or could not take an object now; the same may go well later."""


class ModelError(Exception):
    """A model's own code is broken or failed; its text is one sentence, its cause has the traceback."""


class Cancelled(BaseException):  # a BaseException, so that no ``except Exception`` on the way swallows it
    """The process was asked to stop."""


def lacking_memory(error: BaseException) -> str:
    """Say what to do where memory was lacking, of the machine or of its GPU; "" where something else went wrong.

    Args:
        error: As it was caught; a model's own code may be what raised what it was raised from.
    """
    cause: BaseException | None = error
    while cause is not None:
        text = str(cause)
        first = text.partition("\n")[0][:200]
        if isinstance(cause, RuntimeError) and any(words in text for words in _NO_GPU_MEMORY):
            return f"out of memory of the GPU ({first}); try a smaller BATCH_SIZE, or fewer jobs at once"
        if isinstance(cause, MemoryError) or (
            isinstance(cause, RuntimeError) and any(words in text for words in _NO_MEMORY)
        ):
            said = f" ({first})" if first else ""
            return f"out of memory{said}; try more memory (resources.memory_mb), or a smaller BATCH_SIZE"
        cause = cause.__cause__ or cause.__context__
    return ""
