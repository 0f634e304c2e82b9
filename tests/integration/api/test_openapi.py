"""The OpenAPI document is whole, and the api answers as it says, whatever is sent."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from contracts.callback import ArtifactInfo, Outcome
from contracts.events import JobFinished, JobLaunched, PredictionFinished
from support.openapi_cases import fuzz

ROOT = Path(__file__).parents[3]
# Answered by the metrics service
OTHERS = r"^/api/metrics/|/(events|metrics)/$"


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
class TestTheDocument:
    @pytest.fixture
    def document(self, platform):
        return platform.client.get("/api/openapi.json").json

    def test_it_has_the_routes_of_all_services(self, platform, document):
        told = {path for path in document["paths"] if not path.startswith("/api/metrics")}
        routes = {
            rule.rule.replace("int(max=2147483647):", "").replace("path:", "")
            for rule in platform.app.url_map.iter_rules()
            if rule.rule.startswith("/api/")
        }
        plain = {rule.replace("<", "{").replace(">", "}") for rule in routes}
        described = {rule for rule in plain if not rule.startswith(("/api/openapi", "/api/docs"))}
        assert described <= told
        assert told - described == {
            "/api/training_jobs/{job_id}/metrics/",
            "/api/training_jobs/{job_id}/events/",
            "/api/changes/",
        }
        assert {"/api/metrics/", "/api/metrics/curves/"} <= document["paths"].keys()

    def test_every_answer_is_typed_and_every_error_a_problem_document(self, document):
        for path, item in document["paths"].items():
            for method, call in item.items():
                if method == "parameters":
                    continue
                for code, answer in call["responses"].items():
                    where = f"{method} {path} {code}"
                    if code == "default" or int(code) >= 400:
                        kinds = answer["content"]
                        assert kinds.keys() == {"application/problem+json"}, where
                        assert kinds["application/problem+json"]["schema"] == {
                            "$ref": "#/components/schemas/Problem"
                        }
                    elif method != "head" and code not in {"204", "302", "303", "304"}:
                        assert all("schema" in kind for kind in answer["content"].values()), where
                        assert answer["content"], where
                assert "default" in call["responses"], f"{method} {path}"

    def test_every_reference_leads_somewhere(self, document):
        text = json.dumps(document)
        names = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert names <= document["components"]["schemas"].keys()
        assert "x-model" not in text

    def test_the_page_needs_nothing_from_elsewhere(self, platform):
        with platform.client.get("/api/docs/") as page:
            text, policy = page.text, page.headers["Content-Security-Policy"]
        assert "http" not in text
        assert "script-src 'self';" in policy
        for name in ("page.js", "swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"):
            assert name in text
            with platform.client.get(f"/api/docs/{name}") as file:
                assert file.status_code == 200
        assert platform.client.get("/api/docs/index.template.html").status_code == 404


def test_the_metrics_service_says_the_same_of_itself():
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import metrics_openapi
    finally:
        sys.path.pop(0)
    assert json.loads(metrics_openapi.PATH.read_text("utf-8")) == metrics_openapi.document()


def seed(platform) -> dict[str, list[object]]:
    """Make one of everything, and give ids by the parameter that takes them."""
    client = platform.client
    dataset = platform.upload().json
    platform.stage(dataset["id"])
    wish = {"dataset_id": dataset["id"], "target": "label", "model": "dummy_model"}
    wish["ignore"] = ["target-leak", "images-missing"]
    job = client.post("/api/training_jobs/", json=wish | {"start": True})
    assert job.status_code == 201, job.json
    job_id = job.json["id"]
    platform.hear(JobLaunched(job_id=job_id, attempt=1, launcher="local", handle="1"))
    platform.store.put_bytes(f"jobs/{job_id}/1/report.json", b"{}")
    artifact = ArtifactInfo(
        name="report.json", uri=platform.store.uri(f"jobs/{job_id}/1/report.json"), size=2, sha256="0" * 64
    )
    platform.hear(
        JobFinished(
            job_id=job_id,
            attempt=1,
            outcome=Outcome.SUCCEEDED,
            reason="",
            metrics={"accuracy": 1.0},
            artifacts=[artifact],
        )
    )
    other = client.post("/api/training_jobs/", json=wish)
    row = {"age": "3", "note": "x", "photo": ""}
    prediction = client.post("/api/predictions/", json={"job_id": job_id, "rows": [row]})
    assert prediction.status_code == 202, prediction.json
    prediction_id = prediction.json["id"]
    platform.store.put_bytes(f"jobs/{job_id}/predictions/{prediction_id}/predictions.csv", b"a,b\n1,2\n")
    platform.hear(PredictionFinished(prediction_id=prediction_id, rows=1, size=8, notes=[]))
    upload = client.post(
        "/api/uploads/", json={"files": [{"field": "file", "name": "a.csv", "size": 4}]}
    ).json["id"]
    webhook = client.post("/api/webhooks/", json={"url": "https://a.example/"}).json["id"]
    client.post(f"/api/webhooks/{webhook}/test/")
    jobs = [job_id, other.json["id"]]
    return {
        "dataset_id": [dataset["id"]],
        "upload_id": [upload],
        "job_id": jobs,
        "job": jobs,
        "prediction_id": [prediction_id],
        "delivery_id": [1, 2],
        "webhook_id": [webhook],
        "name": ["report.json"],
        "path": ["photos/p1.png"],
    }


@pytest.mark.parametrize("migrated_url", ["sqlite"], indirect=True)
def test_it_answers_as_the_document_says(platform):
    answers = fuzz(platform.app, "/api/openapi.json", seed(platform), OTHERS, examples=2, derandomize=True)
    assert max(answers) < 500
    assert {200, 404, 422} <= answers.keys()


@pytest.mark.long
def test_it_answers_as_the_document_says_in_thousands_of_cases(platform):
    answers = fuzz(platform.app, "/api/openapi.json", seed(platform), OTHERS, examples=100, derandomize=False)
    assert max(answers) < 500
    print(sorted(answers.items()))  # noqa: T201 - the summary of the run
