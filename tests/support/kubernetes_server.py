"""A Kubernetes API in this process: as much of it as the launcher talks to, over real HTTP.

It checks what it is sent (kubernetes_schema.py), wants a bearer token, refuses a second object of a name and pages its lists;
kubernetes_cluster.py removes what belongs to a removed owner, and plays controllers and kubelets.

What it does not show: that a real cluster takes these objects and says these words (they are written down from its
documentation and source), admission (quotas, policies, LimitRanges) beyond what a test plays, RBAC, scheduling, containers,
images, and the order in which real controllers and kubelets do things.
"""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from support.kubernetes_cluster import NAMESPACE, Cluster
from support.kubernetes_schema import FIELDS, canonical, invalid, unknown_fields

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = "token-of-the-launcher"
_PREFIXES = {"/apis/batch/v1": {"jobs"}, "/api/v1": {"pods", "secrets", "events"}}
_MUTABLE = {"activeDeadlineSeconds", "parallelism", "backoffLimit", "ttlSecondsAfterFinished"}


class Failure(Exception):
    """An error answer."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class KubernetesServer:
    """Answers for a cluster at `url`, and notes the calls."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.calls: list[str] = []
        self.url, self.token = "", TOKEN
        self._failures: list[tuple[str, str, Failure | None]] = []

    def kubeconfig(self, folder: Path, token: str = TOKEN) -> Path:
        """Write a file with this server's address and a token."""
        path = folder / "kubeconfig.json"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        path.write_text(json.dumps(config))
        return path

    def fail(self, call: str, code: int, reason: str, message: str) -> None:
        """Answer the next call, e.g. "POST jobs", with an error."""
        method, kind = call.split()
        self._failures.append((method, kind, Failure(code, reason, message)))

    def lose_answer(self, call: str) -> None:
        """Do the next such call, and hang up instead of answering."""
        method, kind = call.split()
        self._failures.append((method, kind, None))

    def answer(self, method: str, target: str, body: bytes, content_type: str) -> tuple[int, Any] | None:
        """Answer a request; None to hang up."""
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        with self.cluster.lock:
            self.cluster.tick()
            try:
                kind, name, sub = self._route(parts.path)
                self.calls.append(f"{method} {kind}")
                failure = self._failure(method, kind)
                if isinstance(failure, Failure):
                    raise failure
                result = self._do(method, kind, name, sub, query, json.loads(body or b"null"), content_type)
                self.cluster.control()
                return None if failure else deepcopy(result)
            except Failure as error:
                return error.code, {
                    "kind": "Status",
                    "apiVersion": "v1",
                    "metadata": {},
                    "status": "Failure",
                    "message": str(error),
                    "reason": error.reason,
                    "code": error.code,
                }

    def _failure(self, method: str, kind: str) -> Failure | bool:
        for number, (its_method, its_kind, failure) in enumerate(self._failures):
            if (its_method, its_kind) == (method, kind):
                del self._failures[number]
                return failure or True
        return False

    def _route(self, path: str) -> tuple[str, str, str]:
        for prefix, kinds in _PREFIXES.items():
            kind, _, rest = path.removeprefix(f"{prefix}/namespaces/{NAMESPACE}/").partition("/")
            if path.startswith(f"{prefix}/namespaces/") and kind in kinds:
                name, _, sub = rest.partition("/")
                return kind, name, sub
        namespace = path.partition("/namespaces/")[2].partition("/")[0]
        raise Failure(404, "NotFound", f'namespaces "{namespace}" not found')

    def _do(
        self, method: str, kind: str, name: str, sub: str, query: dict[str, str], body: Any, content_type: str
    ) -> tuple[int, Any]:
        if method == "POST":
            return 201, self._create(kind, body, query)
        if not name:
            return 200, self._list(kind, query)
        found = self.cluster.objects[kind].get(name)
        if found is None:
            raise Failure(404, "NotFound", f'{kind} "{name}" not found')
        if sub == "log":
            return 200, self._log(found, query)
        if method == "PATCH":
            if content_type != "application/merge-patch+json":
                raise Failure(
                    415,
                    "UnsupportedMediaType",
                    f"the body of the request was in an unknown format: {content_type}",
                )
            if kind == "jobs" and set(body.get("spec", {})) - _MUTABLE:
                raise Failure(422, "Invalid", f'Job.batch "{name}" is invalid: spec: field is immutable')
            _merge(found, body)
        return 200, found

    def _create(self, kind: str, thing: Any, query: dict[str, str]) -> Any:
        problems = unknown_fields(thing, FIELDS[kind]) if query.get("fieldValidation") == "Strict" else []
        if problems:
            raise Failure(400, "BadRequest", f"strict decoding error: {', '.join(problems)}")
        name = thing["metadata"]["name"]
        if problems := invalid(kind, thing):
            raise Failure(422, "Invalid", f'{kind} "{name}" is invalid: {"; ".join(problems)}')
        if name in self.cluster.objects[kind]:
            raise Failure(409, "AlreadyExists", f'{kind} "{name}" already exists')
        thing["metadata"] |= {
            "uid": str(uuid4()),
            "creationTimestamp": self.cluster.time(),
            "namespace": NAMESPACE,
        }
        if kind == "secrets":
            data = {
                key: base64.b64encode(text.encode()).decode() for key, text in thing.pop("stringData").items()
            }
            thing["data"] = data
        if kind == "jobs":
            thing["status"] = {}
            for container in thing["spec"]["template"]["spec"]["containers"]:
                for sizes in container["resources"].values():
                    sizes.update({key: canonical(text) for key, text in sizes.items()})
        self.cluster.objects[kind][name] = thing
        return thing

    def _list(self, kind: str, query: dict[str, str]) -> Any:
        wanted = [term.split("=") for term in query.get("labelSelector", "").split(",") if term]
        fields = [term.split("=") for term in query.get("fieldSelector", "").split(",") if term]
        if not {field for field, _ in fields} <= {"involvedObject.kind", "type"}:
            raise Failure(400, "BadRequest", "field label not supported")
        items = [
            thing
            for _, thing in sorted(self.cluster.objects[kind].items())
            if all(thing["metadata"].get("labels", {}).get(key) == value for key, value in wanted)
            and all(_field(thing, key) == value for key, value in fields)
        ]
        start, limit = int(query.get("continue", "0")), int(query.get("limit", "0")) or len(items)
        more = {"continue": str(start + limit)} if start + limit < len(items) else {}
        return {"kind": "List", "apiVersion": "v1", "metadata": more, "items": items[start : start + limit]}

    def _log(self, pod: Any, query: dict[str, str]) -> str:
        name = pod["metadata"]["name"]
        [status] = pod["status"].get("containerStatuses") or [None]
        if status and "waiting" in status["state"]:
            waiting = status["state"]["waiting"]["reason"]
            raise Failure(
                400, "BadRequest", f'container "trainer" in pod "{name}" is waiting to start: {waiting}'
            )
        lines = self.cluster.log(name, int(query["tailLines"]))
        return "".join(f"{line}\n" for line in lines)


@contextmanager
def kubernetes_server(tls: ssl.SSLContext | None = None) -> Iterator[KubernetesServer]:
    """Serve an empty cluster."""
    kubernetes = KubernetesServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # one packet for head and body

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = (self.headers.get("Authorization") or "").split(" ")
            if given[0].lower() != "bearer" or given[1:] != [kubernetes.token]:
                answer: tuple[int, Any] | None = (
                    401,
                    {"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized"},
                )
            else:
                answer = kubernetes.answer(
                    self.command, self.path, body, self.headers.get("Content-Type") or ""
                )
            if answer is None:
                self.close_connection = True
                return
            status, result = answer
            data = result.encode() if isinstance(result, str) else json.dumps(result).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(result, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = _serve  # noqa: N815 - names of the standard library

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    kubernetes.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield kubernetes
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _merge(thing: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, dict):
            _merge(thing.setdefault(name, {}), value)
        elif value is None:
            thing.pop(name, None)
        else:
            thing[name] = value


def _field(thing: dict[str, Any], path: str) -> Any:
    for part in path.split("."):
        thing = thing[part]
    return thing
