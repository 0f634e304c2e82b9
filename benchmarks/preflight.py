"""Checks a job on a generated CSV of 5 million rows, and on a folder of data with images, each in a process of its own.

Prints seconds and peak memory, and the seconds that only reading the file's bytes once takes: the checks must not pay
for what they do not look at.

Run: python benchmarks/preflight.py [--rows 5000000] [--data ../shared/data/openmoji]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from contracts.schema import ColumnType, DatasetSchema
from services.api.files import Files
from services.api.models import Dataset
from services.api.preflight import Checks
from services.api.settings import ApiSettings
from tabular.profile import profile_table

WORDS = [f"{a}{b}" for a in ("mar", "lo", "tan", "ves", "qui", "or") for b in ("in", "o", "eth", "ula", "ax")]
CLASSES = ["red", "green", "blue", "white"]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument(
        "--data", type=Path, help="folder with metadata.csv, images/ and schema.json (its target)"
    )
    parser.add_argument("--child", nargs=3, metavar=("SPOOL", "ID", "TARGET"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        check(Path(options.child[0]), options.child[1], options.child[2])
        return
    with tempfile.TemporaryDirectory() as folder:
        spool = Path(folder)
        generate(spool / "large" / "table.csv", options.rows)
        run("generated", spool, "large", "colour")
        if options.data:
            (spool / "data").mkdir()
            (spool / "data" / "table.csv").symlink_to(options.data.resolve() / "metadata.csv")
            (spool / "data" / "files").symlink_to(options.data.resolve())
            target = json.loads((options.data / "schema.json").read_text())["target"]
            run(options.data.name, spool, "data", target)


def generate(path: Path, rows: int) -> None:
    """Write a table sorted by its target, of 205 bytes a row."""
    chance = random.Random(0)
    path.parent.mkdir()
    with path.open("w") as file:
        file.write("id,text,price,amount,kind,batch,colour\n")
        for start in range(0, rows, 10_000):
            colour = CLASSES[len(CLASSES) * start // rows]
            lines = []
            for row in range(start, min(rows, start + 10_000)):
                text = " ".join(chance.choices(WORDS, k=30))
                lines.append(
                    f"R{row:08},{text},{chance.gauss(50, 9):.4f},{chance.randrange(90)},k{chance.randrange(40)},{row // 500},{colour}\n"
                )
            file.writelines(lines)


def run(name: str, spool: Path, dataset: str, target: str) -> None:
    table, root = spool / dataset / "table.csv", spool / dataset / "files"
    files = [path.relative_to(root).as_posix() for path in root.rglob("images/**/*") if path.is_file()]
    (spool / dataset / "schema.json").write_text(profile_table(table, files=files).model_dump_json())
    started = time.monotonic()
    with table.open("rb") as file:
        while file.read(1 << 20):
            pass
    reading = time.monotonic() - started
    command = [sys.executable, __file__, "--child", str(spool), dataset, target]
    told = json.loads(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    )
    print(
        f"{name}: {table.stat().st_size / 1e6:,.1f} MB, {told['rows']:,} of {told['of']:,} rows, {told['images']:,} images: "
        f"{told['seconds']:.2f} s ({told['cpu']:.2f} s of CPU), peak {told['peak_mb']:.0f} MB ({told['base_mb']:.0f} MB before); "
        f"its bytes read once: {reading:.2f} s"
    )
    for finding in told["findings"]:
        print(f"  {finding}")


def check(spool: Path, dataset_id: str, target: str) -> None:
    found = DatasetSchema.model_validate_json((spool / dataset_id / "schema.json").read_text())
    settings = ApiSettings(
        database_url="sqlite:///x", redis_url="redis://x", objects_url="file:///x", spool_dir=spool
    )
    dataset = Dataset(
        id=dataset_id,
        state="uploaded",
        files=int((spool / dataset_id / "files").exists()),
        table_bytes=(spool / dataset_id / "table.csv").stat().st_size,
        detected=found.model_dump(mode="json"),
        train_folder=None,
    )
    types = {column.name: column.type for column in found.columns if column.type is not ColumnType.CONSTANT}
    types = {name: ColumnType.TEXT if kind is ColumnType.IDENTIFIER else kind for name, kind in types.items()}
    wish = {"feature_columns": [name for name in types if name != target], "column_types": types}
    checks = Checks(Files(spool, None, settings.image_limits), settings)  # type: ignore[arg-type]  # all is in the spool
    base = peak()
    started, cpu = time.monotonic(), time.process_time()
    result = checks.run(dataset, target, wish)
    told = {
        "seconds": time.monotonic() - started,
        "cpu": time.process_time() - cpu,
        "peak_mb": peak(),
        "base_mb": base,
        "rows": result.rows,
        "of": found.rows,
        "images": result.images,
        "findings": [
            f"{one.severity.value} {one.code.value}: {one.message[:120]}" for one in result.findings
        ],
    }
    print(json.dumps(told))


def peak() -> float:
    """Megabytes; getrusage would tell the parent's peak from before exec."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
