"""Alerts, the dashboard and the page on operations name metrics and labels that there are."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "deploy/prometheus/alerts.yaml"
DASHBOARD = ROOT / "deploy/grafana/triptych.json"
# Prometheus' own, and what file_sd or relabelling adds to every series
OWN_LABELS = {"le", "job", "instance", "process"}


@pytest.fixture(scope="module")
def metrics():
    """Every metric by name, as scripts/metrics_table.py finds them."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        spec = importlib.util.spec_from_file_location("metrics_table", ROOT / "scripts/metrics_table.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return {metric.name: metric for made in module.described().values() for metric in made}


def rules():
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def queries():
    return [rule["expr"] for rule in rules()] + [
        target["expr"] for panel in json.loads(DASHBOARD.read_text())["panels"] for target in panel["targets"]
    ]


def family(name, metrics):
    """Give the metric that a sample belongs to."""
    if name in metrics:
        return metrics[name]
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return metrics[base] if metrics.get(base) and metrics[base].kind == "histogram" else None


@pytest.mark.parametrize("query", queries())
def test_a_query_names_metrics_and_labels_that_there_are(query, metrics):
    known = set(OWN_LABELS)
    for name, selector in re.findall(r"\b(triptych_\w+)(?:\{([^}]*)\})?", query):
        metric = family(name, metrics)
        assert metric is not None, f"there is no metric {name}"
        known |= set(metric.labels)
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert used <= set(metric.labels) | OWN_LABELS, f"{name} has no label {used - set(metric.labels)}"
    for group in re.findall(r"\bby \(([^)]*)\)", query):
        assert {label.strip() for label in group.split(",")} <= known


def test_a_counter_or_histogram_is_only_asked_for_its_growth(metrics):
    for query in queries():
        for name in re.findall(r"\btriptych_\w+", query):
            if family(name, metrics).kind != "gauge":
                assert re.search(rf"(rate|increase)\({name}", query), query


def test_every_alert_says_how_bad_it_is_and_what_is_wrong():
    for rule in rules():
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in rules()}) == len(rules())


def test_the_page_names_only_metrics_that_there_are(metrics):
    page = (ROOT / "docs/operations.md").read_text("utf-8")
    for name in re.findall(r"`(triptych_\w+)", page):
        assert family(name, metrics) is not None, f"docs/operations.md names {name}"


def test_names_follow_the_conventions(metrics):
    for metric in metrics.values():
        assert re.fullmatch(r"triptych_[a-z_]+", metric.name)
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.name.endswith("_seconds") or metric.kind != "histogram", metric.name
