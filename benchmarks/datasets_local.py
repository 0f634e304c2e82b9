"""Train `multimodal` with default settings on every data set of a folder, without the platform.

A data set is a folder with metadata.csv, schema.json ({"target", "leakage_notes", "types"}) and perhaps images/. Columns that
the notes or the types mark as leakage or identifiers are left out. Prints wall and CPU seconds of the whole process,
validation accuracy and macro-F1 beside the share of the most frequent class.

    python benchmarks/datasets_local.py ../shared/data [--only titanic openmoji] [--seeds 0 1 2] [--leave-out openmoji:tags]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="data sets by folder name; all by default")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument(
        "--leave-out", nargs="*", default=[], metavar="DATASET:COLUMN", help="further columns"
    )
    parser.add_argument(
        "--keep", nargs="*", default=[], metavar="DATASET:COLUMN", help="columns not to leave out"
    )
    parser.add_argument("--epochs", type=int, default=None)
    options = parser.parse_args()
    print("| data set | seed | wall s | CPU s | accuracy | macro-F1 | majority | best epoch of | features |")
    print("|---|---|---|---|---|---|---|---|---|")
    for schema in sorted(options.data.glob("*/schema.json")):
        folder = schema.parent
        if options.only and folder.name not in options.only:
            continue
        features = choose_features(folder, options.leave_out, options.keep)
        for seed in options.seeds:
            print(measure(folder, features, seed, options.epochs), flush=True)


def choose_features(folder: Path, leave_out: list[str], keep: list[str]) -> list[str]:
    schema = json.loads((folder / "schema.json").read_text())
    notes = " ".join(schema["leakage_notes"])
    features = []
    for column, kind in schema["types"].items():
        named = re.search(
            rf"(?<![\w-]){re.escape(column)}(?![\w-])", notes
        ) is not None and not kind.startswith("image")
        marked = named or kind.split()[0] in {"id", "target"} or f"{folder.name}:{column}" in leave_out
        if column != schema["target"] and (not marked or f"{folder.name}:{column}" in keep):
            features.append(column)
    return features


def measure(folder: Path, features: list[str], seed: int, epochs: int | None) -> str:
    schema = json.loads((folder / "schema.json").read_text())
    assets = [{"key": "train_file", "s3_uri": f"file://{folder.resolve()}/metadata.csv"}]
    if (folder / "images").is_dir():
        assets.append({"key": "train_folder", "s3_uri": f"file://{folder.resolve()}/images"})
    with tempfile.TemporaryDirectory() as work:
        env = {
            **os.environ,
            "MODEL": "multimodal",
            "JOB_ID": folder.name,
            "ASSETS": json.dumps(assets),
            "ARTIFACTS_URI": f"file://{work}/out",
            "WORKDIR": work,
            "TARGET_COL": schema["target"],
            "FEATURE_COLUMNS": json.dumps(features),
            "SEED": str(seed),
            **({"EPOCHS": str(epochs)} if epochs else {}),
        }
        started, before = time.monotonic(), cpu_seconds()
        subprocess.run([sys.executable, "-m", "trainer"], env=env, check=True, stdout=subprocess.DEVNULL)
        wall, cpu = time.monotonic() - started, cpu_seconds() - before
        report = json.loads((Path(work) / "out" / "report.json").read_text())
    metrics, epochs_done = report["metrics"], len(report["history"])
    return (
        f"| {folder.name} | {seed} | {wall:.0f} | {cpu:.0f} | {metrics['accuracy']:.4f} | {metrics['macro_f1']:.4f} "
        f"| {metrics['majority_rate']:.4f} | {report['best_epoch']} of {epochs_done} | {', '.join(features)} |"
    )


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
