"""Routes of training jobs, their logs and artifacts, and of the models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from contracts.events import JobLaunchRequested
from contracts.topology import API, LAUNCHER
from runtime import deliveries, log
from runtime.arguments import Blueprint
from runtime.errors import NotFound
from services.api import datasets, job_states, jobs, machines, preflight, specs
from services.api.context import listed
from services.api.deadletters import words_of
from services.api.downloads import FILE, LOCATION, send
from services.api.files import look_twice
from services.api.wire import catalogue as wire_catalogue
from services.api.wire import errors as wire_errors
from services.api.wire import jobs as wire_jobs
from services.api.wire import machines as wire_machines
from services.api.wire import preflight as wire_preflight

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from sqlalchemy.orm import Session

    from contracts.preflight import Preflight
    from runtime.outbox import Outbox
    from services.api.context import Context
    from services.api.models import Job

_FULL = "Too many jobs queue, run or wait for their start; see Retry-After"
_LISTED = tuple(wire_jobs.JobSummary().fields.keys() - {"dataset_name"})


def blueprints(context: Context) -> list[Blueprint]:
    """Make the routes over their collaborators."""
    return [_jobs(context), _artifacts(context), _models(context), _machines(context)]


def _jobs(context: Context) -> Blueprint:
    routes = Blueprint(
        "training_jobs", __name__, url_prefix="/api/training_jobs", description="Training runs"
    )
    db, outbox = context.db, context.outbox

    @routes.post("/preflight/")
    @routes.arguments(wire_jobs.JobWish)
    @routes.response(200, wire_preflight.Preflight)
    @routes.alt_response(422, schema=wire_errors.Problem, description="The job's settings are wrong")
    def check(wish: dict[str, Any]) -> Preflight:
        """Check a job's data and make no job; the body is that of a job."""
        return _check(context, wish)[2]

    @routes.post("/")
    @routes.arguments(wire_jobs.JobWish)
    @routes.response(201, wire_jobs.JobDetail)
    @routes.alt_response(
        422, schema=wire_errors.Problem, description="Settings are wrong, or the checks stop the job"
    )
    @routes.alt_response(429, schema=wire_errors.Problem, description=_FULL)
    def create(wish: dict[str, Any]) -> dict[str, Any]:
        """Create a training job, unless the checks of its data find an error that is not ignored."""
        if wish["start"]:  # before the checks, which take seconds
            context.quotas.admit_event(JobLaunchRequested.NAME)
        target, settings, found = _check(context, wish)
        preflight.refuse_errors(found)
        findings = [finding.model_dump(mode="json") for finding in found.findings]
        with db.write() as session:
            dataset = datasets.get(session, wish["dataset_id"])
            if not wish["start"]:
                context.quotas.admit_created_job(session)
            job = jobs.create(
                session,
                dataset,
                name=wish["name"],
                model=wish["model"],
                target=target,
                settings=settings,
                findings=findings,
            )
            with log.bound(job_id=job.id, dataset_id=dataset.id):
                if wish["start"]:
                    context.quotas.admit_job(session, job)
                    jobs.start(session, outbox, job)
            return view(session, job)

    @routes.get("/")
    @routes.arguments(wire_jobs.JobQuery, location="query")
    @routes.response(200, wire_jobs.JobPage)
    def list_jobs(query: dict[str, Any]) -> dict[str, Any]:
        """List jobs."""
        part = context.part(query)
        with db.read() as session:
            wanted = jobs.Wanted(query["state"], query["dataset_id"], query["search"], query["order"])
            page = jobs.page(session, wanted, part)
        items = [
            {**{key: getattr(job, key) for key in _LISTED}, "dataset_name": name} for job, name in page.items
        ]
        return listed(part, page, items)

    @routes.get("/<job_id>/")
    @routes.response(200, wire_jobs.JobDetail)
    def show(job_id: str) -> dict[str, Any]:
        """Show one job."""
        with db.read() as session:
            return view(session, jobs.get(session, job_id))

    @routes.get("/<job_id>/logs/")
    @routes.arguments(wire_jobs.LogQuery, location="query")
    @routes.response(200, wire_jobs.LogTail)
    def logs(query: dict[str, Any], job_id: str) -> dict[str, Any]:
        """Show the end of a job's log; the launcher copies it to the object store while the job runs."""
        with db.read() as session:
            job = jobs.get(session, job_id)
        try:
            raw = context.store.get_bytes(f"jobs/{job.id}/{job.attempt}/log.txt")
        except NotFound:
            raw = b""
        lines = raw.decode("utf-8", "replace").splitlines()
        return {
            "lines": lines[-query["tail"] :],
            "source": job.launcher,
            "truncated": len(lines) > query["tail"],
        }

    _verbs(routes, context)
    return routes


def _check(context: Context, wish: dict[str, Any]) -> tuple[str, dict[str, Any], Preflight]:
    """Settle a job's target and settings, and check its data; nothing is locked meanwhile."""

    def look() -> tuple[str, dict[str, Any], Preflight]:
        with context.db.read() as session:
            dataset = datasets.get(session, wish["dataset_id"])
            resources = context.limits | wish.get("resources", {})
            target, settings = specs.settle(dataset, context.catalogue, {**wish, "resources": resources})
        found = context.checks.run(dataset, target, settings)
        return target, settings, preflight.settle(found, wish["ignore"])

    return look_twice(look)


def _verbs(routes: Blueprint, context: Context) -> None:
    def act(
        verb: Callable[[Session, Outbox, Job], None], job_id: str, *, more: bool = True
    ) -> dict[str, Any]:
        if more:
            context.quotas.admit_event(JobLaunchRequested.NAME)
        with log.bound(job_id=job_id), context.db.write() as session:
            job = jobs.get(session, job_id)
            if more:
                context.quotas.admit_job(session, job)
            verb(session, context.outbox, job)
            return view(session, job)

    @routes.post("/<job_id>/start/")
    @routes.response(202, wire_jobs.JobDetail)
    @routes.alt_response(
        409, schema=wire_errors.Problem, description="Its state, or its data set's, does not allow it"
    )
    @routes.alt_response(429, schema=wire_errors.Problem, description=_FULL)
    def start(job_id: str) -> dict[str, Any]:
        """Start a job; it runs as soon as its data set is ready and there is room."""
        return act(jobs.start, job_id)

    @routes.post("/<job_id>/cancel/")
    @routes.response(202, wire_jobs.JobDetail)
    @routes.alt_response(
        409, schema=wire_errors.Problem, description="Its state, or its data set's, does not allow it"
    )
    def cancel(job_id: str) -> dict[str, Any]:
        """Cancel a job."""
        return act(jobs.cancel, job_id, more=False)

    @routes.post("/<job_id>/retry/")
    @routes.response(202, wire_jobs.JobDetail)
    @routes.alt_response(
        409, schema=wire_errors.Problem, description="Its state, or its data set's, does not allow it"
    )
    @routes.alt_response(429, schema=wire_errors.Problem, description=_FULL)
    def retry(job_id: str) -> dict[str, Any]:
        """Run an ended job again, as its next attempt."""
        return act(jobs.retry, job_id)


def _artifacts(context: Context) -> Blueprint:
    routes = Blueprint(
        "artifacts", __name__, url_prefix="/api/artifacts", description="What jobs leave behind"
    )

    @routes.get("/")
    @routes.arguments(wire_jobs.ArtifactQuery, location="query")
    @routes.response(200, wire_jobs.ArtifactList)
    def list_artifacts(query: dict[str, Any]) -> dict[str, Any]:
        """List a job's artifacts with links to download them."""
        with context.db.read() as session:
            job = jobs.get(session, query["job"])
            items = [
                {**item, "download_url": f"/api/artifacts/{job.id}/{quote(item['name'])}"}
                for item in job.artifacts
            ]
        return {"items": items}

    @routes.get("/<job_id>/<name>")
    @routes.alt_response(200, schema=FILE, content_type="application/octet-stream", success=True)
    @routes.alt_response(302, description="The file is at Location", headers=LOCATION, success=True)
    def download(job_id: str, name: str) -> Response:
        """Download one artifact."""
        with context.db.read() as session:
            job = jobs.get(session, job_id)
            item = next((item for item in job.artifacts if item["name"] == name), None)
        if item is None:
            raise NotFound(f"The job has no artifact {name!r}.")
        return send(context.store, _artifact_key(context, job_id, item["uri"]), name, item["size"])

    return routes


def _artifact_key(context: Context, job_id: str, uri: str) -> str:
    """Give the key of an artifact. Its address is the trainer's word, so it must be one of the job's own objects."""
    try:
        key = context.store.key_of(uri)
    except ValueError:
        key = ""
    if not key.startswith(f"jobs/{job_id}/"):
        raise NotFound(f"{uri} is not among the objects of job {job_id}, so it is not served.")
    return key


def _models(context: Context) -> Blueprint:
    routes = Blueprint("models", __name__, url_prefix="/api/models", description="What can be trained")

    @routes.get("/")
    @routes.alt_response(200, schema=wire_catalogue.ModelList, success=True)
    def list_models() -> dict[str, Any]:
        """List the pluggable models and their parameters."""
        return {"items": context.catalogue.models}

    return routes


def _machines(context: Context) -> Blueprint:
    routes = Blueprint(
        "machines", __name__, url_prefix="/api/machines", description="What jobs run on, and its price"
    )

    @routes.get("/")
    @routes.arguments(wire_machines.MachineQuery, location="query")
    @routes.response(200, wire_machines.Machine)
    @routes.alt_response(422, schema=wire_errors.Problem, description="There is no machine that large")
    def show_machine(query: dict[str, Any]) -> dict[str, Any]:
        """Show what a job of a size would run on, and what an hour of it costs."""
        return machines.machine(context.settings, query["cpus"], query["memory_mb"])

    return routes


def view(session: Session, job: Job) -> dict[str, Any]:
    """Give a job as the API shows it."""
    session.flush()
    # News of its run that were given up leave it where it was
    stuck = [] if job.state in job_states.FINAL else deliveries.stuck(session, job.id, (API, LAUNCHER))
    return {
        **_columns(job),
        "reason": words_of(stuck) or job.reason,
        "dataset_name": datasets.get(session, job.dataset_id).name,
        "history": list(jobs.steps(session, job.id)),
    }


def _columns(job: Job) -> dict[str, Any]:
    return {column.key: getattr(job, column.key) for column in job.__table__.columns}
