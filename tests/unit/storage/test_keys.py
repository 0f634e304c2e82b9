import pytest

from runtime.storage import open_store
from runtime.storage.base import checked_key, checked_prefix


@pytest.mark.parametrize("key", ["a", "a/b", "a b/ü/日本.png", "..a/b..", ".hidden", "a" * 1024, "%2e%2e/x"])
def test_a_good_key_stays_as_it_is(key):
    assert checked_key(key) == key


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        ("", "every part"),
        ("/a", "every part"),
        ("a/", "every part"),
        ("a//b", "every part"),
        (".", "every part"),
        ("a/./b", "every part"),
        ("..", "every part"),
        ("a/../b", "every part"),
        ("a\\b", "backslashes"),
        ("a\0b", "control characters"),
        ("a\nb", "control characters"),
        ("a\x7fb", "control characters"),
        ("a/.part-x", "no part may start with"),
        ("ü" * 513, "at most 1024 bytes"),
        ("a\udcffb", "not valid Unicode"),
    ],
)
def test_a_bad_key_is_named_with_its_problem(key, problem):
    with pytest.raises(ValueError, match=problem) as caught:
        checked_key(key)
    assert repr(key) in str(caught.value)


def test_a_prefix_is_a_folder():
    assert checked_prefix("") == ""
    assert checked_prefix("a/b") == checked_prefix("a/b/") == "a/b/"
    for bad in ("/", "a//", "../a"):
        with pytest.raises(ValueError, match="every part"):
            checked_prefix(bad)


@pytest.mark.parametrize(
    "url",
    ["", "objects", "/srv/objects", "s3://", "s3:///prefix", "file://host/dir", "file:dir", "http://x/y"],
)
def test_a_url_of_no_store_is_refused(url):
    with pytest.raises(ValueError, match=r"s3://bucket/prefix or file:///folder is allowed"):
        open_store(url)


def test_a_folder_url_is_percent_decoded(tmp_path):
    open_store((tmp_path / "a b" / "100%").as_uri()).put_bytes("key", b"")
    assert (tmp_path / "a b" / "100%" / "key").exists()
