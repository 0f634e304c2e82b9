"""How figures, times and states are written for people."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

STATE_COLORS = {
    "created": "gray",
    "queued": "gray",
    "launching": "blue",
    "running": "blue",
    "succeeded": "teal",
    "failed": "red",
    "cancelled": "gray",
    "timed_out": "orange",
    "interrupted": "orange",
    "uploading": "blue",
    "uploaded": "blue",
    "ready": "teal",
    "rejected": "red",
}
LAUNCHERS = {
    "local": "a local process on the platform's own machine",
    "ecs": "a Fargate task",
    "kubernetes": "a Kubernetes job",
}
MODALITIES = {"tabular": "other columns"}  # numbers, categories and dates
STATE_WORDS = {"uploaded": "preparing", "timed_out": "timed out"}
SCOPES = {
    "read": "look at everything in the workspace",
    "write": "upload, train, predict, change and delete",
    "admin": "make and revoke the workspace's keys",
    "operator": "look after the whole platform: workspaces, keys of any, dead letters, limits and clean-up",
}
ACTIVE = ("queued", "launching", "running")
ENDED = ("succeeded", "failed", "cancelled", "timed_out")
RETRYABLE = ("failed", "cancelled", "timed_out")


def state(name: str) -> str:
    """Give the word for a state."""
    return STATE_WORDS.get(name, name.replace("_", " "))


def isolated(given: str) -> str:
    """Keep a name's direction to itself, where it stands inside other words and no element can (Unicode's FSI and PDI)."""
    return f"\u2068{given}\u2069"


def size(count: float | None) -> str:
    """Write a number of bytes, with decimal units."""
    if count is None:
        return "–"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - decimal units
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"  # noqa: PLR2004
        value /= 1000
    return f"{value:.1f} TB"


def capitalized(text: str) -> str:
    """Give a text a capital, and leave the rest as it is."""
    return text[:1].upper() + text[1:]


def whole(count: float | None) -> str:
    """Write a count in groups, as the API's own sentences do: 12,345."""
    return "–" if count is None else f"{int(count):,}"


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: 1 file, 3 files, 3 classes."""
    ending = "" if count == 1 else "es" if noun.endswith("s") else "s"
    return f"{whole(count)} {noun}{ending}"


def number(value: float | None) -> str:
    """Write a measurement with four significant digits."""
    if value is None or not math.isfinite(value):
        return "–"
    if float(value).is_integer() and abs(value) < 1e9:  # noqa: PLR2004 - beyond it the exponent reads better
        return whole(value)
    return re.sub(r"e(-?)\+?0*", r"e\1", f"{value:.4g}")  # 1e-5, as a browser writes it; Python writes 1e-05


def fixed(value: float, digits: int, *, signed: bool = False) -> str:
    """Write a measurement with so many digits after the point and a true minus: −0.31; what rounds to nothing has no sign."""
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("+-")


def percent(share: float | None, digits: int = 1) -> str:
    """Write a share, 0 to 1, in per cent."""
    if share is None or not math.isfinite(share):
        return "–"
    least = 10**-digits
    shown = f"<{least:g}" if 0 < share * 100 < least / 2 else f"{share * 100:.{digits}f}"
    return f"{shown}\u202f%"


def duration(seconds: float | None) -> str:
    """Write a span of time: 42 s, 3 min, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return "–"
    left = max(0, round(seconds))
    if left < MINUTE:
        return f"{left} s"
    if left < HOUR:
        return _of_both(left // MINUTE, "min", left % MINUTE, "s")
    if left < DAY:
        return _of_both(left // HOUR, "h", left % HOUR // MINUTE, "min")
    return _of_both(left // DAY, "d", left % DAY // HOUR, "h")


def _of_both(whole: int, unit: str, rest: int, of_rest: str) -> str:
    return f"{whole} {unit} {rest} {of_rest}" if rest else f"{whole} {unit}"


def moment(text: str | None) -> datetime | None:
    """Read an ISO 8601 time; one without a zone is UTC."""
    if not text:
        return None
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def ago(text: str | None, now: datetime | None = None) -> str:
    """Write a time as its distance, which needs no time zone: just now, 5 min ago, 2026-11-23."""
    at = moment(text)
    if at is None:
        return "–"
    seconds = ((now or datetime.now(UTC)) - at).total_seconds()
    if seconds < MINUTE:
        return "just now"
    if seconds < HOUR:
        return f"{int(seconds // MINUTE)} min ago"
    if seconds < DAY:
        return f"{int(seconds // HOUR)} h ago"
    if seconds < 7 * DAY:
        return f"{int(seconds // DAY)} d ago"
    return f"{at:%Y-%m-%d}"


def clock(text: str | None) -> str:
    """Write a time in full: 2026-11-23 14:05:09 UTC."""
    at = moment(text)
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "–"


_DATE_PARTS = {
    "%Y": "year", "%y": "two-digit year", "%m": "month", "%d": "day", "%b": "month's name", "%B": "month's name", "%H": "hour", "%I": "hour",
    "%M": "minute", "%S": "second", "%f": "fraction", "%p": "am or pm", "%z": "zone", "%#z": "zone", "%a": "weekday", "%A": "weekday",
}  # fmt: skip
_SOME_TIME = datetime(2026, 3, 25, 14, 5, 9, tzinfo=UTC)  # its day is no month


def date_format(pattern: str) -> str:
    """Write a strptime pattern, or iso8601, in words and with an example."""
    if pattern == "iso8601":
        return f"ISO 8601, like {_SOME_TIME:%Y-%m-%d} or {_SOME_TIME:%Y-%m-%dT%H:%M:%SZ}"
    words = re.sub("%#?[A-Za-z]", lambda part: _DATE_PARTS.get(part[0], part[0]), pattern)
    return f"{words}, like {_SOME_TIME.strftime(pattern.replace('%#z', '%z'))}"


def between(start: str | None, end: str | None, now: datetime | None = None) -> str:
    """Write how long something took, or takes so far."""
    begun = moment(start)
    if begun is None:
        return "–"
    return duration(((moment(end) or now or datetime.now(UTC)) - begun).total_seconds())


def money(amount: float, currency: str, digits: int = 2) -> str:
    """Write an amount: $0.42, less than $0.01."""
    sign = "$" if currency == "USD" else f"{currency} "
    least = 10**-digits
    if 0 < amount < least:
        return f"less than {sign}{least:.{digits}f}"
    return f"{sign}{amount:,.{digits}f}"


def metric_name(key: str) -> str:
    """Give a metric's name as people write it: val_macro_f1 becomes "val macro F1"."""
    return key.replace("_", " ").replace("f1", "F1")
