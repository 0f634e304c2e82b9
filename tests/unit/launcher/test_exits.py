"""Exit codes in words."""

from __future__ import annotations

import pytest

from contracts.callback import Outcome
from contracts.events import PASSING, EndCause
from services.launcher.backend import Cause, RunState, RunStatus
from services.launcher.exits import cause_of, explain

TAIL = ['{"message": "EPOCHS: 0 is less than 1", "level": "INFO"}', "MODEL: is required", ""]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1, "exit 1: the trainer failed with an unexpected error: MODEL: is required"),
        (2, "exit 2: the data cannot be trained on: MODEL: is required"),
        (4, "exit 4: the platform had ended this attempt before: MODEL: is required"),
        (5, "exit 5: out of memory: MODEL: is required"),
        (9, "exit 9: the trainer failed: MODEL: is required"),
        (64, "exit 64: settings refused: EPOCHS: 0 is less than 1 | MODEL: is required"),
        (75, "exit 75: the object store did not answer: MODEL: is required"),
        (126, "exit 126: the trainer's command may not be executed"),
        (127, "exit 127: the trainer's command does not exist"),
        (130, "exit 130: interrupted"),
        (134, "exit 134: killed by SIGABRT"),
        (139, "exit 139: killed by SIGSEGV"),
        (143, "exit 143: stopped by SIGTERM, but nobody cancelled the job"),
        (255, "exit 255: the trainer failed"),
    ],
)
def test_codes(code, told):
    outcome, reason = explain(RunStatus(RunState.EXITED, code), TAIL)
    assert outcome is Outcome.FAILED
    assert reason.startswith(told)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"memory_mb": 4096}, "exit 137: killed, probably out of memory at 4096 MB; try 8192"),
        (
            {"peak_memory_mb": 1500},
            "exit 137: killed, probably out of memory of this machine (it had used 1500 MB); try a smaller BATCH_SIZE, or fewer jobs at once",
        ),
        (
            {"memory_mb": 512, "cause": Cause.OUT_OF_MEMORY},
            "exit 137: out of memory at 512 MB; try 1024",
        ),
    ],
)
def test_memory(status, told):
    assert explain(RunStatus(RunState.EXITED, 137, **status), []) == (Outcome.FAILED, told)


def test_a_trainer_that_ended_itself_is_out_of_time():
    told = "exit 124: stopped by itself, after longer than it may run: TimeoutError"
    assert explain(RunStatus(RunState.EXITED, 124), ["TimeoutError"]) == (Outcome.TIMED_OUT, told)


def test_an_error_record_tells_more_than_what_follows_it():
    tail = [
        '{"level": "ERROR", "message": "column x is empty"}',
        '{"level": "WARNING", "message": "bye"}',
        "end",
    ]
    told = "exit 2: the data cannot be trained on: column x is empty"
    assert explain(RunStatus(RunState.EXITED, 2), tail) == (Outcome.FAILED, told)


def test_a_reason_stays_short():
    _, reason = explain(RunStatus(RunState.EXITED, 1), ["x" * 100_000])
    assert len(reason) <= 1500


@pytest.mark.parametrize("line", ["[1, 2]", '{"message"', "null", '{"level": 1}'])
def test_a_line_that_is_no_log_record_is_itself(line):
    assert explain(RunStatus(RunState.EXITED, 1), [line])[1].endswith(line)


@pytest.mark.parametrize(
    ("code", "cause", "told", "again"),
    [
        (0, Cause.EXIT, None, False),
        (1, Cause.EXIT, EndCause.CODE, False),
        (2, Cause.EXIT, EndCause.DATA, False),
        (3, Cause.EXIT, EndCause.CODE, False),
        (4, Cause.EXIT, EndCause.STOPPED, False),
        (5, Cause.EXIT, EndCause.OUT_OF_MEMORY, False),
        (64, Cause.EXIT, EndCause.SETTINGS, False),
        (75, Cause.EXIT, EndCause.STORE, True),
        (124, Cause.EXIT, None, False),
        (127, Cause.EXIT, EndCause.NEVER_STARTED, False),
        (137, Cause.EXIT, EndCause.OUT_OF_MEMORY, False),
        (139, Cause.EXIT, EndCause.CODE, False),
        (143, Cause.EXIT, EndCause.INTERRUPTED, True),
        (None, Cause.EXIT, EndCause.LOST, True),
        (143, Cause.RECLAIMED, EndCause.RECLAIMED, True),
        (137, Cause.RECLAIMED, EndCause.RECLAIMED, True),
        (1, Cause.OUT_OF_MEMORY, EndCause.OUT_OF_MEMORY, False),
        (None, Cause.NEVER_STARTED, EndCause.NEVER_STARTED, False),
        (143, Cause.STOPPED, EndCause.STOPPED, False),
    ],
)
def test_what_is_nobodys_fault_is_tried_again(code, cause, told, again):
    assert cause_of(RunStatus(RunState.EXITED, code, cause)) is told
    assert (told in PASSING) is again
