"""The callback's signatures: golden vectors made with OpenSSL, and everything that must be refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from contracts import callback
from contracts.callback import (
    Refused,
    derive_secret,
    sign_body,
    sign_token,
    signed_headers,
    verify_body,
    verify_token,
)

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"
VECTORS = json.loads((EXAMPLES / "signatures.json").read_text())
NOW = 1_700_000_000


@pytest.mark.parametrize("vector", VECTORS["token"])
def test_tokens_equal_the_golden_ones(vector):
    assert sign_token(vector["job_id"], vector["expires"], vector["secret"]) == vector["token"]
    verify_token(vector["token"], vector["job_id"], vector["secret"], now=vector["expires"] - 1)


@pytest.mark.parametrize("vector", VECTORS["body"])
def test_body_signatures_equal_the_golden_ones(vector):
    body = vector["body"].encode()
    made = sign_body(vector["job_id"], vector["attempt"], vector["timestamp"], body, vector["secret"])
    assert made == vector["signature"]


@pytest.mark.parametrize("vector", VECTORS["derived"])
def test_derived_secrets_equal_hkdf(vector):
    assert derive_secret(vector["root"], vector["job_id"], vector["attempt"]) == vector["secret"]


def good_token(expires=NOW + 900):
    return sign_token("job-1", expires, "secret")


@pytest.mark.parametrize(
    ("token", "complaint"),
    [
        ("", "not of the form"),
        (good_token().upper(), "not of the form"),
        (f" {good_token()}", "not of the form"),
        (f"{good_token()}\n", "not of the form"),
        (good_token().replace("1700000900", "1_700_000_900"), "not of the form"),
        (good_token().replace("1700000900", "１７００000900"), "not of the form"),
        (good_token().replace("1700000900", "1700000901"), "does not match"),
        (good_token()[:-1] + ("0" if good_token()[-1] != "0" else "1"), "does not match"),
        (sign_token("job-2", NOW + 900, "secret"), "does not match"),
        (sign_token("job-1", NOW + 900, "other"), "does not match"),
        (good_token(NOW), "expired"),
        (good_token(NOW - 5), "expired 5 s ago"),
        (good_token(NOW + 86_401), "more than 86400 s"),
        ("é" * 75, "not of the form"),
    ],
)
def test_a_bad_token_is_refused_with_the_check_that_failed(token, complaint):
    with pytest.raises(Refused, match=complaint):
        verify_token(token, "job-1", "secret", now=NOW)


def headers(**changes):
    made = signed_headers("job-1", 1, b"{}", "secret", now=NOW, ttl=900)
    return {name: value for name, value in {**made, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    ("given", "attempt", "body", "now", "complaint"),
    [
        (headers(**{callback.TIMESTAMP_HEADER: None}), 1, b"{}", NOW, "Timestamp is absent"),
        (headers(**{callback.TIMESTAMP_HEADER: "1e9"}), 1, b"{}", NOW, "Timestamp is absent"),
        (headers(**{callback.TIMESTAMP_HEADER: str(NOW + 1)}), 1, b"{}", NOW, "does not match"),
        (headers(**{callback.SIGNATURE_HEADER: None}), 1, b"{}", NOW, "Signature is absent"),
        (headers(), 2, b"{}", NOW, "does not match"),
        (headers(), 1, b"{ }", NOW, "does not match"),
        (headers(), 1, b"{}", NOW + 301, "more than 300 s"),
        (headers(), 1, b"{}", NOW - 301, "more than 300 s"),
    ],
)
def test_a_bad_body_signature_is_refused_with_the_check_that_failed(given, attempt, body, now, complaint):
    with pytest.raises(Refused, match=complaint):
        verify_body(given, "job-1", attempt, body, "secret", now=now)


@pytest.mark.parametrize("skew", [-60, 0, 60])
def test_a_clock_a_minute_off_is_accepted(skew):
    verify_body(headers(), "job-1", 1, b"{}", "secret", now=NOW + skew)


@pytest.mark.parametrize("name", ["callback.progress.json", "callback.final.json", "callback.passing.json"])
def test_a_golden_body_is_understood(name):
    body = callback.from_json((EXAMPLES / name).read_bytes())
    assert callback.from_json(callback.to_json(body)) == body


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{",
        b'{"points": [{}]}',
        b'{"attempt": 0}',
        b'{"version": 2}',
        b'{"surprise": 1}',
        b"\xff\xfe",
        *(
            b'{"points":[{"split":"train","step":1,"seq":0,"epoch":0,"at":"2026-01-01T00:00:00Z","values":{"loss":%s}}]}'
            % value
            for value in (b"NaN", b"Infinity", b"1e999", b'"x"', b"null")
        ),
    ],
)
def test_a_malformed_body_is_a_validation_error(raw):
    with pytest.raises(ValidationError):
        callback.from_json(raw)
