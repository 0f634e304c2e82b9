"""The typed calls are those of the OpenAPI document: their addresses, what they send, and what they say is answered."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import httpx
import pytest

from client import Api

ROOT = Path(__file__).parents[3]
METHODS = {name: method for name, method in inspect.getmembers(Api, inspect.isfunction) if name[0] != "_"}
# Their answers are no JSON object of the document: cookies, a yes or no, a file
OTHERS = {
    "sign_in": "list[str]",
    "sign_out": "list[str]",
    "healthy": "bool",
    "report": "dict[str, Any] | None",
}
SAMPLES = {"str": "x", "int": 1, "float": 1.0, "bool": True}


@pytest.fixture(params=METHODS)
def name(request):
    return request.param


@pytest.fixture
def sent(name):
    """Make the call with something in each of its parameters; gives the request."""
    requests = []

    def answer(request):
        requests.append(request)
        return httpx.Response(200, json={})

    api = Api(httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer)))
    given = {}
    for parameter in parameters(name):
        kind = parameter.annotation.partition(" | ")[0]
        given[parameter.name] = SAMPLES.get(kind, {})
    getattr(api, name)(**given)
    [request] = requests
    return request


def parameters(name):
    return list(inspect.signature(METHODS[name]).parameters.values())[1:]


def reference(content):
    return content["application/json"]["schema"]["$ref"].rpartition("/")[2]


def test_the_types_are_up_to_date(generator, document):
    assert generator.PATH.read_text("utf-8") == generator.module(document)


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "string"}, "str"),
        ({"type": ["integer", "null"]}, "int | None"),
        ({"type": "string", "enum": ["a", "b"]}, "Literal['a', 'b']"),
        ({"type": ["string", "null"], "enum": ["a", None]}, "Literal['a'] | None"),
        ({"const": 1}, "Literal[1]"),
        ({"anyOf": [{"$ref": "#/components/schemas/Price"}, {"type": "null"}]}, "Price | None"),
        ({"allOf": [{"$ref": "#/components/schemas/Price"}]}, "Price"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}, "list[list[float]]"),
        ({"type": "object", "additionalProperties": {"type": "boolean"}}, "dict[str, bool]"),
        ({"type": "object", "additionalProperties": False}, "dict[str, Any]"),
        ({"type": "object", "patternProperties": {"^a": {"type": "number"}}}, "dict[str, float]"),
        ({"description": "anything"}, "Any"),
    ],
)
def test_a_schema_is_written_as_a_type(generator, schema, written):
    assert generator._type(schema) == written


def test_a_field_that_may_be_left_out_says_so(generator):
    schema = {"required": ["a"], "properties": {"a": {"type": "string", "description": "of it"}, "b": {}}}
    assert generator._class("Wish", schema) == (
        "class Wish(TypedDict):\n    # of it\n    a: str\n    b: NotRequired[Any]"
    )


def test_a_call_is_one_of_the_document(sent, operation):
    call = operation(sent)
    known = {one["name"] for one in call.get("parameters", ()) if one.get("in") == "query"}
    assert set(sent.url.params) <= known


def test_an_answer_is_what_the_document_says(name, sent, operation):
    declared = inspect.signature(METHODS[name]).return_annotation
    if name in OTHERS:
        assert declared == OTHERS[name]
        return
    answers = {
        reference(answer["content"]) if answer.get("content") else "None"
        for code, answer in operation(sent)["responses"].items()
        if code.startswith("2")
    }
    assert answers == {declared}


def test_a_body_is_what_the_document_says(name, sent, operation, document):
    body = operation(sent).get("requestBody")
    bodies = [
        one.annotation for one in parameters(name) if one.annotation in document["components"]["schemas"]
    ]
    if body is None:
        assert (bodies, sent.content) == ([], b"")
    elif bodies:
        assert bodies == [reference(body["content"])]
    else:  # of so few fields that they are parameters
        fields = document["components"]["schemas"][reference(body["content"])]
        assert (
            set(fields["required"])
            <= {one.name for one in parameters(name)}
            <= {*fields["properties"], "https"}
        )


def test_only_what_makes_something_carries_an_idempotency_key(name, sent):
    asks = name in {"check_job", "sign_in"}
    assert ("Idempotency-Key" in sent.headers) == (sent.method == "POST" and not asks)


def test_every_call_is_used(name):
    used = "\n".join(
        path.read_text("utf-8") for room in ("cli", "ui") for path in (ROOT / room).rglob("*.py")
    )
    assert re.search(rf"\.{name}\b", used)
