from __future__ import annotations

import httpx
import pytest

from ui.api import Api, ApiAway, ApiProblem


def api_that_answers(answer):
    def handle(request: httpx.Request) -> httpx.Response:
        return answer(request) if callable(answer) else answer

    return Api(httpx.Client(base_url="http://api", transport=httpx.MockTransport(handle)))


def problem(status, **body):
    return httpx.Response(
        status, json={"title": "Invalid", **body}, headers={"Content-Type": "application/problem+json"}
    )


def test_ids_cannot_leave_their_place_in_the_path():
    seen = []

    def answer(request):
        seen.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    api_that_answers(answer).dataset("../jobs?x=1")
    assert seen == ["/api/datasets/..%2Fjobs%3Fx%3D1/"]


def test_a_problem_document_becomes_its_sentence():
    with pytest.raises(ApiProblem) as refused:
        api_that_answers(problem(422, detail="epochs must be at least 1")).create_job({})
    assert str(refused.value) == "epochs must be at least 1"
    assert refused.value.status == 422


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
    with pytest.raises(ApiProblem) as refused:
        api_that_answers(problem(422, errors=errors)).create_job({})
    assert refused.value.errors == flat


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(502, text="<h1>Bad Gateway</h1>"),
        httpx.Response(200, text="<h1>Some other service</h1>"),
        httpx.Response(200, json=["no", "object"]),
    ],
)
def test_what_is_not_the_api_counts_as_away(answer):
    with pytest.raises(ApiAway):
        api_that_answers(answer).jobs()


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError])
def test_silence_counts_as_away(error):
    def answer(_request):
        raise error("no")

    with pytest.raises(ApiAway):
        api_that_answers(answer).jobs()
    assert not api_that_answers(answer).healthy()


def test_a_missing_report_is_no_error_but_a_broken_api_is():
    assert api_that_answers(problem(404)).report("job") is None
    with pytest.raises(ApiProblem):
        api_that_answers(problem(500)).report("job")


def test_a_report_behind_a_presigned_address_is_followed():
    def answer(request):
        if request.url.host == "api":
            return httpx.Response(302, headers={"Location": "http://store/report.json?signature=1"})
        return httpx.Response(200, json={"best_epoch": 3})

    client = httpx.Client(base_url="http://api", transport=httpx.MockTransport(answer), follow_redirects=True)
    assert Api(client).report("job") == {"best_epoch": 3}


def test_a_job_whose_answer_broke_off_is_asked_for_once_more_under_the_same_key():
    keys = []

    def answer(request):
        keys.append(request.headers["Idempotency-Key"])
        if len(keys) == 1:
            raise httpx.ReadError("connection reset")
        return httpx.Response(201, json={"id": "j"})

    assert api_that_answers(answer).create_job({"dataset_id": "d"}) == {"id": "j"}
    assert keys[0] == keys[1]
