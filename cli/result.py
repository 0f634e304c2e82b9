"""Prints how a training went, from its report.json."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from cli.output import Output
    from client import Client
    from client.types import JobDetail

JSON = dict[str, Any]


def print_result(client: Client, output: Output, job: JobDetail) -> None:
    """Print a finished job: figures against the majority rate, a line for each class, its artifacts."""
    if job["state"] != "succeeded":
        return
    items = client.artifacts(job["id"])["items"]
    if report := client.report(job["id"]):
        _print_report(output, report)
    if items:
        output.line(f"\n{len(items)} artifacts in {_place(items[0]['uri'].rpartition('/')[0])}")
        output.line("  " + "  ".join(item["name"] for item in items))
        output.line(f"  fetch them: triptych artifacts {job['id']} --download DIR")


def _place(uri: str) -> str:
    """Give a folder's path where the URI is one of this machine."""
    return unquote(urlsplit(uri).path) if uri.startswith("file:") else uri


def _print_report(output: Output, report: JSON) -> None:
    metrics, split = report["metrics"], report["split"]
    output.line(
        f"\n{report['target']}: accuracy {metrics['accuracy']:.3f}, macro-F1 {metrics['macro_f1']:.3f} on "
        f"{split['val']:,} held-out rows (always the most frequent class: {metrics['majority_rate']:.3f}); "
        f"trained on {split['train']:,}, best epoch {report['best_epoch']}\n"
    )
    output.table(
        ("class", "precision", "recall", "F1", "rows"),
        (
            (row["label"], *(f"{row[key]:.3f}" for key in ("precision", "recall", "f1")), row["support"])
            for row in report["per_class"]
        ),
    )
