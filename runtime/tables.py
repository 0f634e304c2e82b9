"""What the runtime's own tables belong to, so that its migrations can be held against all of them."""

from __future__ import annotations

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    """The runtime's own tables."""
