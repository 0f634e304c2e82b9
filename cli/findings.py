"""Creates jobs, and says what the checks of their data found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.errors import ApiError

if TYPE_CHECKING:
    from cli.client import Client
    from cli.output import Output

JSON = dict[str, Any]


def create_job(client: Client, output: Output, wish: JSON) -> JSON:
    """Create a job and say what was found.

    Args:
        client: Of the platform.
        output: Findings go to standard error.
        wish: The body of the request.

    Returns:
        The job.

    Raises:
        ApiError: It is refused; where the checks refuse it, the text names what --ignore would have to hold.
    """
    try:
        job: JSON = client.post("training_jobs/", wish)
    except ApiError as error:
        findings = error.problem.get("findings") or []
        if not findings:
            raise
        say(output, findings)
        raise ApiError(error.code, _refusal(findings), error.problem) from None
    say(output, job["findings"])
    return job


def say(output: Output, findings: list[JSON]) -> None:
    """Say each finding in a line of its own."""
    for one in findings:
        ignored = ", ignored" if one["ignored"] else ""
        rows = f" For example row {', '.join(map(str, one['rows']))}." if one["rows"] else ""
        output.say(f"{one['severity']}{ignored} ({one['code']}): {one['message']}{rows}")


def _refusal(findings: list[JSON]) -> str:
    stopping = [one for one in findings if one["severity"] == "error" and not one["ignored"]]
    text = f"The job was not created: {len(stopping)} error{'s' if len(stopping) > 1 else ''} in its data."
    if not all(one["overridable"] for one in stopping):
        return text
    codes = sorted({one["code"] for one in stopping})
    return f"{text} To train all the same: {' '.join(f'--ignore {code}' for code in codes)}"
