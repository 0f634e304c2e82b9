"""The service refuses settings that would starve callbacks or weaken them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from services.metrics.settings import MetricsSettings

GOOD = {
    "database_url": "sqlite:////tmp/x.db",
    "redis_url": "redis://localhost",
    "objects_url": "file:///tmp/o",
    "callback_root_secret": "r" * 32,
}


def test_the_previous_root_counts_only_where_it_is_set():
    assert MetricsSettings(**GOOD).callback_roots == ("r" * 32,)
    both = MetricsSettings(**GOOD, callback_root_secret_previous="o" * 32)
    assert both.callback_roots == ("r" * 32, "o" * 32)


def test_secrets_do_not_show():
    assert "rrrr" not in repr(MetricsSettings(**GOOD))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"callback_root_secret": "short"}, "callback_root_secret"),
        ({"callback_secret": "short"}, "callback_secret"),
        ({"metrics_threads": 100, "events_max_streams": 100}, "EVENTS_MAX_STREAMS"),
        ({"events_keep_alive_seconds": 0}, "events_keep_alive_seconds"),
        ({"max_body_bytes": 1}, "max_body_bytes"),
    ],
)
def test_wrong_settings_are_named(wrong, why):
    with pytest.raises(ValidationError, match=why):
        MetricsSettings(**{**GOOD, **wrong})
