"""The few calls of the Kubernetes API that the launcher makes, with objects as plain dictionaries.

The official client brings configuration, credentials and their renewal, TLS and connections. Its classes for every kind
of object are left alone: importing them takes 2 s and 100 MB, and they drop fields that they do not know.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import urllib3
from kubernetes.client.api_client import ApiClient
from kubernetes.client.configuration import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config

from runtime.errors import Transient
from runtime.settings import InvalidSettings
from services.launcher.backend import InDoubt
from services.launcher.backends.kubernetes_words import api_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PATHS = {
    "jobs": "/apis/batch/v1/namespaces/{namespace}/jobs",
    "pods": "/api/v1/namespaces/{namespace}/pods",
    "secrets": "/api/v1/namespaces/{namespace}/secrets",
    "events": "/api/v1/namespaces/{namespace}/events",
}
_TIMEOUT = (5.0, 30.0)  # to connect, and between two bytes, seconds
_PAGE = 500  # objects in one answer; a Job with its pod is some 15 KB
_OK = range(200, 300)
_SERVER_ERROR = 500
_CONFLICT, _NOT_FOUND, _BAD_REQUEST = 409, 404, 400


class AlreadyExists(Exception):
    """There is an object of that name."""


class KubernetesApi:
    """Objects of one namespace.

    Every method raises `runtime.errors.Transient` where the API does not answer or asks for patience, and
    `services.launcher.backend.Refused` where it will not do what is asked.
    """

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._path_params = {"namespace": namespace}

    def create(self, kind: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Make an object and give it as it is kept.

        Raises:
            AlreadyExists: There is one of that name.
            services.launcher.backend.InDoubt: No answer tells whether it was made.
        """
        # Strict: a field that the API does not know is an error, not dropped
        try:
            status, answer = self._call("POST", kind, query={"fieldValidation": "Strict"}, body=manifest)
        except Transient as error:
            raise InDoubt(str(error)) from error
        if status == _CONFLICT and json.loads(answer).get("reason") == "AlreadyExists":
            raise AlreadyExists(manifest["metadata"]["name"])
        try:
            return self._object(status, answer)
        except Transient as error:
            if status in _OK or status >= _SERVER_ERROR:
                raise InDoubt(str(error)) from error
            raise

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """Give an object; None where there is none."""
        status, answer = self._call("GET", kind, name)
        return None if status == _NOT_FOUND else self._object(status, answer)

    def patch(self, kind: str, name: str, change: Mapping[str, Any]) -> bool:
        """Change parts of an object; False where there is none."""
        status, answer = self._call("PATCH", kind, name, body=change, sends="application/merge-patch+json")
        if status == _NOT_FOUND:
            return False
        self._object(status, answer)
        return True

    def list(self, kind: str, **selectors: str) -> Iterator[dict[str, Any]]:
        """Give all objects that selectors (labelSelector, fieldSelector) select."""
        following = ""
        while True:
            query = {**selectors, "limit": str(_PAGE), **({"continue": following} if following else {})}
            page = self._object(*self._call("GET", kind, query=query))
            yield from page["items"]
            following = page["metadata"].get("continue", "")
            if not following:
                return

    def log(self, pod: str, container: str, lines: int, most_bytes: int) -> bytes | None:
        """Give the end of a container's output; None where there is no pod, or it has not started.

        Args:
            pod: Its name.
            container: Its name.
            lines: How many are asked for.
            most_bytes: How many of their last bytes are kept.
        """
        query = {"container": container, "tailLines": str(lines)}
        status, answer = self._call("GET", "pods", f"{pod}/log", query=query, keep=most_bytes)
        # 400: the container is waiting to start
        if status in (_NOT_FOUND, _BAD_REQUEST):
            return None
        if status not in _OK:
            raise api_error(status, answer.decode("utf-8", "replace"))
        return answer

    def _object(self, status: int, answer: bytes) -> dict[str, Any]:
        if status not in _OK:
            raise api_error(status, answer.decode("utf-8", "replace"))
        try:
            found: dict[str, Any] = json.loads(answer)
        except ValueError as error:  # a proxy's page, or a cut answer
            raise Transient(f"the Kubernetes API gives no JSON: {error}") from None
        return found

    def _call(
        self,
        method: str,
        kind: str,
        name: str = "",
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        sends: str = "application/json",
        keep: int | None = None,
    ) -> tuple[int, bytes]:
        request = self._client.param_serialize(
            method,
            _PATHS[kind] + (f"/{name}" if name else ""),
            path_params=self._path_params,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", **({"Content-Type": sends} if body else {})},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*request, _request_timeout=_TIMEOUT)
            if keep is None or answer.status not in _OK:
                return answer.status, answer.read()
            data = b""
            for chunk in answer.response.stream(2**16):
                data = (data + chunk)[-keep:]
        except ApiException as error:  # the client's own: TLS failed
            raise Transient(f"the Kubernetes API does not answer: {error.reason}") from error
        except urllib3.exceptions.HTTPError as error:
            raise Transient(f"the Kubernetes API does not answer: {error}") from error
        return answer.status, data


def connect(kubeconfig: Path | None) -> ApiClient:
    """Make a client from a kubeconfig file, or else as a pod's service account.

    Raises:
        runtime.settings.InvalidSettings: There is neither.
    """
    configuration = Configuration()
    try:
        if kubeconfig is None:
            load_incluster_config(configuration)
        else:
            load_kube_config(str(kubeconfig), client_configuration=configuration)
    except (ConfigException, OSError) as error:
        place = f"is '{kubeconfig}'" if kubeconfig else "is not set, and this process is in no pod"
        raise InvalidSettings(f"Settings are wrong:\n  KUBERNETES_KUBECONFIG {place}: {error}") from None
    client = ApiClient(configuration)
    client.user_agent = "triptych-launcher"  # what the cluster's audit log calls it
    return client
