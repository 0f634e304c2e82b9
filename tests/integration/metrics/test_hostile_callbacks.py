"""Every callback that is not its trainer's own, altered, repeated, odd or too much: its answer, and that it changed nothing.

The table is sent twice: to the app, whose endpoint stands before Flask, and to a real server over a socket.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
import pytest
from integration.metrics.conftest import client_of
from integration.metrics.running import ROOT, body, final, points

from contracts.callback import (
    ATTEMPT_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOKEN_HEADER,
    derive_secret,
    sign_token,
    signed_headers,
)
from contracts.job import JobSpec
from services.metrics.app import EXTENSION, create_app
from services.metrics.settings import MetricsSettings
from support.trainer_jobs import job_env
from trainer.delivery import Away, Delivery

FIXED, OLD_ROOT = "f" * 32, "o" * 32
RAW = body(points=points(7))
LIMIT = 200_000  # bytes of a body


def signature(raw=RAW, job_id="j", attempt=1, *, root=ROOT, skew=0, ttl=900):
    secret = derive_secret(root, job_id, attempt)
    return signed_headers(job_id, attempt, raw, secret, now=int(time.time()) + skew, ttl=ttl)


def changed(name, alter, **options):
    """Alter one header of a good signature."""
    headers = signature(**options)
    return {**headers, name: alter(headers[name])}


def flipped(position):
    """Change one bit of one character, so that it stays printable."""
    return lambda text: text[:position] + chr(ord(text[position]) ^ 1) + text[position + 1 :]


def full_width(text):
    return re.sub("[0-9]", lambda digit: chr(0xFF10 + int(digit[0])), text)


def fixed(expires=None, secret=FIXED, job_id="j"):
    return {TOKEN_HEADER: sign_token(job_id, expires or int(time.time()) + 900, secret)}


def point_with(value):
    """A body, signed, in which one value of a point is written so."""
    return RAW.replace(b'"loss":0.125', b'"loss":' + value)


@dataclass
class Case:
    """One request, and what comes of it."""

    status: int
    said: str
    headers: dict | list = field(default_factory=dict)
    raw: bytes = RAW
    job_id: str = "j"
    id: str = ""


def case(name, status, said, headers=None, raw=RAW, job_id="j"):
    return Case(status, said, signature(raw, job_id) if headers is None else headers, raw, job_id, name)


def cases():
    """Make the table; when it is called is the time that signatures bear."""
    stripped = {TOKEN_HEADER: signature()[TOKEN_HEADER]}
    hour = 3600
    yield case("token of job a on job b", 401, "does not match this job", signature(job_id="a"))
    yield case(
        "secret of attempt 1 for attempt 2", 401, "does not match", {**signature(), ATTEMPT_HEADER: "2"}
    )
    yield case("body of attempt 2 under attempt 1", 422, "signature is for 1", raw=body(attempt=2))
    yield case("no headers", 401, f"{TOKEN_HEADER} is absent", {})
    yield case("version 2 headers stripped", 401, f"without {ATTEMPT_HEADER}", stripped)
    yield case("fixed token for a launched job", 401, "only version 2", fixed())
    yield case("fixed token of another secret", 401, "does not match", fixed(secret="x" * 32))
    for name in (ATTEMPT_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER):
        rest = {key: value for key, value in signature().items() if key != name}
        yield case(f"without {name}", 401, f"{name} is absent", rest)
    for name, value in signature().items():
        for position in range(0, len(value), 7):
            yield case(
                f"byte {position} of {name} flipped", 401, "X-Callback-", changed(name, flipped(position))
            )
    for position in range(0, len(RAW), 7):
        raw = RAW[:position] + bytes([RAW[position] ^ 1]) + RAW[position + 1 :]
        yield case(f"byte {position} of the body flipped", 401, "does not match this body", signature(), raw)
    yield case("the id flipped", 401, "does not match this job", signature(), job_id="k")
    yield case("root nobody uses", 401, "does not match", signature(root="x" * 32))
    underscored = lambda text: f"{text[:1]}_{text[1:]}"  # noqa: E731 - a table's cell
    for name in (TOKEN_HEADER, ATTEMPT_HEADER, TIMESTAMP_HEADER):
        yield case(f"1_000 in {name}", 401, name, changed(name, underscored))
        yield case(f"a sign in {name}", 401, name, changed(name, lambda text: f"+{text}"))
        yield case(f"a blank inside {name}", 401, name, changed(name, lambda text: f"{text} {text}"))
        yield case(f"latin-1 in {name}", 401, name, changed(name, lambda text: "\xb2" + text[1:]))
        wide = lambda text: full_width(text).encode().decode("latin-1")  # noqa: E731 - how bytes of a header arrive
        yield case(f"full-width digits in {name}", 401, name, changed(name, wide))
        yield case(f"{name} empty", 401, name, changed(name, lambda _: ""))
        yield case(f"{name} of 4,000 digits", 401, name, changed(name, lambda _: "9" * 4000))
    for name in signature():
        twice = [*signature().items(), (name, signature()[name])]
        yield case(f"{name} twice", 401, f"{name} was sent more than once", twice)
        other = [*signature().items(), (name, "1")]
        yield case(f"{name} twice, differing", 401, f"{name} was sent more than once", other)
    yield case("expiry in a day and an hour", 401, "expires more than 86400 s", signature(ttl=25 * hour))
    yield case("fixed expiry in a year", 401, "expires more than", fixed(int(time.time()) + 8766 * hour))
    yield case(
        "expiry in the year 33658",
        401,
        "expires more than",
        signature(ttl=999_999_999_999 - int(time.time())),
    )
    yield case("expired", 401, "expired", signature(ttl=-1))
    yield case("a clock six minutes behind", 401, "more than 300 s", signature(skew=-360))
    yield case("a clock six minutes ahead", 401, "more than 300 s", signature(skew=360))
    for text in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"null", b'"1_000"', b"1_000", b"[" * 50_000):
        yield case(f"value {text[:10].decode()}", 422, "", raw=point_with(text))
    yield case("nested 90,000 deep", 422, "body: ", raw=b"[" * 90_000 + b"]" * 90_000)
    yield case("objects nested 20,000 deep", 422, "body: ", raw=b'{"a":' * 20_000)
    yield case("empty", 422, "body: ", raw=b"")
    yield case("not UTF-8", 422, "body: ", raw=b'{"final":{"outcome":"failed","reason":"\xff"}}')
    yield case("a field nobody knows", 422, "surprise", raw=b'{"surprise":1}')
    yield case("a number of 10,000 digits", 422, "body: ", raw=b'{"attempt":' + b"9" * 10_000 + b"}")
    yield case("10 MB", 413, "", raw=b" " * 10_000_000)


NAMES = [each.id for each in cases()]


def settings(tmp_path, **more):
    return MetricsSettings(
        database_url=f"sqlite:///{tmp_path}/test.db",
        redis_url="redis://127.0.0.1:1/0",
        objects_url=f"file://{tmp_path}",
        callback_root_secret=ROOT,
        callback_secret=FIXED,
        max_body_bytes=LIMIT,
        **more,
    )


@pytest.fixture
def make(database, migrated_url, tmp_path):
    """Make an app with some settings, over a database where job j runs."""
    made = []

    def with_settings(**more):
        made.append(create_app(settings(tmp_path, **more)))
        return client_of(made[-1])

    yield with_settings
    for app in made:
        app.extensions[EXTENSION].close()


pytestmark = pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)


def patch(client, raw, headers, job_id="j"):
    return client.patch(f"/api/training_jobs/{job_id}/metrics/", data=raw, headers=headers)


def stored(client, job_id="j"):
    return client.get(f"/api/metrics/?job={job_id}").json["last"]


def test_the_app_refuses_each_and_keeps_what_it_had(make):
    client = make(callbacks_per_second=0)
    assert patch(client, body(), signature(body())).status_code == 204
    wrong = {}
    for each in cases():
        answer = patch(client, each.raw, each.headers, each.job_id)
        detail = answer.json["detail"] if answer.is_json or "problem" in answer.content_type else ""
        if (answer.status_code, each.said in detail) != (each.status, True):
            wrong[each.id] = (answer.status_code, detail)
    assert wrong == {}
    assert (stored(client), stored(client, "k")) == (1, 0)
    assert patch(client, RAW, signature()).status_code == 204, "the trainer's own is taken as before"


def over_socket(address, each):
    """Send a request byte for byte, headers as often and as odd as they are, and read the answer."""
    pairs = each.headers.items() if isinstance(each.headers, dict) else each.headers
    lines = [
        f"PATCH /api/training_jobs/{each.job_id}/metrics/ HTTP/1.1",
        "Host: test",
        f"Content-Length: {len(each.raw)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in pairs),
    ]
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n")
        try:
            connection.sendall(each.raw)
        except (BrokenPipeError, ConnectionResetError):
            assert len(each.raw) > LIMIT, each.id  # refused before it was read
        answer = http.client.HTTPResponse(connection)
        try:
            answer.begin()
        except ConnectionResetError:
            assert len(each.raw) > LIMIT, each.id
            return 413, ""
        return answer.status, answer.read().decode()


class TestOverGunicorn:
    """One real server for all of the table."""

    def test_it_refuses_each_and_keeps_what_it_had(self, start):
        service = start(callback_secret=FIXED, max_body_bytes=LIMIT)
        address = (urlsplit(service.url).hostname, urlsplit(service.url).port)
        assert service.send(body()) == 204
        wrong = {}
        for each in cases():
            status, text = over_socket(address, each)
            detail = json.loads(text).get("detail", "") if text.startswith("{") else ""
            # gunicorn has its own limits on headers, and answers 400 before the app
            if (status, each.said in detail) != (each.status, True) and status != 400:
                wrong[each.id] = (status, text)
        assert wrong == {}
        assert service.client.get("/api/metrics/?job=j").json()["last"] == 1
        assert "Traceback" not in service.log()

    def test_a_header_under_another_spelling_is_not_one_of_ours(self, start):
        service = start()
        address = (urlsplit(service.url).hostname, urlsplit(service.url).port)
        good = signature()
        odd = [(name.replace("-", "_"), value) for name, value in good.items()]
        assert over_socket(address, Case(401, "", odd))[0] in {400, 401}
        # An alias beside the real one must not join or replace it
        beside = [*good.items(), ("X_Callback_Attempt", "2")]
        assert over_socket(address, Case(204, "", beside))[0] in {204, 400}
        lower = [(name.lower(), value) for name, value in good.items()]
        assert over_socket(address, Case(204, "", lower))[0] == 204


@pytest.mark.parametrize("skew", [-60, -59, 0, 59, 60])
def test_a_clock_a_minute_off_is_forgiven(make, skew):
    assert patch(make(), RAW, signature(skew=skew)).status_code == 204


def test_the_same_body_again_changes_nothing(make):
    client, headers = make(), signature()
    assert [patch(client, RAW, headers).status_code for _ in range(3)] == [204] * 3
    assert stored(client) == 2, "running, and the point"


def test_an_attempt_that_is_over_cannot_be_replayed(make):
    client = make()
    old = signature()
    assert patch(client, RAW, old).status_code == 204
    later = body(attempt=2)
    assert patch(client, later, signature(later, attempt=2)).status_code == 204
    before = stored(client)
    assert patch(client, RAW, old).status_code == 409
    assert stored(client) == before


def test_after_the_end_and_its_grace_all_is_refused(make):
    client = make(callback_grace_seconds=0)
    ended = body(final=final())
    assert patch(client, ended, signature(ended)).status_code == 204
    before = stored(client)
    late = patch(client, RAW, signature())
    assert (late.status_code, "ended as succeeded" in late.json["detail"]) == (409, True)
    assert stored(client) == before


@pytest.mark.parametrize(("root", "status"), [(ROOT, 204), (OLD_ROOT, 204), ("x" * 32, 401)])
def test_two_roots_are_good_while_one_replaces_the_other(make, root, status):
    client = make(callback_root_secret_previous=OLD_ROOT)
    assert patch(client, RAW, signature(root=root)).status_code == status


def test_after_the_rotation_the_old_root_is_not(make):
    assert patch(make(), RAW, signature(root=OLD_ROOT)).status_code == 401


class TestFlood:
    def test_further_ones_are_told_when_to_come_back(self, make):
        client = make(callbacks_per_second=0.5, callbacks_burst=3)
        answers = [patch(client, RAW, signature()) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [204, 204, 204, 429, 429]
        assert answers[-1].headers["Retry-After"] == "2"
        assert answers[-1].content_type == "application/problem+json"
        assert "CALLBACKS_PER_SECOND" in answers[-1].json["detail"]

    def test_forgeries_do_not_use_up_a_jobs_rate(self, make):
        client = make(callbacks_per_second=0.01, callbacks_burst=1)
        assert {patch(client, RAW, signature(root="x" * 32)).status_code for _ in range(50)} == {401}
        assert patch(client, RAW, signature()).status_code == 204

    def test_a_trainer_that_is_held_back_loses_no_point(self, make, tmp_path):
        """The trainer's own sender against the app; its waits move the clock instead of being slept."""
        client = make(callbacks_per_second=2, callbacks_burst=3)
        gate = client.application.extensions[EXTENSION].receiver._gate
        gate._clock = lambda: now
        now, waits = 0.0, []
        told = {"JOB_ID": "j", "API_BASE": "http://platform", "CALLBACK_SECRET": derive_secret(ROOT, "j", 1)}
        delivery = Delivery(JobSpec.from_env(job_env(tmp_path, **told)))
        delivery._client = _Through(client)
        for step in range(30):
            while True:
                try:
                    delivery.send(body(points=points(step)))
                except Away as away:
                    waits.append(away.wait)
                    now += away.wait
                else:
                    break
        assert waits
        assert min(waits) >= 1, "not sooner than Retry-After says"
        assert stored(client) == 31


def test_a_job_that_has_filled_its_room_keeps_no_further_points_but_its_end(make):
    client = make(max_items_per_job=3)
    for step in range(5):
        more = body(points=points(step))
        assert patch(client, more, signature(more)).status_code == 204
    ended = body(points=points(9), final=final())
    assert patch(client, ended, signature(ended)).status_code == 204
    kept = client.get("/api/metrics/?job=j").json["items"]
    assert [item["kind"] for item in kept] == ["state", "point", "point", "state"]
    assert kept[-1]["data"]["state"] == "succeeded"


class _Through:
    """Stands in for httpx over the app's test client."""

    def __init__(self, client):
        self._client = client

    def patch(self, url, content, headers):
        answer = self._client.patch(urlsplit(url).path, data=content, headers=headers)
        return httpx.Response(answer.status_code, headers=list(answer.headers), content=answer.data)
