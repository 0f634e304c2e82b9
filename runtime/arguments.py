"""Reads the arguments of routes strictly: what a database or JSON elsewhere could not hold is refused here, with words."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, NoReturn

import marshmallow as ma
from flask_smorest import Blueprint as SmorestBlueprint
from webargs import core, flaskparser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

if TYPE_CHECKING:
    from flask import Request

# Escapes of what no database text holds; only where there are some is the body walked through
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


class Parser(flaskparser.FlaskParser):
    """webargs' parser, without its leniency."""

    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = {  # noqa: RUF012 - as webargs declares it
        **flaskparser.FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": ma.RAISE,
    }

    def _raw_load_json(self, req: Request) -> Any:
        if not flaskparser.is_json_request(req):
            if req.content_length or req.headers.get("Transfer-Encoding"):
                raise UnsupportedMediaType(f"Send the body as application/json, not as {req.mimetype!r}.")
            return core.missing
        return read_json(req.get_data(cache=True))

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        """Give the query's parameters, each of which may be there once."""
        twice = {name: ["is given more than once"] for name, found in req.args.lists() if len(found) > 1}
        if twice:
            raise ma.ValidationError(twice)
        return super().load_querystring(req, schema)


class Blueprint(SmorestBlueprint):  # type: ignore[misc] # smorest has no types
    """flask-smorest's blueprint with this parser."""

    ARGUMENTS_PARSER = Parser()


def read_json(raw: bytes) -> Any:
    """Read JSON as RFC 8259 has it: no NaN, no numbers beyond a double, text that UTF-8 can write, without NUL.

    Raises:
        BadRequest: It is none; the text says what is wrong.
    """
    try:
        text = raw.decode("utf-8")
        found = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"The body is not JSON: {error.msg}, at line {error.lineno}, column {error.colno}."
        ) from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None
    except ValueError as error:  # an integer of thousands of digits
        raise BadRequest(f"The body holds a number that is none: {error}") from None
    if _SUSPECT.search(text):
        _refuse_unwritable(found, "")
    return found


def refuse_nul(values: dict[str, str]) -> None:
    """Refuse NUL in a path or a query.

    Raises:
        BadRequest: Naming the parameter.
    """
    for name, value in values.items():
        if "\0" in value or "\0" in name:
            raise BadRequest(f"{name!r} holds NUL, which no text here may.")


def _no_number(name: str) -> NoReturn:
    raise BadRequest(f"The body holds {name}, which is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadRequest(f"The body holds {text[:40]}, which is larger than any number here.")
    return number


def _refuse_unwritable(found: Any, at: str) -> None:
    if isinstance(found, str) and _UNWRITABLE.search(found):
        what = "NUL" if "\0" in found else "half a surrogate pair"
        raise BadRequest(f"{at or 'The body'} holds {what}, which no text here may.")
    if isinstance(found, dict):
        for name, value in found.items():
            _refuse_unwritable(name, f"a name in {at or 'the body'}")
            _refuse_unwritable(value, f"{at}.{name}".strip("."))
    elif isinstance(found, list):
        for number, value in enumerate(found):
            _refuse_unwritable(value, f"{at}.{number}".strip("."))
