"""Client of the public REST API, for the callbacks that run on the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

JSON = dict[str, Any]
CHECK_SECONDS = 60  # the checks of a job's data take some seconds, more on a busy machine


class ApiError(Exception):
    """The API could not do what was asked; the text is for the person at the browser."""


class ApiAway(ApiError):
    """The API does not answer."""


class ApiBrokeOff(ApiAway):
    """The API was there, and broke off before it answered."""


@dataclass
class ApiProblem(ApiError):
    """The API refused, with a problem document (RFC 9457)."""

    status: int
    title: str
    detail: str
    errors: dict[str, str] = field(default_factory=dict)
    findings: list[JSON] = field(default_factory=list)

    @property
    def signed_out(self) -> bool:
        """Whether it is so for want of a key or sign-in that counts."""
        return self.status == httpx.codes.UNAUTHORIZED

    def __str__(self) -> str:
        """Give the sentence to show."""
        return self.detail or self.title


class Api:
    """The calls that pages need. Every method raises ApiProblem for a refusal and ApiAway for silence."""

    def __init__(self, client: httpx.Client) -> None:
        """Use an HTTP client whose base URL is the platform's origin."""
        self._client = client

    def healthy(self) -> bool:
        """Say whether the API answers."""
        try:
            self._call("GET", "/api/health/")
        except ApiError:
            return False
        return True

    def who(self) -> JSON:
        """Tell whom the present request comes from, and what that one may do."""
        return self._call("GET", "/api/session/")

    def sign_in(self, key: str, *, https: bool) -> list[str]:
        """Sign a browser in by a key; gives its Set-Cookie headers.

        Args:
            key: As it was typed.
            https: Whether the browser came by https, so that its cookie never goes another way.
        """
        headers = {"X-Forwarded-Proto": "https" if https else "http"}
        answer = self._answer("POST", "/api/session/", json={"key": key}, headers=headers)
        return answer.headers.get_list("Set-Cookie")

    def provider(self) -> str | None:
        """Give the name of the OpenID provider that people may sign in at; None: there is none."""
        found = self._call("GET", "/api/session/ways/")["oidc"]
        return str(found["name"]) if found else None

    def sign_out(self) -> list[str]:
        """Sign the present browser out; gives its Set-Cookie headers."""
        return self._answer("DELETE", "/api/session/").headers.get_list("Set-Cookie")

    def keys(self) -> list[JSON]:
        """List the workspace's API keys, newest first."""
        return list(self._call("GET", "/api/keys/")["items"])

    def make_key(self, wish: JSON) -> JSON:
        """Make an API key; the answer alone holds the key itself."""
        return self._call("POST", "/api/keys/", json=wish)

    def revoke_key(self, key_id: str) -> None:
        """End an API key for good."""
        self._call("DELETE", f"/api/keys/{_part(key_id)}/")

    def workspaces(self) -> list[JSON]:
        """List the workspaces by name."""
        return list(self._call("GET", "/api/workspaces/")["items"])

    def make_workspace(self, name: str) -> JSON:
        """Make a workspace."""
        return self._call("POST", "/api/workspaces/", json={"name": name})

    def datasets(self, *, page: int = 1, page_size: int = 25, search: str = "") -> JSON:
        """List data sets, newest first."""
        params = {"page": page, "page_size": page_size, "search": search}
        return self._call("GET", "/api/datasets/", params=params)

    def dataset(self, dataset_id: str) -> JSON:
        """Look up one data set."""
        return self._call("GET", f"/api/datasets/{_part(dataset_id)}/")

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a data set."""
        self._call("DELETE", f"/api/datasets/{_part(dataset_id)}/")

    def preview(self, dataset_id: str, rows: int) -> JSON:
        """Give its first rows."""
        return self._call("GET", f"/api/datasets/{_part(dataset_id)}/preview/", params={"rows": rows})

    def schema(self, dataset_id: str) -> JSON:
        """Give its columns with the overrides applied."""
        return self._call("GET", f"/api/datasets/{_part(dataset_id)}/schema/")

    def change_schema(self, dataset_id: str, change: JSON) -> JSON:
        """Override column types and roles, or choose the target."""
        return self._call("PATCH", f"/api/datasets/{_part(dataset_id)}/schema/", json=change)

    def models(self) -> list[JSON]:
        """List what can be trained."""
        return list(self._call("GET", "/api/models/")["items"])

    def jobs(
        self,
        *,
        page: int = 1,
        page_size: int = 25,
        state: str = "",
        dataset_id: str = "",
        search: str = "",
        order: str = "",
    ) -> JSON:
        """List jobs, newest first; a state may be several with commas between, the order `ended` lists those that have."""
        wanted = {"state": state, "dataset_id": dataset_id, "search": search, "order": order}
        params: dict[str, Any] = {"page": page, "page_size": page_size}
        params |= {key: value for key, value in wanted.items() if value}
        return self._call("GET", "/api/training_jobs/", params=params)

    def machine(self, wish: JSON) -> JSON:
        """Tell what a job would run on that asks for these resources, and what an hour of it costs."""
        params = {key: wish[key] for key in ("cpus", "memory_mb") if key in wish}
        return self._call("GET", "/api/machines/", params=params)

    def job(self, job_id: str) -> JSON:
        """Look up one job."""
        return self._call("GET", f"/api/training_jobs/{_part(job_id)}/")

    def create_job(self, settings: JSON) -> JSON:
        """Create a job; a refusal by the checks of its data holds their findings."""
        return self._create("/api/training_jobs/", settings)

    def check_job(self, settings: JSON) -> list[JSON]:
        """Check a job's data, make no job, and give the findings."""
        answer = self._call("POST", "/api/training_jobs/preflight/", json=settings, timeout=CHECK_SECONDS)
        return list(answer["findings"])

    def act_on_job(self, job_id: str, action: str) -> JSON:
        """Start, cancel or retry a job."""
        return self._call("POST", f"/api/training_jobs/{_part(job_id)}/{action}/")

    def artifacts(self, job_id: str) -> list[JSON]:
        """List what a job left."""
        return list(self._call("GET", "/api/artifacts/", params={"job": job_id})["items"])

    def report(self, job_id: str) -> JSON | None:
        """Give a job's report.json, or None where it left none."""
        try:
            return self._call("GET", f"/api/artifacts/{_part(job_id)}/report.json")
        except ApiProblem as problem:
            if problem.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def predict(self, job_id: str, wish: JSON) -> JSON:
        """Ask a job's model for some rows, or for those of a data set."""
        return self._create("/api/predictions/", {"job_id": job_id, **wish})

    def prediction(self, prediction_id: str) -> JSON:
        """Look up one prediction."""
        return self._call("GET", f"/api/predictions/{_part(prediction_id)}/")

    def predictions(self, job_id: str, *, page_size: int) -> list[JSON]:
        """List a job's predictions, newest first."""
        params: dict[str, Any] = {"job": job_id, "page_size": page_size}
        return list(self._call("GET", "/api/predictions/", params=params)["items"])

    def predicted_rows(self, prediction_id: str, limit: int) -> JSON:
        """Give the first rows of a result."""
        return self._call("GET", f"/api/predictions/{_part(prediction_id)}/rows/", params={"limit": limit})

    def _create(self, path: str, body: JSON) -> JSON:
        """POST; where the connection breaks off, once more, which makes nothing twice."""
        headers = {"Idempotency-Key": uuid4().hex}
        try:
            return self._call("POST", path, json=body, headers=headers, timeout=CHECK_SECONDS)
        except ApiBrokeOff:
            return self._call("POST", path, json=body, headers=headers, timeout=CHECK_SECONDS)

    def _call(self, method: str, path: str, **arguments: Any) -> JSON:
        response = self._answer(method, path, **arguments)
        if not response.content:
            return {}
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise ApiAway("What answers at the API's address is not the API.")
        return body

    def _answer(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            response = self._client.request(method, path, **arguments)
        except httpx.TimeoutException:
            raise ApiAway("The API took too long to answer.") from None
        except (httpx.RemoteProtocolError, httpx.ReadError) as error:
            raise ApiBrokeOff(f"The API cannot be reached ({type(error).__name__}).") from None
        except httpx.HTTPError as error:
            raise ApiAway(f"The API cannot be reached ({type(error).__name__}).") from None
        if response.is_error:
            raise _refusal(response)
        return response


def _part(identifier: str) -> str:
    return quote(identifier, safe="")


def _refusal(response: httpx.Response) -> ApiError:
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or "title" not in body:
        # a gateway's own page: the service behind it is down
        return ApiAway(f"The API is not available (HTTP {response.status_code}).")
    return ApiProblem(
        response.status_code,
        str(body["title"]),
        str(body.get("detail") or ""),
        _flatten(body.get("errors") or {}),
        body.get("findings") or [],
    )


def _flatten(errors: Any, path: str = "") -> dict[str, str]:
    """Turn {"json": {"params": {"lr": ["too high"]}}} into {"params.lr": "too high"}."""
    if isinstance(errors, dict):
        flat: dict[str, str] = {}
        for name, inner in errors.items():
            below = path if not path and name in {"json", "query"} else f"{path}.{name}".strip(".")
            flat.update(_flatten(inner, below))
        return flat
    texts = errors if isinstance(errors, list) else [errors]
    return {path: " ".join(str(text) for text in texts)}
