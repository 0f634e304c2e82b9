"""Calls about training jobs, what they leave, and what can be trained."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from client.errors import Refused
from client.http import Calls, segment

if TYPE_CHECKING:
    from client.types import (
        ArtifactList,
        JobDetail,
        JobPage,
        JobWish,
        LogTail,
        Machine,
        ModelList,
        Preflight,
    )


class JobCalls(Calls):
    """Training jobs."""

    def models(self) -> ModelList:
        """List what can be trained, with the parameters of each as JSON Schema."""
        return self._get("/api/models/")

    def machine(self, *, cpus: float | None = None, memory_mb: int | None = None) -> Machine:
        """Tell what a job would run on that asks for this much, and what an hour of it costs."""
        return self._get("/api/machines/", cpus=cpus, memory_mb=memory_mb)

    def jobs(
        self,
        *,
        page: int | None = None,
        page_size: int | None = None,
        state: str = "",
        dataset_id: str = "",
        search: str = "",
        order: str = "",
    ) -> JobPage:
        """List jobs, newest first.

        Args:
            page: From 1 on.
            page_size: Most jobs of a page.
            state: Only those in it; several with commas between.
            dataset_id: Only those on this data set.
            search: Part of the name of the job or of its data set.
            order: "ended": those that have ended, the last to end first.
        """
        return self._get(
            "/api/training_jobs/",
            page=page,
            page_size=page_size,
            state=state,
            dataset_id=dataset_id,
            search=search,
            order=order,
        )

    def job(self, job_id: str) -> JobDetail:
        """Look up one job."""
        return self._get(f"/api/training_jobs/{segment(job_id)}/")

    def create_job(self, wish: JobWish) -> JobDetail:
        """Create a job, and with `start` start it; a refusal by the checks of its data holds their findings."""
        return self._create("/api/training_jobs/", wish, slow=True)

    def check_job(self, wish: JobWish) -> Preflight:
        """Check a job's data, make no job, and give the findings."""
        return self._ask("/api/training_jobs/preflight/", wish)

    def start_job(self, job_id: str) -> JobDetail:
        """Start a job that was created and not started."""
        return self._create(f"/api/training_jobs/{segment(job_id)}/start/")

    def cancel_job(self, job_id: str) -> JobDetail:
        """Stop a job."""
        return self._create(f"/api/training_jobs/{segment(job_id)}/cancel/")

    def retry_job(self, job_id: str) -> JobDetail:
        """Run an ended job again, as its next attempt."""
        return self._create(f"/api/training_jobs/{segment(job_id)}/retry/")

    def logs(self, job_id: str, *, tail: int) -> LogTail:
        """Give the last lines of a job's log."""
        return self._get(f"/api/training_jobs/{segment(job_id)}/logs/", tail=tail)

    def artifacts(self, job_id: str) -> ArtifactList:
        """List what a job left."""
        return self._get("/api/artifacts/", job=job_id)

    def report(self, job_id: str) -> dict[str, Any] | None:
        """Give a job's report.json, whose versions contracts.report describes, or None where it left none."""
        try:
            # Where the store signs addresses, the answer is one of them
            return self._get(f"/api/artifacts/{segment(job_id)}/report.json", follow_redirects=True)
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return None
            raise
