"""What the Kubernetes API checks of the objects that the launcher sends: fields and their types, then what they may hold.

Only those fields are known here that the launcher uses; any other is an error, as with `fieldValidation=Strict`.
"""

from __future__ import annotations

import re
from typing import Any

MAP = "a map of strings"
_META = {
    "name": str,
    "labels": MAP,
    "annotations": MAP,
    "ownerReferences": [{"apiVersion": str, "kind": str, "name": str, "uid": str}],
}
_RESOURCES = {"cpu": str, "memory": str, "ephemeral-storage": str}
_POD = {
    "restartPolicy": str,
    "terminationGracePeriodSeconds": int,
    "automountServiceAccountToken": bool,
    "enableServiceLinks": bool,
    "serviceAccountName": str,
    "nodeSelector": MAP,
    "tolerations": [{"key": str, "operator": str, "value": str, "effect": str, "tolerationSeconds": int}],
    "imagePullSecrets": [{"name": str}],
    "securityContext": {
        "runAsNonRoot": bool,
        "runAsUser": int,
        "runAsGroup": int,
        "fsGroup": int,
        "seccompProfile": {"type": str},
    },
    "containers": [
        {
            "name": str,
            "image": str,
            "imagePullPolicy": str,
            "env": [{"name": str, "value": str}],
            "envFrom": [{"secretRef": {"name": str}}],
            "resources": {"requests": _RESOURCES, "limits": _RESOURCES},
            "securityContext": {
                "allowPrivilegeEscalation": bool,
                "readOnlyRootFilesystem": bool,
                "capabilities": {"drop": [str]},
            },
            "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
        }
    ],
    "volumes": [{"name": str, "secret": {"secretName": str}, "emptyDir": {"sizeLimit": str}}],
}
FIELDS = {
    "jobs": {
        "apiVersion": str,
        "kind": str,
        "metadata": _META,
        "spec": {
            "backoffLimit": int,
            "completions": int,
            "parallelism": int,
            "activeDeadlineSeconds": int,
            "ttlSecondsAfterFinished": int,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": str,
                        "onPodConditions": [{"type": str, "status": str}],
                        "onExitCodes": {"containerName": str, "operator": str, "values": [int]},
                    }
                ]
            },
            "template": {"metadata": _META, "spec": _POD},
        },
    },
    "secrets": {
        "apiVersion": str,
        "kind": str,
        "metadata": _META,
        "type": str,
        "immutable": bool,
        "stringData": MAP,
    },
}
KINDS = {"jobs": ("batch/v1", "Job"), "secrets": ("v1", "Secret")}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
_QUANTITY = re.compile(r"([0-9]+)(m|Mi|Gi)?")


def unknown_fields(value: Any, fields: Any, path: str = "") -> list[str]:
    """Find fields that the API does not know, or that have another type."""
    if fields is MAP:
        good = isinstance(value, dict) and all(
            isinstance(part, str) for pair in value.items() for part in pair
        )
        return [] if good else [f'cannot unmarshal "{path}"']
    if isinstance(fields, list):
        if not isinstance(value, list):
            return [f'cannot unmarshal "{path}"']
        return [
            problem
            for number, item in enumerate(value)
            for problem in unknown_fields(item, fields[0], f"{path}[{number}]")
        ]
    if isinstance(fields, dict):
        if not isinstance(value, dict):
            return [f'cannot unmarshal "{path}"']
        problems = []
        for name, item in value.items():
            where = f"{path}.{name}" if path else name
            if name in fields:
                problems += unknown_fields(item, fields[name], where)
            else:
                problems.append(f'unknown field "{where}"')
        return problems
    good = isinstance(value, fields) and not (fields is int and isinstance(value, bool))
    return [] if good else [f'cannot unmarshal "{path}"']


def invalid(kind: str, thing: dict[str, Any]) -> list[str]:
    """Find what the API would refuse of an object whose fields are known."""
    api_version, name = KINDS[kind]
    problems = (
        [] if (thing.get("apiVersion"), thing.get("kind")) == (api_version, name) else ["kind: Invalid value"]
    )
    problems += _metadata(thing.get("metadata", {}), "metadata")
    if not _NAME.fullmatch(thing.get("metadata", {}).get("name", "")):
        problems.append("metadata.name: Invalid value")
    if kind == "secrets":
        size = sum(len(text.encode()) for text in thing.get("stringData", {}).values())
        return [*problems, "data: Too long: may not be more than 1048576 bytes"] if size > 2**20 else problems
    spec = thing.get("spec", {})
    problems += [
        f"spec.{field}: must be greater than or equal to 0"
        for field in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished")
        if spec.get(field, 0) < 0
    ]
    template = spec.get("template", {})
    problems += _metadata(template.get("metadata", {}), "spec.template.metadata")
    return problems + _pod(template.get("spec", {}), spec)


def _metadata(meta: dict[str, Any], path: str) -> list[str]:
    labels, annotations = meta.get("labels", {}), meta.get("annotations", {})
    problems = [f"{path}: Invalid key {key!r}" for key in [*labels, *annotations] if not _KEY.fullmatch(key)]
    problems += [f"{path}.labels: Invalid value {v!r}" for v in labels.values() if not _LABEL.fullmatch(v)]
    for owner in meta.get("ownerReferences", []):
        missing = {"apiVersion", "kind", "name", "uid"} - {name for name, value in owner.items() if value}
        problems += [f"{path}.ownerReferences.{field}: Required value" for field in sorted(missing)]
    return problems


def _pod(pod: dict[str, Any], job: dict[str, Any]) -> list[str]:
    problems = []
    if pod.get("restartPolicy") not in ("Never", "OnFailure"):
        problems.append("spec.template.spec.restartPolicy: Required value: valid values: OnFailure, Never")
    if "podFailurePolicy" in job and pod.get("restartPolicy") != "Never":
        problems.append(
            "spec.podFailurePolicy: Invalid value: only supported when restartPolicy is set to Never"
        )
    problems += [
        "spec.podFailurePolicy.rules: specifying one of onExitCodes and onPodConditions is required"
        for rule in job.get("podFailurePolicy", {}).get("rules", [])
        if ("onExitCodes" in rule) == ("onPodConditions" in rule)
    ]
    if not pod.get("containers"):
        problems.append("spec.template.spec.containers: Required value")
    volumes = {volume.get("name") for volume in pod.get("volumes", [])}
    for container in pod.get("containers", []):
        if not container.get("image") or not _NAME.fullmatch(container.get("name", "")):
            problems.append("spec.template.spec.containers: Required value: name and image")
        if container.get("imagePullPolicy") not in ("Always", "IfNotPresent", "Never"):
            problems.append("imagePullPolicy: Unsupported value")
        problems += [
            f"env: Invalid value {item['name']!r}"
            for item in container.get("env", [])
            if not _VARIABLE.fullmatch(item["name"])
        ]
        problems += [
            f"volumeMounts: Not found: {mount['name']!r}"
            for mount in container.get("volumeMounts", [])
            if mount["name"] not in volumes
        ]
        problems += [
            f"resources.{group}.{name}: Invalid value {text!r}"
            for group, sizes in container.get("resources", {}).items()
            for name, text in sizes.items()
            if not _QUANTITY.fullmatch(text)
        ]
    return problems


def canonical(quantity: str) -> str:
    """Write a quantity as the API does: 4096Mi comes back as 4Gi, 2000m as 2."""
    number, unit = _QUANTITY.fullmatch(quantity).groups()  # type: ignore[union-attr] # it was checked
    if unit == "Mi" and int(number) % 1024 == 0:
        return f"{int(number) // 1024}Gi"
    if unit == "m" and int(number) % 1000 == 0:
        return f"{int(number) // 1000}"
    return quantity
