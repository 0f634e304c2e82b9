"""Profiles a generated 1 GB CSV in a process of its own: peak memory, time, and the ratio to polars' bare scan.

Run: python benchmarks/profile.py [--megabytes 1000] [--keep DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

WORDS = [
    "the",
    "of",
    "and",
    "to",
    "in",
    "is",
    "that",
    "for",
    "it",
    "was",
    "on",
    "with",
    "as",
    "at",
    "by",
    "from",
    "this",
    "have",
    "not",
    "are",
    "but",
    "had",
    "they",
    "you",
    "which",
    "one",
    "all",
    "were",
    "when",
    "there",
    "can",
    "more",
    "if",
    "no",
    "out",
    "so",
    "up",
    "into",
    "than",
    "them",
    "only",
    "some",
    "time",
    "could",
    "these",
    "two",
    "may",
    "then",
    "first",
    "any",
    "now",
    "such",
    "like",
    "our",
    "over",
    "even",
    "most",
    "also",
    "after",
    "many",
    "before",
    "must",
    "through",
    "back",
    "years",
    "where",
    "much",
    "way",
    "well",
    "down",
    "should",
    "because",
    "each",
    "just",
    "those",
    "people",
    "how",
    "too",
    "little",
    "state",
    "good",
    "very",
    "make",
    "world",
    "still",
    "own",
    "see",
    "work",
    "long",
    "get",
    "here",
    "between",
    "both",
    "life",
    "being",
    "under",
    "never",
    "day",
    "same",
    "another",
    "know",
    "while",
    "last",
    "might",
    "us",
    "great",
    "old",
    "year",
    "off",
    "come",
    "since",
    "against",
    "go",
    "came",
]
CITIES = [
    "Lagos",
    "Lima",
    "Oslo",
    "Kyoto",
    "Porto",
    "Quito",
    "Accra",
    "Turin",
    "Perth",
    "Izmir",
    "São Paulo",
    "Zürich",
]
SCAN = """
import json, sys, time
import polars as pl
started = time.perf_counter()
rows = pl.scan_csv(sys.argv[1], infer_schema=False).select(pl.all().count()).collect(engine="streaming")
seconds = time.perf_counter() - started
memory = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
print(json.dumps({"seconds": seconds, "megabytes": int(memory) / 1024, "rows": int(rows.row(0)[0])}))
"""
TYPED_SCAN = SCAN.replace(", infer_schema=False", ", infer_schema_length=10000")
PROFILE = """
import json, sys, time
from pathlib import Path
from tabular.profile import profile_table
started = time.perf_counter()
schema = profile_table(Path(sys.argv[1]))
seconds = time.perf_counter() - started
memory = next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]
types = {column.name: [column.type.value, column.distinct, column.missing] for column in schema.columns}
print(json.dumps({"seconds": seconds, "megabytes": int(memory) / 1024, "rows": schema.rows, "types": types}))
"""


def generate(path: Path, megabytes: int, seed: int = 7) -> None:
    """Write a table of all the common column types; lines are drawn at random from a pool that is renewed."""
    rng = random.Random(seed)
    size, row = 0, 0
    start = datetime(2019, 1, 1, tzinfo=UTC)
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("id,created,city,grade,clicks,amount,price,active,comment,sku,photo,note\n")
        while size < megabytes * 1_000_000:
            comments = [" ".join(rng.choices(WORDS, k=rng.randint(5, 60))) for _ in range(2000)]
            lines = []
            for _ in range(20_000):
                row += 1
                moment = start + timedelta(seconds=row * 13 + rng.randint(0, 9))
                quote = rng.choice(comments).capitalize() + f", {rng.randint(0, 99999)} times"
                lines.append(
                    f"{row},{moment:%Y-%m-%d %H:%M:%S},{rng.choice(CITIES)},{rng.randint(1, 5)},{int(rng.expovariate(0.1))},"
                    f'{rng.gauss(100, 30):.4f},"{rng.randint(1, 999)},{rng.randint(100, 999)}.{rng.randint(10, 99)}",'
                    f'{rng.choice(("yes", "no"))},"{quote}",SK-{rng.getrandbits(40):010x},images/{row % 5000:05d}.jpg,'
                    f"{rng.choice(('', '', '', 'NA', 'seen'))}\n"
                )
            text = "".join(lines)
            size += len(text.encode())
            file.write(text)


def measured(code: str, path: Path) -> dict[str, object]:
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--keep", type=Path, help="folder in which the file is kept and found again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = (arguments.keep or Path(scratch)) / f"table-{arguments.megabytes}.csv"
        if not path.exists():
            generate(path, arguments.megabytes)
        path.read_bytes()[:1]  # both find the file in the page cache
        results = {
            "scan as strings": measured(SCAN, path),
            "scan with types": measured(TYPED_SCAN, path),
            "profile": measured(PROFILE, path),
        }
    for name, result in results.items():
        print(
            f"{name:16} {result['seconds']:7.1f} s  VmHWM {result['megabytes']:7.0f} MB  {result['rows']:>10,} rows"
        )
    for name in ("scan as strings", "scan with types"):
        print(f"profile / {name}: {results['profile']['seconds'] / results[name]['seconds']:.2f} x")
    print(json.dumps(results["profile"]["types"]))


if __name__ == "__main__":
    main()
