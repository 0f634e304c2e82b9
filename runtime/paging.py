"""Parts of lists: by page number, or by a cursor, beside which rows may come and go without one being met twice or missed.

A cursor is the sort key of the last row of the part before (keyset pagination), so that it costs the same at any depth.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVarTuple

from sqlalchemy import literal, tuple_

from runtime.db import UtcDateTime
from runtime.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import InstrumentedAttribute


Columns = TypeVarTuple("Columns")
_LARGEST = 2**31 - 1  # of a column of integers


@dataclass(frozen=True)
class Part:
    """Which part of a list is wanted.

    Attributes:
        size: Items in it.
        number: Which page, from 1 on; of no matter with a cursor.
        cursor: What the part before gave as next.
        descending: Whether the latest or last comes first.
    """

    size: int
    number: int = 1
    cursor: str | None = None
    descending: bool = True


class Page(NamedTuple):
    """A part of a list."""

    items: Sequence[Any]
    total: int  # in the whole list
    next_cursor: str | None  # where it goes on, if it does


@dataclass(frozen=True)
class Order:
    """By which column a list is sorted; rows alike in it by their ids.

    Attributes:
        name: Kept in cursors, which count for one order only.
        column: It has a value in every row of the list.
        id: Its table's key.
    """

    name: str
    column: InstrumentedAttribute[Any]
    id: InstrumentedAttribute[Any]

    def sort(self, query: Select[*Columns], part: Part) -> Select[*Columns]:
        """Sort a query."""
        keys = (self.column, self.id)
        return query.order_by(*(key.desc() if part.descending else key.asc() for key in keys))

    def cut(self, query: Select[*Columns], part: Part) -> Select[*Columns]:
        """Sort a query and cut a part out of it, with one row more, which shows that it goes on.

        Raises:
            Invalid: The cursor is none of this list's.
        """
        if part.cursor:
            position = self._position(part)
            keys = tuple_(self.column, self.id)
            query = query.where(keys < position if part.descending else keys > position)
        else:
            query = query.offset((part.number - 1) * part.size)
        return self.sort(query, part).limit(part.size + 1)

    def page(
        self, rows: Sequence[Any], total: int, part: Part, key: Callable[[Any], tuple[Any, Any]]
    ) -> Page:
        """Make a page of the rows that `cut` gave.

        Args:
            rows: They.
            total: How many the list has.
            part: As it was asked for.
            key: Gives a row's value in the column, and its id.
        """
        more = len(rows) > part.size
        return Page(rows[: part.size], total, self._cursor(part, *key(rows[part.size - 1])) if more else None)

    def _cursor(self, part: Part, value: Any, identity: Any) -> str:
        told = value.isoformat() if isinstance(value, datetime) else value
        raw = json.dumps([self.name, part.descending, told, identity], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def _position(self, part: Part) -> Any:
        try:
            value, identity = self._decode(part)
        except (ValueError, TypeError, RecursionError):
            raise Invalid(
                "cursor: it is not one that this list gave, in this order.",
                {"cursor": ["is not one of this list"]},
            ) from None
        return tuple_(literal(value, self.column.type), literal(identity, self.id.type))

    def _decode(self, part: Part) -> tuple[Any, Any]:
        cursor = part.cursor or ""
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        name, descending, value, identity = json.loads(raw)
        kind = datetime if isinstance(self.column.type, UtcDateTime) else self.column.type.python_type
        at = datetime.fromisoformat(value) if kind is datetime else value
        if (name, descending) != (self.name, part.descending):
            raise ValueError("of another order")
        if not isinstance(at, kind) or not isinstance(identity, self.id.type.python_type):
            raise TypeError("of another kind")
        if isinstance(at, datetime) and at.tzinfo is None:
            raise ValueError("without a time zone")
        if any(isinstance(part, int) and abs(part) > _LARGEST for part in (at, identity)):
            raise ValueError("larger than any number of a row")
        return at, identity
