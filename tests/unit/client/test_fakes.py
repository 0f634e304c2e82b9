"""The platform in memory, which the tests of pages stand on, answers as the OpenAPI document says."""

from __future__ import annotations

import inspect

import httpx
import pytest
from browser.fake_api import FakePlatform
from browser.fake_routes import create_api
from browser.one_origin import furnish
from jsonschema import Draft202012Validator
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from client import Api

CALLS = {
    "who": (),
    "ways": (),
    "keys": (),
    "workspaces": (),
    "models": (),
    "machine": (),
    "datasets": (),
    "dataset": ("animals",),
    "schema": ("animals",),
    "jobs": (),
    "job": ("done",),
    "artifacts": ("done",),
}


@pytest.fixture(scope="module")
def furnished():
    platform = FakePlatform()
    ids = furnish(platform)
    origin = DispatcherMiddleware(Response("not here", status=404), {"/api": create_api(platform)})
    return Api(httpx.Client(base_url="http://origin", transport=httpx.WSGITransport(app=origin))), ids


def validate(document, kind, answer):
    Draft202012Validator(
        {"$ref": f"#/components/schemas/{kind}", "components": document["components"]}
    ).validate(answer)


@pytest.mark.parametrize("name", CALLS)
def test_it_answers_as_the_platform_does(furnished, document, name):
    api, ids = furnished
    call = getattr(api, name)
    validate(document, inspect.signature(call).return_annotation, call(*(ids[one] for one in CALLS[name])))


def test_its_rows_and_predictions_too(furnished, document):
    api, ids = furnished
    validate(document, "DatasetPreview", api.preview(ids["animals"], rows=5))
    validate(document, "Preflight", api.check_job({"dataset_id": ids["animals"]}))
    prediction = api.predict({"job_id": ids["done"], "rows": [{}]})
    validate(document, "Prediction", prediction)
    validate(document, "Prediction", api.prediction(prediction["id"]))
    validate(document, "PredictionPage", api.predictions(job=ids["done"]))
