"""ETags: what has not changed is not sent again, and a change made on an old view is refused."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.sqlite

CHANGE = {"columns": {"age": {"role": "leave_out"}}}


@pytest.fixture
def url(platform):
    return f"/api/datasets/{platform.upload().json['id']}/schema/"


def test_what_is_known_is_not_sent_again(platform, url):
    first = platform.client.get(url)
    known = platform.client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (known.status_code, known.data) == (304, b"")
    assert known.headers["ETag"] == first.headers["ETag"]
    changed = platform.client.patch(url, json=CHANGE)
    assert changed.headers["ETag"] != first.headers["ETag"]
    new = platform.client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (new.status_code, new.headers["ETag"]) == (200, changed.headers["ETag"])


def test_a_change_on_an_old_view_is_refused(platform, url):
    old = platform.client.get(url).headers["ETag"]
    first = platform.client.patch(url, json=CHANGE, headers={"If-Match": old})
    assert first.status_code == 200
    late = platform.client.patch(
        url, json={"columns": {"note": {"role": "leave_out"}}}, headers={"If-Match": old}
    )
    assert late.status_code == 412
    assert "Somebody changed this" in late.json["detail"]
    assert platform.client.get(url).headers["ETag"] == first.headers["ETag"]
    assert (
        platform.client.patch(
            url, json=CHANGE, headers={"If-Match": f'"x", {first.headers["ETag"]}'}
        ).status_code
        == 200
    )
    for without in ({}, {"If-Match": "*"}):
        assert platform.client.patch(url, json=CHANGE, headers=without).status_code == 200


def test_downloads_and_errors_have_none(platform, url):
    assert "ETag" not in platform.client.get("/api/datasets/none/").headers
    thumbnail = platform.client.get(url.replace("schema/", "files/photos/p1.png"))
    assert "ETag" not in thumbnail.headers
