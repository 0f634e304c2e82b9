"""Rate limits with Redis and without, headers of browsers' defences, and CORS by allow-list."""

from __future__ import annotations

import pytest
from flask import Flask, g
from pydantic import ValidationError

from runtime import hardening
from runtime.web_settings import WebSettings

ORIGIN = "https://a.example"


def client(redis_url="redis://127.0.0.1:1/0", **settings):
    app = Flask("api")

    @app.before_request
    def _identify():
        g.principal = None

    @app.get("/counted/")
    def counted():
        return {"ok": True}

    @app.get("/free/")
    def free():
        return {"ok": True}

    made = WebSettings(database_url="sqlite:////x", redis_url=redis_url, objects_url="file:///x", **settings)
    hardening.install(app, made, free={"free"})
    return app.test_client()


def test_a_caller_beyond_the_limit_is_told_when_to_come_back(redis_url):
    one, other = (client(redis_url, rate_limit="3/hour") for _ in range(2))  # two processes
    answers = [(one, other)[n % 2].get("/counted/") for n in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0"]
    assert answers[0].headers["RateLimit-Policy"] == '"3600s";q=3;w=3600'
    refused = one.get("/counted/")
    assert (refused.status_code, refused.content_type) == (429, "application/problem+json")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert "RATE_LIMIT" in refused.json["detail"]
    assert one.get("/free/").status_code == 200
    assert "RateLimit" not in one.get("/free/").headers
    # Another caller, by the address that our one proxy saw; what stands before it is that caller's own word
    assert one.get("/counted/", headers={"X-Forwarded-For": "1.1.1.1, 9.9.9.9"}).status_code == 200
    for lie in ("2.2.2.2", "3.3.3.3", "4.4.4.4"):
        last = one.get("/counted/", headers={"X-Forwarded-For": f"{lie}, 9.9.9.9"})
    assert last.status_code == 429


def test_while_redis_is_away_each_process_counts_by_itself():
    one, other = (client(rate_limit="2/hour") for _ in range(2))
    assert [one.get("/counted/").status_code for _ in range(3)] == [200, 200, 429]
    assert other.get("/counted/").status_code == 200


def test_redis_going_away_refuses_nobody(redis_server):
    one = client(redis_server.url, rate_limit="5/hour")
    assert one.get("/counted/").status_code == 200
    redis_server.kill()
    assert [one.get("/counted/").status_code for _ in range(2)] == [200, 200]


def test_browsers_are_told_to_be_careful():
    answer = client(hsts_seconds=600).get("/free/")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=600; includeSubDomains"
    assert "Strict-Transport-Security" not in client().get("/free/").headers


@pytest.mark.parametrize(
    ("allowed", "origin", "may"),
    [("", ORIGIN, False), (ORIGIN, ORIGIN, True), (f"https://b.example,{ORIGIN}", ORIGIN, True)]
    + [(ORIGIN, wrong, False) for wrong in ("https://a.example.evil", "http://a.example", "null")],
)
def test_other_sites_read_answers_only_where_they_are_listed(allowed, origin, may):
    there = client(cors_origins=allowed)
    answer = there.get("/free/", headers={"Origin": origin})
    assert (answer.headers.get("Access-Control-Allow-Origin") == origin) is may
    asked = there.options("/free/", headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
    assert ("Access-Control-Allow-Origin" in asked.headers) is may
    assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_limit", "many"),
        ("rate_limit", ""),
        ("cors_origins", "*"),
        ("cors_origins", "https://a.example/x"),
    ],
)
def test_settings_that_are_none_are_refused(field, value):
    with pytest.raises(ValidationError, match=r"it must be like|no origin"):
        client(**{field: value})
