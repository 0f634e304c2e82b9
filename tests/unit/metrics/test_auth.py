"""Which callbacks are authentic, and what the others are told."""

from __future__ import annotations

import pytest

from contracts.callback import (
    ATTEMPT_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    TOKEN_HEADER,
    Refused,
    derive_secret,
    sign_token,
    signed_headers,
)
from services.metrics.auth import Authenticator, Sender

NOW = 1_800_000_000
ROOT, OLD_ROOT, FIXED = "r" * 32, "o" * 32, "f" * 32
BODY = b'{"points":[]}'


def authenticator(*, roots=(ROOT,), fixed=FIXED):
    return Authenticator(roots, fixed, leeway=300, max_ttl=86_400)


def signed(job_id="job-a", attempt=1, *, root=ROOT, now=NOW, ttl=900, body=BODY, **changes):
    headers = signed_headers(job_id, attempt, body, derive_secret(root, job_id, attempt), now=now, ttl=ttl)
    for name, value in changes.items():
        header = {
            "token": TOKEN_HEADER,
            "number": ATTEMPT_HEADER,
            "stamp": TIMESTAMP_HEADER,
            "signature": SIGNATURE_HEADER,
        }[name]
        if value is None:
            del headers[header]
        else:
            headers[header] = value
    return headers


def fixed_token(job_id="job-a", expires=NOW + 900, secret=FIXED):
    return {TOKEN_HEADER: sign_token(job_id, expires, secret)}


def full_width(number):
    """Digits that int() and \\d take for digits."""
    return "".join(chr(0xFF10 + int(digit)) for digit in str(number))


def token_with(expires: str):
    """A token whose expiry is written oddly, with the right digest for exactly that text."""
    return {TOKEN_HEADER: f"{expires}.{sign_token('job-a', expires, FIXED).rpartition('.')[2]}"}


def check(headers, *, job_id="job-a", body=BODY, **settings):
    return authenticator(**settings).check(job_id, headers, body, now=NOW)


def test_version_2_speaks_for_its_attempt():
    assert check(signed(attempt=3)) == Sender(attempt=3)


def test_the_fixed_token_alone_speaks_for_the_job():
    assert check(fixed_token()) == Sender(attempt=None)


@pytest.mark.parametrize("root", [ROOT, OLD_ROOT])
def test_two_roots_are_accepted_while_one_replaces_the_other(root):
    assert check(signed(root=root), roots=(ROOT, OLD_ROOT)) == Sender(attempt=1)


@pytest.mark.parametrize("seconds", [-60, 60, -300, 300])
def test_a_clock_that_is_a_little_off_is_forgiven(seconds):
    assert check(signed(now=NOW + seconds)) == Sender(attempt=1)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, f"{TOKEN_HEADER} is absent"),
        (signed(token=None), f"{TOKEN_HEADER} is absent"),
        (signed(job_id="job-b"), f"{TOKEN_HEADER} does not match this job"),
        (signed(root=OLD_ROOT), f"{TOKEN_HEADER} does not match this job"),
        (signed(number="2"), f"{TOKEN_HEADER} does not match this job"),
        (signed(now=NOW - 1000), f"{TOKEN_HEADER} expired 100 s ago"),
        (signed(ttl=90_000), f"{TOKEN_HEADER} expires more than 86400 s from now"),
        (signed(now=NOW - 301), f"{TIMESTAMP_HEADER} is more than 300 s from"),
        (signed(now=NOW + 301), f"{TIMESTAMP_HEADER} is more than 300 s from"),
        (signed(stamp=str(NOW - 1)), f"{SIGNATURE_HEADER} does not match"),
        (signed(stamp="1_800_000_000"), f"{TIMESTAMP_HEADER} is absent or not Unix seconds"),
        (signed(stamp=full_width(NOW)), f"{TIMESTAMP_HEADER} is absent or not Unix seconds"),
        (signed(stamp=f" {NOW}"), f"{TIMESTAMP_HEADER} is absent or not Unix seconds"),
        (signed(stamp=None), f"{TIMESTAMP_HEADER} is absent"),
        (signed(signature=None), f"{SIGNATURE_HEADER} is absent"),
        (signed(signature="v2=" + "0" * 64), f"{SIGNATURE_HEADER} does not match"),
        (signed(signature="v2=" + "é" * 64), f"{SIGNATURE_HEADER} is absent or not of the form"),
        (signed(body=BODY + b" "), f"{SIGNATURE_HEADER} does not match"),
        (signed(number=None), f"{ATTEMPT_HEADER} is absent"),
        (signed(number="0"), f"{ATTEMPT_HEADER} is absent or not a whole number"),
        (signed(number="1_0"), f"{ATTEMPT_HEADER} is absent or not a whole number"),
        (signed(number=full_width(1)), f"{ATTEMPT_HEADER} is absent or not a whole number"),
        (signed(number="9" * 400), f"{ATTEMPT_HEADER} is absent or not a whole number"),
        (signed(number="1,1"), f"{ATTEMPT_HEADER} was sent more than once"),
        (signed(token="a,b"), f"{TOKEN_HEADER} was sent more than once"),
    ],
)
def test_a_forged_or_damaged_version_2_callback_is_refused_by_name_of_the_check(headers, why):
    with pytest.raises(Refused, match=why):
        check(headers)


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        (fixed_token("job-b"), "does not match this job"),
        (fixed_token(secret="another secret"), "does not match this job"),
        (fixed_token(expires=NOW), "expired 0 s ago"),
        (fixed_token(expires=NOW + 86_401), "expires more than 86400 s from now"),
        (fixed_token(expires=10**12), "is not of the form"),
        (token_with("1_800_000_900"), "is not of the form"),
        (token_with(full_width(NOW + 900)), "is not of the form"),
        (token_with(" 1800000900"), "is not of the form"),
        (token_with("1800000900 "), "is not of the form"),
        (token_with("+1800000900"), "is not of the form"),
        (token_with("18000009.0e2"), "is not of the form"),
        ({TOKEN_HEADER: ""}, "is not of the form"),
        ({TOKEN_HEADER: "é"}, "is not of the form"),
        ({TOKEN_HEADER: fixed_token()[TOKEN_HEADER].upper()}, "is not of the form"),
        ({TOKEN_HEADER: fixed_token()[TOKEN_HEADER] + "\n"}, "is not of the form"),
    ],
)
def test_a_wrong_fixed_token_is_refused(headers, why):
    with pytest.raises(Refused, match=why):
        check(headers)


def test_version_2_headers_cut_off_leave_a_token_that_does_not_pass_as_the_fixed_one():
    stripped = {TOKEN_HEADER: signed()[TOKEN_HEADER]}
    with pytest.raises(Refused, match=f"does not match.*without {ATTEMPT_HEADER}"):
        check(stripped)


def test_without_a_fixed_secret_only_version_2_is_accepted():
    with pytest.raises(Refused, match="only version 2"):
        check(fixed_token(), fixed=None)
    assert check(signed(), fixed=None) == Sender(attempt=1)


@pytest.mark.parametrize("position", range(len(BODY)))
def test_every_byte_of_the_body_is_signed(position):
    flipped = bytearray(BODY)
    flipped[position] ^= 1
    with pytest.raises(Refused, match=SIGNATURE_HEADER):
        check(signed(), body=bytes(flipped))
