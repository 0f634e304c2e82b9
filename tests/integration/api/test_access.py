"""Every route, by every method, for everybody who may not: generated from the routes that there are."""

from __future__ import annotations

import io
from collections import Counter
from datetime import timedelta
from typing import NamedTuple

import pytest
from integration.api.conftest import TABLE

from contracts.callback import Outcome
from contracts.events import JobFinished
from runtime.access import jobs as owners
from runtime.access import keys
from runtime.access.guard import PUBLIC
from runtime.access.models import Key
from runtime.access.principal import ADMIN, OPERATOR, READ, SCOPES, WRITE
from runtime.db import now
from runtime.errors import NotFound
from runtime.web import PROBES
from services.api.app import NEEDS, create_app
from services.api.models import IdempotentRequest
from support.access import KEY

pytestmark = pytest.mark.sqlite

WEBHOOK = {"url": "https://hooks.example/", "name": "h", "events": ["job.failed"]}
TUS = {"Tus-Resumable": "1.0.0"}
# Operators see the platform as a whole, whichever workspace they work in
OF_THE_PLATFORM = {"deliveries", "maintenance", "workspaces"}


class Call(NamedTuple):
    endpoint: str
    method: str
    path: str
    needed: str


@pytest.fixture
def theirs(platform):
    """One of everything, in the first workspace."""
    dataset = platform.upload(images=40).json["id"]
    platform.stage(dataset)
    wish = {"dataset_id": dataset, "model": "multimodal", "target": "label", "name": "n", "start": True}
    job = platform.client.post("/api/training_jobs/", json=wish).json["id"]
    platform.hear(JobFinished(job_id=job, attempt=1, outcome=Outcome.SUCCEEDED))
    prediction = platform.client.post("/api/predictions/", json={"job_id": job, "dataset_id": dataset}).json[
        "id"
    ]
    files = [{"field": "file", "name": "a.csv", "size": 9}]
    upload = platform.client.post("/api/uploads/", json={"files": files}).json["id"]
    webhook = platform.client.post("/api/webhooks/", json=WEBHOOK).json["id"]
    with platform.database.read() as session:
        key = session.query(Key).one().id
    return {
        "dataset_id": dataset,
        "job_id": job,
        "prediction_id": prediction,
        "upload_id": upload,
        "webhook_id": webhook,
        "key_id": key,
        "name": "report.json",
        "path": "photos/p0.png",
        "delivery_id": 1,
    }  # fmt: skip


@pytest.fixture
def calls(platform, theirs):
    """Every call that there is."""
    adapter = platform.app.url_map.bind("localhost")
    made = []
    for rule in platform.app.url_map.iter_rules():
        values = {name: theirs[name] for name in rule.arguments if name not in (rule.defaults or {})}
        path = adapter.build(rule.endpoint, values)
        for method in sorted(rule.methods - {"OPTIONS"}):
            needed = platform.app.extensions["triptych"].guard.needed(rule.endpoint, method)
            made.append(Call(rule.endpoint, method, path, needed))
    return made


@pytest.fixture
def key(platform):
    """Make keys."""

    def make(scopes=tuple(SCOPES), workspace="default", **changes):
        with platform.database.write() as session:
            row, secret = keys.make(session, workspace, "k", scopes)
            for name, value in changes.items():
                setattr(row, name, value)
        return secret

    return make


@pytest.fixture
def other(platform):
    with platform.database.write() as session:
        return keys.make_workspace(session, "other").id


def body_of(call, theirs):
    """Give a body that the call takes, so that it fails for no other reason."""
    json = {
        "datasets.change_schema": {"columns": {"age": {"type": "text"}}},
        "predictions.create": {"job_id": theirs["job_id"], "dataset_id": theirs["dataset_id"]},
        "training_jobs.create": {"dataset_id": theirs["dataset_id"], "model": "multimodal", "target": "label"},
        "training_jobs.check": {"dataset_id": theirs["dataset_id"], "model": "multimodal", "target": "label"},
        "uploads.begin": {"files": [{"field": "file", "name": "a.csv", "size": 9}]},
        "keys.make": {"name": "k", "scopes": ["read"]},
        "workspaces.make": {"name": "w"},
        "webhooks.create": WEBHOOK,
        "direct.begin": {"files": [{"field": "file", "name": "a.csv", "size": 9}]},
        "direct.sign": {"number": 1, "crc32": "AAAAAA=="},
        "session.sign_in": {"key": KEY},
    }.get(call.endpoint)  # fmt: skip
    return {"json": json} if json is not None else {}


def ask(platform, call, theirs, secret, **headers):
    given = dict(TUS)
    if call.endpoint == "uploads.append":
        given |= {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    if secret:
        given["Authorization"] = f"Bearer {secret}"
    query = {"job": theirs["job_id"]} if call.path in {"/api/artifacts/", "/api/predictions/"} else None
    return platform.app.test_client().open(
        call.path, method=call.method, headers=given | headers, query_string=query, **body_of(call, theirs)
    )


@pytest.mark.parametrize(
    "migrated_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
def test_every_route_refuses_everybody_who_may_not(platform, calls, theirs, key, other):
    tried = Counter()
    nobody = {
        "no key": "",
        "an unknown key": "trp_" + "x" * 40,
        "no key at all but words": "Hello",
        "an expired key": key(expires_at=now() - timedelta(seconds=1)),
        "a revoked key": key(revoked_at=now()),
    }
    beyond = {scope: key([each for each in SCOPES if each != scope]) for scope in SCOPES}
    stranger = key(workspace=other)
    for call in calls:
        if call.needed == PUBLIC:
            tried["public"] += 1
            continue
        for who, secret in nobody.items():
            answer = ask(platform, call, theirs, secret)
            assert answer.status_code == 401, (call, who)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            tried[who] += 1
        answer = ask(platform, call, theirs, beyond[call.needed])
        assert answer.status_code == 403, call
        tried["a key without the scope"] += 1
        if call.endpoint.partition(".")[0] in OF_THE_PLATFORM:
            continue
        answer = ask(platform, call, theirs, stranger)
        names_one = any(str(value) in call.path for name, value in theirs.items() if name.endswith("_id"))
        if names_one or call.endpoint in {"training_jobs.create", "training_jobs.check", "predictions.create", "artifacts.list_artifacts"}:  # fmt: skip
            assert answer.status_code == 404, (call, answer.data)
        elif (
            call.method == "GET" and "items" in (answer.json or {}) and call.endpoint != "models.list_models"
        ):
            found = [item for item in answer.json["items"] if item["id"] in theirs.values()]
            assert found == [], call
        tried["a key of another workspace"] += 1
    assert tried["no key"] == len(calls) - tried["public"] > 40
    assert min(tried.values()) > 5, tried
    print(dict(tried))  # noqa: T201 - shown by pytest -s


def test_what_needs_no_key_is_this_and_no_more(calls):
    assert {call.path for call in calls if call.needed == PUBLIC} == {
        "/api/docs/",
        "/api/docs/report.json",  # a file of the page by its name
        "/api/health/",
        "/api/openapi.json",
        "/api/session/",  # POST and DELETE, which make and end a sign-in
        "/api/session/oidc/",
        "/api/session/oidc/callback/",
        "/api/session/ways/",
        "/healthz",
        "/metrics",
        "/readyz",
    }
    assert {call.method for call in calls if call.path == "/api/session/" and call.needed == PUBLIC} == {"POST", "DELETE"}  # fmt: skip


def test_every_rule_names_a_route_that_there_is(calls):
    known = {call.endpoint for call in calls} | {call.endpoint.partition(".")[0] for call in calls}
    assert NEEDS.keys() | PROBES <= known


def test_two_workspaces_see_and_count_their_own(platform, key, other):
    mine = platform.upload(images=0).json["id"]
    client = platform.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key(workspace=other)}"
    parts = {"file": (io.BytesIO(TABLE.encode()), "pets.csv")}
    yours = client.post("/api/datasets/upload_and_detect/", data=parts).json["id"]
    for asking, has, has_not in ((platform.client, mine, yours), (client, yours, mine)):
        page = asking.get("/api/datasets/").json
        assert ([item["id"] for item in page["items"]], page["total"]) == ([has], 1)
        assert asking.get(f"/api/datasets/{has}/").status_code == 200
        assert asking.get(f"/api/datasets/{has_not}/").status_code == 404
        limits = {each["setting"]: each["used"] for each in asking.get("/api/maintenance/").json["limits"]}
        assert limits["QUOTA_DATASETS"] == 1


def test_a_new_job_is_told_to_the_services_that_keep_no_jobs(platform, theirs, other):
    with platform.database.read() as session:
        owners.require(session, theirs["job_id"], "default")
        with pytest.raises(NotFound):
            owners.require(session, theirs["job_id"], other)


def test_what_is_left_of_a_deleted_job_does_not_become_the_first_workspaces(platform, key, other):
    platform.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key(workspace=other)}"
    dataset = platform.upload(images=40).json["id"]
    platform.stage(dataset)
    wish = {"dataset_id": dataset, "model": "multimodal", "target": "label"}
    job = platform.client.post("/api/training_jobs/", json=wish).json["id"]
    assert platform.client.delete(f"/api/datasets/{dataset}/").status_code == 204
    with platform.database.read() as session, pytest.raises(NotFound):
        owners.require(session, job, "default")


class TestKeys:
    def test_a_key_is_shown_once_and_kept_as_a_hash(self, platform):
        made = platform.client.post("/api/keys/", json={"name": "ci", "scopes": ["read"]}).json
        assert made["key"].startswith("trp_")
        listed = platform.client.get("/api/keys/").json["items"]
        assert [item["name"] for item in listed] == ["ci", "first key"]
        assert all("key" not in item and "hash" not in item for item in listed)
        assert listed[0]["hint"] == made["key"][-4:]
        with platform.database.read() as session:
            assert made["key"] not in str([vars(row) for row in session.query(Key)])

    def test_a_key_is_not_kept_for_a_request_that_comes_again(self, platform):
        wish, once = {"name": "k", "scopes": [READ]}, {"Idempotency-Key": "k-1"}
        made = platform.client.post("/api/keys/", json=wish, headers=once)
        with platform.database.read() as session:
            assert made.json["key"] not in str([vars(row) for row in session.query(IdempotentRequest)])
        again = platform.client.post("/api/keys/", json=wish, headers=once)
        assert (again.status_code, "was carried out" in again.json["detail"]) == (409, True)
        assert len(platform.client.get("/api/keys/").json["items"]) == 2

    def test_a_revoked_key_is_out_at_once_and_with_it_its_browsers(self, platform, key):
        secret = key([READ])
        browser = platform.app.test_client()
        assert browser.post("/api/session/", json={"key": secret}).status_code == 200
        assert browser.get("/api/session/").json["signed_in"] is True
        [row] = [
            item for item in platform.client.get("/api/keys/").json["items"] if item["hint"] == secret[-4:]
        ]
        assert platform.client.delete(f"/api/keys/{row['id']}/").json["revoked_at"]
        assert browser.get("/api/session/").status_code == 401
        assert browser.get("/api/session/", headers={"Authorization": f"Bearer {secret}"}).status_code == 401

    def test_nobody_gives_more_than_they_have(self, platform, key):
        answer = platform.app.test_client().post(
            "/api/keys/",
            json={"name": "k", "scopes": [READ, OPERATOR]},
            headers={"Authorization": f"Bearer {key([READ, WRITE, ADMIN])}"},
        )
        assert (answer.status_code, "operator" in answer.json["detail"]) == (403, True)

    def test_keys_of_another_workspace_are_for_operators(self, platform, key, other):
        admin = {"Authorization": f"Bearer {key([READ, WRITE, ADMIN])}"}
        wish = {"name": "k", "scopes": [READ], "workspace": other}
        assert platform.app.test_client().post("/api/keys/", json=wish, headers=admin).status_code == 403
        made = platform.client.post("/api/keys/", json=wish).json
        mine = {"Authorization": f"Bearer {made['key']}"}
        assert platform.app.test_client().get("/api/session/", headers=mine).json["workspace"] == other
        assert platform.client.delete(f"/api/keys/{made['id']}/").status_code == 404
        assert platform.client.delete(f"/api/keys/{made['id']}/?workspace={other}").status_code == 200

    @pytest.mark.parametrize(
        ("wish", "field"),
        [
            ({"name": "k", "scopes": []}, "scopes"),
            ({"name": "k", "scopes": ["root"]}, "scopes"),
            ({"name": "", "scopes": ["read"]}, "name"),
            ({"name": "k", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
            ({"name": "k", "scopes": ["read"], "expires_at": "tomorrow"}, "expires_at"),
        ],
    )
    def test_a_wrong_wish_names_its_field(self, platform, wish, field):
        answer = platform.client.post("/api/keys/", json=wish)
        assert (answer.status_code, field in answer.json["detail"]) == (422, True)

    def test_the_last_use_is_kept_to_an_hour(self, platform, key):
        secret = key([READ])
        headers = {"Authorization": f"Bearer {secret}"}
        platform.app.test_client().get("/api/session/", headers=headers)

        def used():
            [row] = [
                item
                for item in platform.client.get("/api/keys/").json["items"]
                if item["hint"] == secret[-4:]
            ]
            return row["used_at"]

        first = used()
        assert first
        platform.app.test_client().get("/api/session/", headers=headers)
        assert used() == first


class TestSignIn:
    @pytest.fixture
    def browser(self, platform):
        browser = platform.app.test_client()
        assert browser.post("/api/session/", json={"key": KEY}).status_code == 200
        return browser

    def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites_forms(self, platform):
        answer = platform.app.test_client().post(
            "/api/session/", json={"key": KEY}, headers={"X-Forwarded-Proto": "https"}
        )
        cookie = answer.headers["Set-Cookie"]
        assert all(part in cookie for part in ("HttpOnly", "SameSite=Lax", "Secure", "Path=/"))
        assert KEY not in cookie

    def test_signing_out_ends_it_on_the_server(self, browser):
        cookie = browser.get_cookie("triptych_session").value
        assert browser.delete("/api/session/").status_code == 204
        browser.set_cookie("triptych_session", cookie)
        assert browser.get("/api/session/").status_code == 401

    @pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:81"])
    def test_another_sites_page_changes_nothing_by_the_cookie(self, browser, origin):
        answer = browser.post("/api/workspaces/", json={"name": "w"}, headers={"Origin": origin})
        assert answer.status_code == 403
        assert browser.delete("/api/session/", headers={"Origin": origin}).status_code == 403
        assert browser.get("/api/session/").status_code == 200

    def test_a_page_of_this_origin_or_of_a_trusted_one_does(self, platform, browser):
        for number, origin in enumerate(["http://localhost", None]):
            headers = {"Origin": origin} if origin else {}
            assert (
                browser.post("/api/workspaces/", json={"name": f"w{number}"}, headers=headers).status_code
                == 201
            )
        trusting = create_app(platform.settings.model_copy(update={"cors_origins": "https://lab.example"}))
        client = trusting.test_client()
        client.set_cookie("triptych_session", browser.get_cookie("triptych_session").value)
        headers = {"Origin": "https://lab.example"}
        assert client.post("/api/workspaces/", json={"name": "w9"}, headers=headers).status_code == 201
        trusting.extensions["triptych"].db.engine.dispose()

    def test_a_wrong_key_is_told_and_not_repeated(self, platform):
        answer = platform.app.test_client().post("/api/session/", json={"key": "trp_" + "z" * 40})
        assert (answer.status_code, "zzz" in answer.text) == (401, False)
        assert "Set-Cookie" not in answer.headers
