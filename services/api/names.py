"""Names of a stranger's: those of files become relative paths that stay inside their folder, or are refused by name."""

from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath

from runtime.errors import Invalid
from runtime.storage.base import PART_PREFIX

FOLDERS = 32
_MOST_BYTES = 500
_MOST_PART_BYTES = 255  # file systems' own limit
_SHOWN = 80  # characters, enough to recognise it
# Control characters, lone surrogates, and those that turn the direction of text, so that gpj.exe reads as exe.jpg
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BAD = frozenset({"Cc", "Cs", "Zl", "Zp"})


def shown(name: str) -> str:
    """Write a name so that it can stand in a message: in quotes, escaped, and not too long."""
    return repr(name if len(name) <= _SHOWN else name[:_SHOWN] + "…")


def is_odd(text: str) -> bool:
    """Tell whether a text holds characters that no name needs and that databases, terminals or people stumble over."""
    return any(char in _BIDI or unicodedata.category(char) in _BAD for char in text)


def safe_name(name: str, *, folders: int = FOLDERS, of: str = "") -> str:
    """Turn a client's file name into a relative path that stays inside its folder.

    Args:
        name: With slashes or backslashes between folders.
        folders: How many folders it may lie below.
        of: The zip that it is an entry of, for the message.

    Raises:
        Invalid: It is absolute, climbs out by '..', is empty, too long or too deep, or holds control characters.
    """
    path = PurePosixPath(name.replace("\\", "/"))
    parts = [part for part in path.parts if part != "."]
    what = f"The file name {shown(name)}" + (f" in {shown(of)}" if of else "")
    if is_odd(name):
        raise Invalid(f"{what} holds control characters.")
    if not parts or path.is_absolute() or ".." in parts or ":" in parts[0]:
        raise Invalid(f"{what} is not a relative path inside the upload.")
    if len(name.encode()) > _MOST_BYTES or any(len(part.encode()) > _MOST_PART_BYTES for part in parts):
        raise Invalid(
            f"{what} is too long; at most {_MOST_BYTES} bytes, {_MOST_PART_BYTES} for each folder or file."
        )
    if len(parts) - 1 > folders:
        raise Invalid(
            f"{what} lies below {len(parts) - 1} folders; at most {folders} are allowed (MAX_UPLOAD_FOLDERS)."
        )
    if any(part.startswith(PART_PREFIX) for part in parts):
        raise Invalid(
            f"{what} begins with {PART_PREFIX!r}, as unfinished files of the platform's own do; rename it."
        )
    return "/".join(parts)


def plain_name(text: str | None, what: str) -> str | None:
    """Give a name for people, without blanks around it; None where nothing is left.

    Raises:
        Invalid: It holds control characters, which PostgreSQL, a terminal or a reader would stumble over.
    """
    if text and is_odd(text):
        raise Invalid(f"{what} {shown(text)} holds control characters.")
    return (text or "").strip()[:300] or None
