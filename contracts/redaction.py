"""What no log may show: secrets this process knows, and whatever looks like one. Shared by services, trainer, ui and gateway."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

HIDDEN = "[hidden]"
_SHORTEST = 12  # characters; shorter ones (a laptop's postgres:postgres) are words that logs need, and are found by patterns
# Neither blanks nor what ends a value in JSON, in a query, in a header or in Python's repr of them
_VALUE = r"[^\s\"'\\,;&<>(){}\[\]]+"
_EQUALS = r"\\?[\"']?\s*[:=]\s*(?:b(?=[\"']))?\\?[\"']?"  # b'…' as Python writes bytes
_SCHEMES = r"(?:Bearer|Basic|Token|Digest|AWS4-HMAC-SHA256)"
# What stays of a match is its first group
_PATTERNS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # The password of a URL, up to its last @: it may hold anything that is not blank. Bounded, or hostile text takes minutes
        (r"(://[^\s/@:\"']{0,128}:)[^\s\"'\\<>]{1,256}(?=@)", re.ASCII),
        (rf"(Authorization{_EQUALS}(?:{_SCHEMES}\s+)?)[^\"'\\\r\n]+", re.IGNORECASE | re.ASCII),
        (r"(\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/-]{8,}=*", re.ASCII),
        (
            r"((?:X-Amz-(?:Signature|Credential|Security-Token)|Signature|AWSAccessKeyId)=)[^\s&\"'\\,]+",
            re.IGNORECASE | re.ASCII,
        ),
        # Cookies, and what is named like a secret: PASSWORD=…, "secret_key": "…", x-api-key: …
        (r"((?:Set-)?Cookie" + _EQUALS + r")[^\"'\\\r\n]+", re.IGNORECASE | re.ASCII),
        (
            rf"((?:passwor[dt]|passwd|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?|secret[_-]?key|private[_-]?key|signature){_EQUALS}){_VALUE}",
            re.IGNORECASE | re.ASCII,
        ),
        (r"()\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b", re.ASCII),
        # Our own: a callback's token and signature, keys of the API; then secrets of Standard Webhooks, JSON Web Tokens
        (r"()\b[0-9]{1,12}\.[0-9a-f]{64}\b", re.ASCII),
        (r"(\bv2=)[0-9a-f]{64}\b", re.ASCII),
        (r"(\btrp_)[A-Za-z0-9_-]{16,}", re.ASCII),
        (r"(\bwhsec_)[A-Za-z0-9+/=_-]{8,}", re.ASCII),
        (r"()\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+", re.ASCII),
        (r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|$)", re.DOTALL | re.ASCII),
    )
)
_known: tuple[str, ...] = ()  # the longest first, for one may be a part of another


def hide(secrets: Iterable[str]) -> None:
    """Keep values out of all logs of this process from now on, in whatever way they are written there.

    Args:
        secrets: The values; those shorter than 12 characters are left to the patterns, for they may be words.
    """
    global _known  # noqa: PLW0603 - of the process, as its logging is
    ways = {
        way
        for secret in secrets
        if len(secret) >= _SHORTEST
        for way in (
            secret,
            quote(secret, safe=""),
            quote_plus(secret),
            json.dumps(secret)[1:-1],
            repr(secret)[1:-1],
        )
    }
    _known = tuple(sorted({*_known, *ways}, key=len, reverse=True))


def passwords_of(url: str) -> list[str]:
    """Give the password of a URL, as it is written there and as it is."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return []
    return [password, unquote(password)] if password else []


def redacted(text: str) -> str:
    """Give a text with every secret in it replaced."""
    for secret in _known:
        text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


class Redacting(logging.Formatter):
    """Formats as another formatter does, and hides what is secret in all of it: message, extras, traceback."""

    def __init__(self, inner: logging.Formatter) -> None:
        """Wrap a formatter."""
        super().__init__()
        self._inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return redacted(self._inner.format(record))
