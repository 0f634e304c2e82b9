"""ScaledObjects ask Prometheus for what the relay serves, have KEDA's shape, and share no target with an autoscaler."""

from __future__ import annotations

import re

import pytest

from contracts.topology import QUEUES
from services.api.settings import ApiSettings
from services.ingest.settings import IngestSettings
from services.metrics.settings import MetricsSettings
from services.predictor.settings import PredictorSettings
from support.keda import ScaledObject
from support.manifests import name, of_kind, rendered, written

SCALED = of_kind(written(), "ScaledObject")
BY_QUEUE = [item for item in SCALED if item["metadata"]["name"] != "metrics"]
# What each replica handles at a time
AT_A_TIME = {
    "api-worker": ("api", ApiSettings, "worker_concurrency"),
    "schema": ("ingest.schema", IngestSettings, "schema_concurrency"),
    "staging": ("ingest.staging", IngestSettings, "staging_concurrency"),
    "metrics-worker": ("metrics", MetricsSettings, "metrics_worker_threads"),
    "predictor": ("predictor", PredictorSettings, "worker_concurrency"),
}


def triggers(item):
    return {trigger["name"]: trigger["metadata"] for trigger in item["spec"]["triggers"]}


def test_a_target_has_one_scaler_and_no_number_beside_it():
    scalers = SCALED + of_kind(written(), "HorizontalPodAutoscaler")
    targets = [item["spec"]["scaleTargetRef"]["name"] for item in scalers]
    assert len(targets) == len(set(targets))
    for item in of_kind(rendered("aws"), "Deployment"):
        assert ("replicas" in item["spec"]) is (item["metadata"]["name"] not in targets), name(item)
    # Theirs is the work of loops that every replica has, not of a queue
    assert not {"launcher", "relay"} & set(targets)


@pytest.mark.parametrize("item", BY_QUEUE, ids=name)
def test_workers_are_scaled_by_length_and_age_of_their_queue(item):
    queue, settings, setting = AT_A_TIME[item["metadata"]["name"]]
    assert queue in QUEUES
    length, age = triggers(item)["length"], triggers(item)["age"]
    assert length["query"] == f'max(triptych_queue_depth{{queue="{queue}"}})'
    assert re.fullmatch(
        rf'clamp_max\(max\(triptych_queue_oldest_seconds{{queue="{queue}"}}\) / [0-9]+, '
        rf'scalar\(max\(triptych_queue_depth{{queue="{queue}"}}\)\)\)',
        age["query"],
    )
    at_a_time = settings.model_fields[setting].default
    assert int(age["threshold"]) == at_a_time
    assert int(length["threshold"]) > at_a_time


@pytest.mark.parametrize("item", SCALED, ids=name)
def test_what_cannot_be_read_is_not_taken_for_nothing(item):
    assert item["spec"]["fallback"]["replicas"] >= item["spec"]["minReplicaCount"] >= 1
    assert all(trigger["ignoreNullValues"] == "false" for trigger in triggers(item).values())


@pytest.mark.parametrize("item", SCALED, ids=name)
def test_prometheus_is_asked_at_its_service(item):
    [service] = [
        found for found in of_kind(written(), "Service") if found["metadata"]["name"] == "prometheus"
    ]
    url = f"http://prometheus.triptych.svc:{service['spec']['ports'][0]['port']}"
    assert {trigger["serverAddress"] for trigger in triggers(item).values()} == {url}


@pytest.mark.parametrize("item", SCALED, ids=name)
def test_a_scaled_object_has_the_shape_of_kedas_definition(item):
    ScaledObject.model_validate(item)


def test_the_behaviour_handed_on_is_that_of_an_autoscaler():
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    [autoscaler, *_] = of_kind(written(), "HorizontalPodAutoscaler")
    for item in SCALED:
        behavior = item["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        whole = autoscaler | {"spec": autoscaler["spec"] | {"behavior": behavior}}
        kubernetes_validate.validate(whole, "1.30", strict=True)
