"""Data sets through the REST API of a running platform: detection against their ground truth, then one training job each.

    triptych up &  python benchmarks/datasets.py ../shared/data/*/

A folder holds metadata.csv, perhaps images/, and schema.json with {"target", "types", "majority_rate",
"leakage_notes"}. Every column that the notes name is left out of the features, except image columns.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx

# The words ground truth uses for each detected type; where it says two things, either is right
TRUTH = {
    "image": {"image"},
    "text": {"text"},
    "numeric": {"numeric"},
    "categorical": {"categorical", "target"},
    "boolean": {"boolean", "target"},
    "identifier": {"id"},
    "datetime": {"date"},
    "constant": {"constant"},
}


def right(detected: str, truth: str) -> bool:
    """Say whether a verdict agrees with the ground truth's wording."""
    words = set(re.findall(r"[a-z]+", re.sub(r"\(.*?\)", "", truth)))
    return bool(words & TRUTH[detected]) or ("mixed" in words and detected in {"numeric", "categorical"})


def upload(client: httpx.Client, folder: Path) -> dict[str, Any]:
    """Upload a data set's table and images, and wait until it is ready."""
    images = sorted(path for path in (folder / "images").rglob("*") if path.is_file())
    parts = [("file", ("metadata.csv", (folder / "metadata.csv").read_bytes()))]
    parts += [("images", (path.relative_to(folder).as_posix(), path.read_bytes())) for path in images]
    response = client.post("/api/datasets/upload_and_detect/", files=parts, data={"name": folder.name})
    response.raise_for_status()
    return wait(client, f"/api/datasets/{response.json()['id']}/", {"ready", "rejected"})


def wait(client: httpx.Client, path: str, states: set[str]) -> dict[str, Any]:
    """Ask until something is in one of these states."""
    while True:
        body: dict[str, Any] = client.get(path).raise_for_status().json()
        if body["state"] in states:
            return body
        time.sleep(0.5)


def features(dataset: dict[str, Any], truth: dict[str, Any]) -> list[str]:
    """Give the columns to learn from: the suggested ones without the target and what the notes name."""
    notes = " ".join(truth["leakage_notes"])
    columns = dataset["schema"]["columns"]
    return [
        column["name"]
        for column in columns
        if column["name"] != truth["target"]
        and column["type"] not in {"identifier", "constant"}
        and (column["type"] == "image" or not re.search(rf"\b{re.escape(column['name'])}\b", notes))
    ]


def run(client: httpx.Client, folder: Path, model: str) -> tuple[int, int]:
    """Take one data set the whole way and print its row.

    Returns:
        Columns with the right type, and columns in all.
    """
    truth = json.loads((folder / "schema.json").read_text())
    began = time.monotonic()
    dataset = upload(client, folder)
    staged = time.monotonic() - began
    detected = {column["name"]: column["type"] for column in dataset["schema"]["columns"]}
    wrong = {
        name: detected.get(name) for name, kind in truth["types"].items() if not right(detected[name], kind)
    }
    wish = {"dataset_id": dataset["id"], "target": truth["target"], "model": model, "start": True}
    chosen = features(dataset, truth)
    began = time.monotonic()
    response = client.post(
        "/api/training_jobs/", json={**wish, "feature_columns": chosen, "resources": {"cpus": 2}}
    )
    assert response.status_code == 201, response.text
    job = wait(
        client,
        f"/api/training_jobs/{response.json()['id']}/",
        {"succeeded", "failed", "cancelled", "timed_out"},
    )
    best = job["metrics"] or {}
    print(
        f"{folder.name:15} {job['state']:10} types {len(detected) - len(wrong)}/{len(detected)}  ready {staged:5.1f} s  "
        f"train {time.monotonic() - began:6.1f} s  accuracy {best.get('accuracy', 0):.4f}  "
        f"macro-F1 {best.get('macro_f1', 0):.4f}  majority {truth['majority_rate']:.4f}",
        flush=True,
    )
    print(f"{'':15} features: {', '.join(chosen)}" + (f"; wrong: {wrong}" if wrong else ""), flush=True)
    if job["reason"]:
        print(f"{'':15} {job['reason']}", flush=True)
    return len(detected) - len(wrong), len(detected)


def main() -> None:
    """Run every folder given."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--url", default="http://localhost:8080")
    parser.add_argument("--model", default="multimodal")
    arguments = parser.parse_args()
    client = httpx.Client(base_url=arguments.url, timeout=120)
    folders = [folder for folder in arguments.folders if (folder / "metadata.csv").exists()]
    scores = [run(client, folder, arguments.model) for folder in folders]
    print(f"column types right: {sum(score[0] for score in scores)} of {sum(score[1] for score in scores)}")


if __name__ == "__main__":
    main()
