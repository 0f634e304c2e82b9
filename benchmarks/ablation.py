"""What each part of the multimodal model is worth: the same runs as benchmarks.accuracy with one setting changed at a time.

Run: python -m benchmarks.ablation FOLDER... [--preset fast] [--seeds 0 1 2 3 4] [--set companions=false] --json results.jsonl

What --set says holds for every variant, the first included. Every variant is a row of the last table printed for a folder; runs
that --json holds are not repeated.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks.accuracy.__main__ import main as compare

VARIANTS = (
    "",
    "companions=false",
    "text_dropout=0",
    "modality_dropout=0",
    "label_smoothing=0",
    "averaged_steps=1",
    "scheduler=plateau",
)


def main() -> int:
    """Run every variant; give the worst exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--seeds", nargs="+", default=["0", "1", "2", "3", "4"])
    parser.add_argument("--variants", nargs="+", default=VARIANTS, metavar="KEY=VALUE")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="the same in all")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    os.environ["EXPLAIN_SHARE"] = "0"  # reports are not what is compared
    worst = 0
    for folder in options.folders:
        for variant in options.variants:
            arguments = [str(folder), "--only", options.preset, "--json", str(options.json), "--seeds"]
            arguments += options.seeds
            changes = [*options.set, *([variant] if variant else [])]
            worst = max(worst, compare(arguments + [f"--set={change}" for change in changes]))
    return worst


if __name__ == "__main__":
    sys.exit(main())
