"""A webhook reaches public addresses and nothing of ours, whatever its URL says."""

from __future__ import annotations

import pytest

from runtime.errors import Invalid
from services.api.outgoing import Target, Undelivered, checked_address, is_public, parse

TARGET = Target(secure=True, host="a.example", port=443, path="/")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://a.example/", "only https"),
        ("ftp://a.example/", "only https"),
        ("file:///etc/passwd", "only https"),
        ("a.example", "only https"),
        ("https://", "needs a host"),
        ("https://user:pass@a.example/", "name or password"),
        ("https://a.example:99999/", "not a URL"),
        ("https://[::1/", "not a URL"),
        ("https://a.example/a b", "without blanks"),
        ("https://a.example/\r\nHost: b", "without blanks"),
        ("https://ä.example/", "ASCII"),
        ("https://" + "a" * 70 + ".example/", "not a URL"),
    ],
)
def test_a_url_that_is_not_allowed_is_refused_with_words(url, words):
    with pytest.raises(Invalid, match="url: ") as caught:
        parse(url, private=False)
    assert words in str(caught.value)


def test_a_url_is_taken_apart():
    assert parse("https://a.example:8443/x?y=1#z", private=False) == Target(True, "a.example", 8443, "/x?y=1")
    assert parse("http://localhost", private=True) == Target(False, "localhost", 80, "/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("127.8.9.1", False),
        ("0.0.0.0", False),  # noqa: S104 - an address that is compared
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),  # metadata of EC2
        ("169.254.170.2", False),  # of ECS
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("198.18.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00:ec2::254", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::a9fe:a9fe", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address, public):
    assert is_public(address) is public


def test_a_name_with_one_address_of_ours_among_others_is_refused():
    found = ["93.184.216.34", "10.0.0.5"]
    with pytest.raises(Undelivered, match=r"a\.example is at 10\.0\.0\.5, which is not a public address"):
        checked_address(TARGET, private=False, look=lambda *_: found)
    assert checked_address(TARGET, private=True, look=lambda *_: found) == "93.184.216.34"


def test_a_name_without_an_address_is_told():
    def nothing(*_):
        raise OSError("Name or service not known")

    for look in (nothing, lambda *_: []):
        with pytest.raises(Undelivered, match=r"a\.example has no address"):
            checked_address(TARGET, private=False, look=look)
