"""A data set's page says what keeps its tracks from getting on, and no more once they have ended."""

from __future__ import annotations

from ui.pages.dataset import _tracks

WAITS = (
    "waits for the store or a disk since 2026-11-26 17:03 UTC, and goes on by itself: No space left on device"
)


def shown(state: str, schema: tuple[str, str | None], staging: tuple[str, str | None]) -> str:
    return str(
        _tracks(
            {
                "state": state,
                "reason": None,
                "rows": 3,
                "schema_track": {"state": schema[0], "reason": schema[1]},
                "staging_track": {
                    "state": staging[0],
                    "reason": staging[1],
                    "bytes_done": 1,
                    "bytes_total": 2,
                },
            }
        )
    )


def test_a_track_that_waits_says_what_for():
    page = shown("uploaded", ("pending", WAITS), ("running", None))
    assert "Reading the table does not get on" in page
    page = shown("uploaded", ("detected", None), ("running", WAITS))
    assert "Storing the files does not get on" in page
    assert WAITS in page


def test_a_track_that_gets_on_or_has_failed_is_not_said_to_wait():
    assert "does not get on" not in shown("uploaded", ("pending", None), ("running", None))
    page = shown("rejected", ("failed", "no columns"), ("failed", "given up"))
    assert "could not be read" in page
    assert "does not get on" not in page
