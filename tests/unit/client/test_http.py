"""What becomes of a request: an answer, a refusal with all it says, or an error that says how the platform is away."""

from __future__ import annotations

import httpx
import pytest

from client import Api, Away, BrokenOff, Client, Refused, StoreAway, Unusable


def client_of(answer) -> Client:
    def serve(request: httpx.Request) -> httpx.Response:
        return answer(request) if callable(answer) else answer

    return Client("http://platform", transport=httpx.MockTransport(serve))


def problem(status, **body):
    return httpx.Response(
        status, json={"title": "Invalid", **body}, headers={"Content-Type": "application/problem+json"}
    )


# --- addresses


def test_unset_values_are_left_out_and_ids_cannot_leave_their_place():
    seen = []

    def answer(request):
        seen.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    client = client_of(answer)
    client.datasets(page=2)
    client.dataset("../jobs?x=1")
    client.revoke_key("k", workspace="w/1")
    assert seen == [
        "/api/datasets/?page=2",
        "/api/datasets/..%2Fjobs%3Fx%3D1/",
        "/api/keys/k/?workspace=w%2F1",
    ]


@pytest.mark.parametrize("url", ["http://platform/", "http://platform", "http://gate/way"])
def test_a_platform_may_be_below_an_address(url):
    asked = []

    def answer(request):
        asked.append(str(request.url))
        return httpx.Response(200, json={})

    client = Client(url, transport=httpx.MockTransport(answer))
    client.models()
    assert asked == [f"{client.url}/api/models/"]
    assert client.url == url.rstrip("/")


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "http://", "", "http://x:port"])
def test_what_is_no_url_is_said_so(url):
    with pytest.raises(Unusable, match="is not a"):
        Client(url)


def test_a_key_goes_along_and_leaves_no_trace_in_the_errors():
    keys = []

    def answer(request):
        keys.append(request.headers.get("Authorization"))
        raise httpx.ConnectError("refused")

    for key in ("trp_1", ""):
        with (
            Client("http://platform", key, httpx.MockTransport(answer)) as client,
            pytest.raises(Away) as away,
        ):
            client.models()
        assert "trp_1" not in str(away.value)
    assert keys == ["Bearer trp_1", None]


def test_blanks_around_a_key_are_not_sent():
    def answer(request):
        return httpx.Response(200, json={"name": request.headers["Authorization"]})

    assert Client("http://platform", "trp_1\n", httpx.MockTransport(answer)).who()["name"] == "Bearer trp_1"


@pytest.mark.parametrize("key", ["“trp_1”", "trp_1\ntrp_2", "trp_\x7f1"])
def test_a_key_that_cannot_be_sent_is_said_so_and_not_repeated(key):
    with pytest.raises(Unusable, match="key holds characters that no API key has") as unusable:
        Client("http://platform", key)
    assert "trp_1" not in str(unusable.value)


# --- refusals


def test_a_problem_document_becomes_its_sentence():
    wait = {"Retry-After": "30"}
    body = {"title": "Full", "detail": "2 jobs run.", "limit": {"setting": "MAX_JOBS", "most": 2, "used": 2}}
    with pytest.raises(Refused) as refused:
        client_of(httpx.Response(429, json=body, headers=wait)).create_job({"dataset_id": "d"})
    assert str(refused.value) == "2 jobs run."
    assert (refused.value.status, refused.value.title, refused.value.retry_after) == (429, "Full", 30)
    assert refused.value.problem["limit"]["setting"] == "MAX_JOBS"


@pytest.mark.parametrize(
    ("errors", "flat"),
    [
        ({"target": ["no such column"]}, {"target": "no such column"}),
        ({"json": {"epochs": ["too few", "not whole"]}}, {"epochs": "too few not whole"}),
        ({"json": {"params": {"dropout": ["too high"]}}}, {"params.dropout": "too high"}),
        ({"params": "must be an object"}, {"params": "must be an object"}),
        ({}, {}),
    ],
)
def test_errors_are_named_by_their_field(errors, flat):
    with pytest.raises(Refused) as refused:
        client_of(problem(422, errors=errors)).create_job({"dataset_id": "d"})
    assert refused.value.errors == flat


@pytest.mark.parametrize(
    ("status", "signed_out", "platforms_fault"),
    [(401, True, False), (403, False, False), (500, False, True), (503, False, True)],
)
def test_whose_fault_it_is(status, signed_out, platforms_fault):
    with pytest.raises(Refused, match="Invalid") as refused:
        client_of(problem(status)).models()
    assert (refused.value.signed_out, refused.value.platforms_fault) == (signed_out, platforms_fault)


@pytest.mark.parametrize("wait", ["Thu, 26 Nov 2026 12:00:00 GMT", "-1", "٣", ""])
def test_only_seconds_are_taken_for_a_time_to_wait(wait):
    headers = {"Retry-After": wait.encode()}
    with pytest.raises(Refused) as refused:
        client_of(httpx.Response(429, json={"title": "Full"}, headers=headers)).models()
    assert refused.value.retry_after is None


def test_a_missing_report_is_no_error_but_a_broken_api_is():
    assert client_of(problem(404)).report("job") is None
    with pytest.raises(Refused):
        client_of(problem(500)).report("job")


def test_a_report_behind_a_presigned_address_is_followed():
    def answer(request):
        if request.url.host == "platform":
            return httpx.Response(302, headers={"Location": "http://store/report.json?signature=1"})
        assert "Authorization" not in request.headers
        return httpx.Response(200, json={"best_epoch": 3})

    client = Client("http://platform", "trp_1", httpx.MockTransport(answer))
    assert client.report("job") == {"best_epoch": 3}


# --- silence


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (httpx.Response(502, text="<h1>Bad Gateway</h1>"), 502),
        (httpx.Response(500, json=["not", "a", "problem"]), 500),
        (httpx.Response(302, headers={"Location": "/login"}), 302),
        (httpx.Response(200, text="<h1>Some other service</h1>"), 200),
        (httpx.Response(200, json=["no", "object"]), 200),
    ],
)
def test_what_is_not_the_api_counts_as_away(answer, status):
    with pytest.raises(Away) as away:
        client_of(answer).jobs()
    assert (away.value.status, away.value.url) == (status, "http://platform")


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx.ConnectError, Away, "The API cannot be reached (ConnectError)."),
        (httpx.ReadTimeout, Away, "The API took too long to answer."),
        (httpx.RemoteProtocolError, BrokenOff, "The API cannot be reached (RemoteProtocolError)."),
        (httpx.ReadError, BrokenOff, "The API cannot be reached (ReadError)."),
    ],
)
def test_silence_counts_as_away(error, kind, words):
    def answer(_request):
        raise error("no")

    with pytest.raises(Away) as away:
        client_of(answer).jobs()
    assert (type(away.value), str(away.value)) == (kind, words)
    assert (away.value.cause, away.value.status) == ("no", 0)
    assert not client_of(answer).healthy()


# --- repetitions


def test_what_makes_something_is_sent_once_more_under_the_same_key_where_the_connection_breaks_off():
    keys = []

    def answer(request):
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx.Response(201, json={"id": "j"})

    client = client_of(answer)
    assert client.create_job({"dataset_id": "d"}) == {"id": "j"}
    assert client.create_job({"dataset_id": "d"}) == {"id": "j"}
    assert keys[0] == keys[1] != keys[2]


def busy():
    return httpx.Response(409, json={"detail": "It is being carried out."}, headers={"Retry-After": "1"})


def test_what_is_still_being_carried_out_is_waited_for(monkeypatch):
    answers, pauses = ["broken", busy(), busy(), httpx.Response(201, json={"id": "j"})], []
    monkeypatch.setattr("client.http.time.sleep", pauses.append)

    def answer(_request):
        if (now := answers.pop(0)) == "broken":
            raise httpx.ReadError("reset")
        return now

    assert client_of(answer).create_job({"dataset_id": "d"}) == {"id": "j"}
    assert (answers, pauses) == ([], [1, 1])


@pytest.mark.parametrize(
    ("repeated", "tries"), [(busy, 12), (lambda: problem(409, detail="It is being carried out."), 2)]
)
def test_it_is_not_waited_for_without_end_nor_where_the_platform_does_not_say_so(
    monkeypatch, repeated, tries
):
    tried = []
    monkeypatch.setattr("client.http.time.sleep", lambda _seconds: None)

    def answer(request):
        tried.append(request.headers["Idempotency-Key"])
        if len(tried) == 1:
            raise httpx.ReadError("reset")
        return repeated()

    with pytest.raises(Refused, match="It is being carried out"):
        client_of(answer).make_workspace("biology")
    assert (len(tried), len(set(tried))) == (tries, 1)


def test_what_never_arrived_is_not_sent_again():
    tried = []

    def answer(request):
        tried.append(request)
        raise httpx.ConnectError("refused")

    with pytest.raises(Away):
        client_of(answer).make_workspace("biology")
    assert len(tried) == 1


@pytest.mark.parametrize(("own", "given"), [(10, 60), (90, 90), (None, None)])
def test_the_checks_of_a_jobs_data_get_their_time(own, given):
    waited = []

    def answer(request):
        waited.append(request.extensions["timeout"]["read"])
        return httpx.Response(200, json={"findings": []})

    http = httpx.Client(base_url="http://api", timeout=own, transport=httpx.MockTransport(answer))
    api = Api(http)
    api.check_job({"dataset_id": "d"})
    api.create_job({"dataset_id": "d"})
    api.models()
    assert waited == [given, given, own]


# --- files


def test_a_download_appears_whole_or_not_at_all(tmp_path):
    def broken():
        yield b"half"
        raise httpx.ReadError("gone")

    target = tmp_path / "model.pt"
    with pytest.raises(BrokenOff):
        client_of(httpx.Response(200, content=broken())).download("/api/artifacts/j/model.pt", target)
    assert not target.exists()
    client_of(httpx.Response(200, content=b"whole")).download("/api/artifacts/j/model.pt", target)
    assert target.read_bytes() == b"whole"


def test_a_download_that_is_refused_leaves_nothing(tmp_path):
    with pytest.raises(Refused, match="no artifact"):
        client_of(problem(404, detail="There is no artifact.")).download("/api/artifacts/j/x", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("/api/artifacts/j/x", "Bearer trp_1"),
        ("http://platform/api/artifacts/j/x", "Bearer trp_1"),
        ("http://store/x?signature=1", None),
        ("http://platform:9000/x?signature=1", None),
    ],
)
def test_a_download_from_elsewhere_is_not_told_the_key(tmp_path, url, key):
    told = []

    def answer(request):
        told.append(request.headers.get("Authorization"))
        return httpx.Response(200, content=b"whole")

    Client("http://platform", "trp_1", httpx.MockTransport(answer)).download(url, tmp_path / "x")
    assert told == [key]


@pytest.mark.parametrize(
    ("store", "says"),
    [
        (httpx.ConnectError("refused"), "store.example does not answer: refused"),
        (httpx.Response(403, text="<Error>"), r"store.example does not give it \(HTTP 403\)"),
    ],
)
def test_a_store_that_gives_no_file_is_not_taken_for_the_platform(tmp_path, store, says):
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "platform":
            return httpx.Response(302, headers={"Location": "https://store.example/model.pt?signed"})
        if isinstance(store, Exception):
            raise store
        return store

    client = Client("http://platform", transport=httpx.MockTransport(answer))
    with pytest.raises(StoreAway, match=says):
        client.download("/api/artifacts/j/model.pt", tmp_path / "model.pt")
    with pytest.raises(StoreAway, match=says):
        client.report("j")
    assert not (tmp_path / "model.pt").exists()
