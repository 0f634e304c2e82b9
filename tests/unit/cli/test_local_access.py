"""Who sits at the machine needs no key; pages of other sites get nothing by that."""

from __future__ import annotations

import pytest

from cli.local_access import LocalAccess, Refused, is_loopback

KEY = {"Authorization": "Bearer trp_k"}
HERE = {"Host": "localhost:8080"}


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", HERE),
        ("POST", {"Host": "127.0.0.1:8080"}),
        ("DELETE", {"Host": "[::1]:8080"}),
        ("GET", {"Host": "LOCALHOST"}),
        ("POST", {**HERE, "Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}),
        ("GET", {**HERE, "Sec-Fetch-Site": "none"}),
        (
            "GET",
            {
                **HERE,
                "Sec-Fetch-Site": "cross-site",
                "Sec-Fetch-Mode": "navigate",
                "Sec-Fetch-Dest": "document",
            },
        ),
    ],
)
def test_the_person_and_programs_of_this_machine_are_let_in(method, headers):
    assert LocalAccess("trp_k").headers(method, headers) == KEY


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 421),
        ("GET", {"Host": "evil.example"}, 421),
        ("GET", {"Host": "evil.example:8080"}, 421),
        ("GET", {"Host": "localhost.evil.example:8080"}, 421),
        ("GET", {"Host": "127.0.0.1.evil.example"}, 421),
        ("GET", {"Host": "evil.example", **KEY}, 421),
        ("POST", {**HERE, "Origin": "https://evil.example"}, 403),
        ("POST", {**HERE, "Origin": "null"}, 403),
        ("POST", {**HERE, "Origin": "http://localhost:9999"}, 403),
        ("GET", {**HERE, "Origin": "http://localhost.evil.example:8080"}, 403),
        ("GET", {**HERE, "Sec-Fetch-Site": "cross-site"}, 403),
        ("GET", {**HERE, "Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ("GET", {**HERE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, 403),
        (
            "POST",
            {**HERE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
            403,
        ),
    ],
)  # fmt: skip
def test_what_another_site_may_have_made_a_browser_ask_is_refused(method, headers, status):
    with pytest.raises(Refused) as refused:
        LocalAccess("trp_k").headers(method, headers)
    assert refused.value.status == status


@pytest.mark.parametrize(
    "proof",
    [{"Authorization": "Bearer other"}, {"Cookie": "a=b; triptych_session=x"}, {"X-Callback-Token": "1.f"}],
)
def test_a_request_with_a_proof_of_its_own_keeps_it(proof):
    assert LocalAccess("trp_k").headers("POST", {**HERE, **proof}) == {}


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("::", False),
        ("10.0.0.1", False),
    ],
)
def test_only_an_address_of_this_machine_alone_is_loopback(host, loopback):
    assert is_loopback(host) is loopback
