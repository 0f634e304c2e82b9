"""The Kubernetes objects of k8s/: as they are written, and as kustomize makes them of an overlay."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OVERLAYS = sorted(folder.name for folder in (K8S / "overlays").iterdir())
WORKLOADS = {"Deployment", "StatefulSet", "Job"}
COMPONENT = "app.kubernetes.io/component"

Object = dict[str, Any]


@cache
def written() -> tuple[Object, ...]:
    """Give every object of the files, but for patches (which have no name of a file of their own) and kustomizations."""
    found = []
    for path in sorted(K8S.rglob("*.yaml")):
        if path.name in {"kustomization.yaml", "scrape.yaml"} or path == K8S / "overlays/aws/ingress.yaml":
            continue
        found += [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document]
    return tuple(found)


@cache
def rendered(overlay: str) -> tuple[Object, ...]:
    """Give the objects of an overlay as `kubectl apply -k` would send them; skips where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    command = ["kubectl", "kustomize", str(K8S / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # kustomize tells what is deprecated there
    return tuple(yaml.safe_load_all(done.stdout))


def of_kind(objects: Iterable[Object], *kinds: str) -> list[Object]:
    """Pick objects of some kinds."""
    return [item for item in objects if item["kind"] in kinds]


def pod(workload: Object) -> Object:
    """Give the specification of a workload's pods."""
    found: Object = workload["spec"]["template"]["spec"]
    return found


def labels(workload: Object) -> dict[str, str]:
    """Give the labels of a workload's pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def name(item: Object) -> str:
    """Name an object in messages and test ids."""
    return f"{item['kind']}-{item['metadata']['name']}"


def selects(selector: Mapping[str, Any], found: Mapping[str, str]) -> bool:
    """Say whether a selector takes labels; an empty one takes all."""
    if any(found.get(key) != value for key, value in selector.get("matchLabels", {}).items()):
        return False
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", "this test knows no other"
        if found.get(rule["key"]) not in rule["values"]:
            return False
    return True


def environment(objects: Iterable[Object], workload: Object) -> dict[str, str]:
    """Give what a workload's container finds in its environment; secret values are their keys in capitals."""
    objects = list(objects)
    maps = {item["metadata"]["name"]: item["data"] for item in of_kind(objects, "ConfigMap")}
    secrets = {item["metadata"]["name"]: item["data"] for item in of_kind(objects, "Secret")}
    [container] = pod(workload)["containers"]
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            found |= maps[source["configMapRef"]["name"]]
        else:
            found |= dict.fromkeys(secrets[source["secretRef"]["name"]], "secret")
    for variable in container.get("env", []):
        found[variable["name"]] = variable.get("value", "secret")
    return found


def policies(objects: Iterable[Object]) -> Iterator[tuple[Object, str, Object]]:
    """Give each NetworkPolicy, the namespace and the pod selector of whom it is about or whom it names."""
    for policy in of_kind(objects, "NetworkPolicy"):
        own = policy["metadata"].get("namespace", "triptych")
        yield policy, own, policy["spec"]["podSelector"]
        for rule in policy["spec"].get("ingress", []) + policy["spec"].get("egress", []):
            for peer in rule.get("from", []) + rule.get("to", []):
                if "podSelector" in peer:
                    there = peer.get("namespaceSelector", {}).get("matchLabels", {})
                    yield policy, there.get("kubernetes.io/metadata.name", own), peer["podSelector"]
