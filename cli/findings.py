"""Creates jobs, and says what the checks of their data found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.errors import REFUSED, CommandFailed
from client import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cli.output import Output
    from client import Client
    from client.types import Finding, JobDetail, JobWish


def create_job(client: Client, output: Output, wish: JobWish) -> JobDetail:
    """Create a job and say what was found.

    Args:
        client: Of the platform.
        output: Findings go to standard error.
        wish: The body of the request.

    Returns:
        The job.

    Raises:
        CommandFailed: The checks of its data refuse it; the text names what --ignore would have to hold.
        ApiError: It is refused, or the platform is away.
    """
    try:
        job = client.create_job(wish)
    except Refused as refused:
        if not refused.findings:
            raise
        say(output, refused.findings)
        raise CommandFailed(_refusal(refused.findings), REFUSED) from None
    say(output, job["findings"])
    return job


def say(output: Output, findings: Sequence[Finding]) -> None:
    """Say each finding in a line of its own."""
    for one in findings:
        ignored = ", ignored" if one["ignored"] else ""
        rows = f" For example row {', '.join(map(str, one['rows']))}." if one["rows"] else ""
        output.say(f"{one['severity']}{ignored} ({one['code']}): {one['message']}{rows}")


def _refusal(findings: Sequence[Finding]) -> str:
    stopping = [one for one in findings if one["severity"] == "error" and not one["ignored"]]
    text = f"The job was not created: {len(stopping)} error{'s' if len(stopping) > 1 else ''} in its data."
    if not all(one["overridable"] for one in stopping):
        return text
    codes = sorted({one["code"] for one in stopping})
    return f"{text} To train all the same: {' '.join(f'--ignore {code}' for code in codes)}"
