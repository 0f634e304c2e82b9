"""What every object of k8s/ keeps to, read from the files as they are written: no kubectl is needed."""

from __future__ import annotations

import ast
import importlib.util
import re

import pytest
import yaml

from services.launcher.backend import RunSpec
from services.launcher.backends import kubernetes_manifests
from support.manifests import (
    COMPONENT,
    K8S,
    OVERLAYS,
    ROOT,
    WORKLOADS,
    labels,
    name,
    of_kind,
    pod,
    policies,
    selects,
    written,
)

WRITTEN = written()
PODS = of_kind(WRITTEN, *WORKLOADS)
SERVING = of_kind(WRITTEN, "Deployment", "StatefulSet")
OURS = [item for item in PODS if labels(item)["app.kubernetes.io/name"] == "triptych"]
LAUNCHED = kubernetes_manifests.job(
    RunSpec("j", 1, {}, 1, 1024, max_seconds=60), kubernetes_manifests.Shape("trainer:1")
)
# The processes that make up a platform, by `triptych up` (cli/plan.py), but for Redis
PROCESSES = {
    *("relay", "api", "api-worker", "schema", "staging", "launcher", "metrics", "metrics-worker"),
    *("predictor", "ui", "gateway"),
}


def each(objects):
    return pytest.mark.parametrize("item", objects, ids=name)


def test_every_kind_of_process_has_a_deployment():
    plan = (ROOT / "cli/plan.py").read_text()
    started = set(re.findall(r'(?:worker|web)\(\s*"([a-z-]+)"', plan)) | {"gateway"}
    assert started == PROCESSES
    assert {item["metadata"]["name"] for item in of_kind(WRITTEN, "Deployment")} == PROCESSES


@each(PODS)
def test_a_pod_has_no_privileges(item):
    spec = pod(item)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert not any("hostPath" in volume for volume in spec.get("volumes", []))
    # Variables of services' addresses would get between the settings'
    assert spec["enableServiceLinks"] is False
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@each(PODS)
def test_only_who_calls_the_cluster_has_a_token(item):
    # The launcher's is given by components/kubernetes-trainers
    assert pod(item)["automountServiceAccountToken"] is (item["metadata"]["name"] == "prometheus")


@each(PODS)
def test_a_container_has_limits_and_what_it_writes_has_room(item):
    spec = pod(item)
    for container in spec["containers"]:
        for kind in ("requests", "limits"):
            assert container["resources"][kind].keys() == {"cpu", "memory"}
    assert all(
        "sizeLimit" in volume["emptyDir"] for volume in spec.get("volumes", []) if "emptyDir" in volume
    )


@each(OURS)
def test_an_image_has_no_tag_but_the_overlays(item):
    [container] = pod(item)["containers"]
    assert re.fullmatch(r"triptych/[a-z]+", container["image"])


def test_what_is_not_ours_has_a_version():
    for item in PODS:
        if item not in OURS:
            [container] = pod(item)["containers"]
            assert re.search(r":v?[0-9]", container["image"]), container["image"]


@each(OURS)
def test_what_a_container_runs_is_a_module(item):
    [container] = pod(item)["containers"]
    if "command" not in container:  # else not by the image's entry point, `python -P -m`
        assert importlib.util.find_spec(container["args"][0]) is not None


@each([item for item in SERVING if item in OURS])
def test_probes_ask_for_what_there_is(item):
    """And HTTP services are not taken out, all at once, by a store that all of them stand on."""
    [container] = pod(item)["containers"]
    [port] = container["ports"]
    module = container["args"][0]
    served = "cli/gateway.py" if module == "cli.gateway" else "ui/app.py"
    text = (
        (ROOT / served).read_text()
        + (ROOT / "runtime/health.py").read_text()
        + (ROOT / "runtime/web.py").read_text()
    )
    asked = {}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked[probe] = container[probe]["httpGet"]["path"]
        assert f'"{asked[probe]}"' in text
        assert container[probe]["httpGet"]["port"] == port["name"]
    assert asked["livenessProbe"] == "/healthz"
    if port["name"] == "health":
        assert (asked["startupProbe"], asked["readinessProbe"]) == ("/healthz", "/readyz")
    else:
        # The gateway's asks the UI's, which asks the api by the gateway: it would wait for itself
        started = "/healthz" if module == "cli.gateway" else "/readyz"
        assert (asked["startupProbe"], asked["readinessProbe"]) == (started, "/healthz")


@each(SERVING)
def test_pods_are_those_that_are_selected(item):
    assert selects(item["spec"]["selector"], labels(item))
    assert len([other for other in SERVING if selects(item["spec"]["selector"], labels(other))]) == 1


@each(of_kind(WRITTEN, "Service"))
def test_a_service_leads_to_one_workloads_port(item):
    found = [other for other in SERVING if selects({"matchLabels": item["spec"]["selector"]}, labels(other))]
    assert len(found) == 1
    [container] = pod(found[0])["containers"]
    assert item["spec"]["ports"][0]["targetPort"] in {port["name"] for port in container["ports"]}


def test_every_deployment_has_a_budget_that_lets_a_node_be_drained():
    budgets = of_kind(WRITTEN, "PodDisruptionBudget")
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == 1
        assert len([item for item in SERVING if selects(budget["spec"]["selector"], labels(item))]) == 1
    assert {item["metadata"]["name"] for item in budgets} == PROCESSES


def test_network_policies_name_pods_that_there_are():
    launched = LAUNCHED["spec"]["template"]["metadata"]["labels"]
    there = {
        "triptych": [labels(item) for item in PODS],
        "triptych-training": [launched],
        "kube-system": [{"k8s-app": "kube-dns"}],
    }
    for policy, namespace, selector in policies(WRITTEN):
        assert any(selects(selector, found) for found in there[namespace]), name(policy)
        for rule in selector.get("matchExpressions", []):
            known = {item[rule["key"]] for item in there[namespace]}
            assert set(rule["values"]) <= known, name(policy)


@pytest.mark.parametrize("namespace", ["triptych", "triptych-training"])
def test_nothing_flows_by_default(namespace):
    [deny] = [
        policy
        for policy in of_kind(WRITTEN, "NetworkPolicy")
        if policy["metadata"]["name"] == "default-deny"
        and policy["metadata"].get("namespace", "triptych") == namespace
    ]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_namespaces_keep_to_the_restricted_standard():
    for namespace in of_kind(WRITTEN, "Namespace"):
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_secret_is_written_but_for_development():
    assert not of_kind(WRITTEN, "Secret")
    with_secrets = [
        path
        for path in K8S.rglob("kustomization.yaml")
        if "secretGenerator" in yaml.safe_load(path.read_text())
    ]
    assert with_secrets == [K8S / "overlays/dev/kustomization.yaml"]


def test_the_launchers_rights_are_its_calls():
    """Each call of KubernetesApi in the back end, as verbs of RBAC."""
    verbs = {"create": "create", "get": "get", "list": "list", "patch": "patch"}
    called = set()
    tree = ast.parse((ROOT / "services/launcher/backends/kubernetes.py").read_text())
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("self._api."):
            method = ast.unparse(call.func).rpartition(".")[2]
            if method == "log":
                called.add(("", "pods/log", "get"))
            else:
                kind = ast.literal_eval(call.args[0])
                called.add(("batch" if kind == "jobs" else "", kind, verbs[method]))
    [role] = [item for item in of_kind(WRITTEN, "Role") if item["metadata"]["name"] == "launcher"]
    granted = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == called
    page = (ROOT / "docs/kubernetes-launcher.md").read_text()
    assert yaml.safe_load(page.split("```yaml\n")[1].split("```")[0])["rules"] == role["rules"]


def test_rights_are_given_to_accounts_that_there_are():
    accounts = {
        (item["metadata"].get("namespace", "triptych"), item["metadata"]["name"])
        for item in of_kind(WRITTEN, "ServiceAccount")
    }
    assert not of_kind(WRITTEN, "ClusterRole", "ClusterRoleBinding")
    for binding in of_kind(WRITTEN, "RoleBinding"):
        assert {(item["namespace"], item["name"]) for item in binding["subjects"]} <= accounts
    for item in OURS:
        if account := pod(item).get("serviceAccountName"):
            assert ("triptych", account) in accounts


def test_there_are_the_overlays_that_the_guides_name():
    assert OVERLAYS == ["aws", "dev"]
    page = (ROOT / "docs/deploy-kubernetes.md").read_text() + (ROOT / "docs/deploy-aws.md").read_text()
    assert set(re.findall(r"k8s/overlays/([a-z]+)", page)) == set(OVERLAYS)


def test_components_name_their_labels():
    for item in OURS:
        assert labels(item)[COMPONENT] == item["metadata"]["name"]
