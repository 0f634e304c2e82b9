"""Tells what kind of thing one cell holds: the vocabulary of the dialect's type score and of header detection."""

from __future__ import annotations

import re
from enum import StrEnum

MISSING_TOKENS = frozenset(
    {"na", "n/a", "n.a.", "#n/a", "#na", "nan", "-nan", "null", "none", "nil", "\\n", "<na>", "nat", "missing", "(null)", "(none)", "#null!", "#value!", "#div/0!", "#ref!"}
)  # fmt: skip
SYMBOL_TOKENS = frozenset({"-", "--", "---", "–", "—", "?", "??", ".", "..", "...", "*", "x", "/", "#", "n.v.", "k.a.", "k. a.", "s/d", "n.d.", "nd", "unknown", "unk", "not available", "n/k", "tbd", ":"})  # fmt: skip
BOOLEANS = {
    "true": True, "false": False, "yes": True, "no": False, "t": True, "f": False, "y": True, "n": False,
    "on": True, "off": False, "ja": True, "nein": False, "oui": True, "non": False, "si": True, "sí": True,
    "vrai": True, "faux": False, "wahr": True, "falsch": False, "verdadero": True, "falso": False, "da": True, "nej": False,
}  # fmt: skip
NUMBER = re.compile(
    r"[-+(−]?\s?(?:[$€£¥₹₽₺₩]|USD|EUR|GBP|CHF|R\$)?\s?[-+−]?"
    r"(?:\d{1,3}(?:(?P<group>[,.'\u00a0\u202f\u2009 ])\d{3})(?:(?P=group)\d{3})*(?:[.,]\d+)?|\d+(?:[.,]\d*)?|[.,]\d+)"
    r"(?:[eE][-+]?\d{1,3})?\)?\s?(?:[%‰°$€£¥₹₽₺₩]|[a-zA-Zµ²³°/]{1,4})?"
)
DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{4}-\d{2}|\d{1,2}[-/. ](?:[^\W\d_]{3,9}\.?)[-/., ]+\d{2,4}"
    r"|(?:[^\W\d_]{3,9}\.?) \d{1,2},? \d{4}|\d{4}年\d{1,2}月\d{1,2}日)"
    r"(?:[T ,]+\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?\s?(?:Z|UTC|GMT|[-+]\d{2}:?\d{2})?)?"
)
TIME = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?[AaPp]\.?[Mm]\.?)?(?:Z|[-+]\d{2}:?\d{2})?")
URL = re.compile(r"(?:https?|ftp|s3|file)://[^\s\"'|]+|www\.[^\s\"'|,;]+")
EMAIL = re.compile(r"[^\s@,;\"'|]+@[^\s@,;\"'|]+\.[^\s@,;\"'|]+")
WORDS = re.compile(r"[\w][\w \-./&+#%@!?()\u2010-\u2015’°ºª'…:*=<>–\[\]€$£§]*")
STRUCTURED = re.compile(r"[\[{(<].*[\]})>]", re.DOTALL)


class Kind(StrEnum):
    """What a cell's text looks like."""

    BLANK = "blank"
    MISSING = "missing"
    NUMBER = "number"
    DATE = "date"
    BOOLEAN = "boolean"
    ADDRESS = "address"
    WORDS = "words"
    OTHER = "other"


def kind_of(cell: str) -> Kind:  # noqa: PLR0911  one return per kind reads best
    """Classify one cell by its text alone."""
    text = cell.strip()
    if not text:
        return Kind.BLANK
    if NUMBER.fullmatch(text):
        return Kind.NUMBER
    if DATE.fullmatch(text) or TIME.fullmatch(text):
        return Kind.DATE
    lowered = text.lower()
    if lowered in MISSING_TOKENS or lowered in SYMBOL_TOKENS:
        return Kind.MISSING
    if lowered in BOOLEANS:
        return Kind.BOOLEAN
    if URL.fullmatch(text) or EMAIL.fullmatch(text):
        return Kind.ADDRESS
    if WORDS.fullmatch(text) or STRUCTURED.fullmatch(text):
        return Kind.WORDS
    return Kind.OTHER
