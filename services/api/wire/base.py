"""What the schemas of all subjects are made of: shapes, pages of lists, validators."""

from __future__ import annotations

from typing import Any, Self

from marshmallow import Schema, fields, validate

NAME = validate.Length(max=300)


class Shape(Schema):
    """What the API takes or gives."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Give the schema itself: it never changes, and flask-smorest's copies of it took nearly half the time to make an app."""
        return self


class Answer(Shape):
    """What the API answers: every field is there."""

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:  # noqa: ARG002 - marshmallow's signature
        """Say so in the OpenAPI document."""
        field_obj.required = True


class Page(Shape):
    """One page of a list."""

    page = fields.Integer(
        load_default=1,
        validate=validate.Range(min=1, max=10**6),
        metadata={"description": "of no matter where a cursor is given"},
    )
    page_size = fields.Integer(load_default=50, validate=validate.Range(min=1, max=10**6))
    cursor = fields.String(
        load_default=None,
        validate=validate.Length(max=4000),
        metadata={
            "description": "next_cursor of the page before, instead of page: what is added or deleted meanwhile shifts nothing"
        },
    )
    direction = fields.String(
        load_default="desc",
        validate=validate.OneOf(("desc", "asc")),
        metadata={"description": "latest or last first, or the other way round"},
    )


class Listed(Answer):
    """What every page of a list says beside its items."""

    total = fields.Integer()
    page = fields.Integer(metadata={"description": "as asked for; 1 where a cursor was given"})
    page_size = fields.Integer()
    next_cursor = fields.String(
        allow_none=True, metadata={"description": "where the list goes on; null at its end"}
    )
