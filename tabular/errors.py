"""The one error of this room: a file that is no table."""

from __future__ import annotations


class Unreadable(ValueError):
    """A file cannot be read as a table; the message says why in a sentence for the person who sent it."""
