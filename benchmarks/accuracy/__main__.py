"""Our models beside a strong scikit-learn reference, on any data folder: metadata.csv, schema.json, perhaps images/.

    python -m benchmarks.accuracy FOLDER... [--seeds 0 1 2] [--only ref lightgbm balanced] [--json results.jsonl]

For each folder and seed the rows are cut once, stratified: 64 % train, 16 % val, 20 % test; classes of fewer than five rows are
in train whole. Everyone fits on the train rows and selects by the val rows whatever it likes (when to stop, the best epoch, C,
a tree's size, linear model or trees). The test rows are shown to a contender once, without their target, by a second process
that only predicts. Measuring on the rows one has selected by flatters: the best of many tries on a few hundred rows is partly the
luckiest, and who tries more looks better for it.

Contenders: ``majority`` (the classes' shares); the reference's ``linear`` (logistic regression over TF-IDF, one-hot, scaled
numbers, image gradients, colours and small pixels; C chosen on val), ``svm`` (Gaussian kernel over the same) and ``trees``
(histogram gradient boosting on dense features, stopped early), and their mean as ``vote``; ``lightgbm`` on the features of the
trees, where it can be imported; and ours, by preset. THE reference is the best of linear, svm and trees by val accuracy, on
each seed, and costs what all three cost, since one has to fit them to choose.

Measures: accuracy; macro-F1 over the classes the test rows have; log loss (probabilities from 1e-7 up); expected calibration
error of the top class in 15 bins of equally many rows. Seconds are of the whole fitting process, imports, feature extraction and
selection included, by the clock and by CPU. "level": no further from the reference than one standard deviation of the reference
over seeds.

Every finished run is appended to --json at once and not repeated by the next call; --again repeats it.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.accuracy.contenders import Contender, Majority, Ours, Reference
from benchmarks.accuracy.folder import FolderError, read_folder
from benchmarks.accuracy.results import KINDS, Results, table
from benchmarks.accuracy.runs import Sweep, setting_of
from benchmarks.accuracy.split import three_way

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.accuracy.folder import DataFolder

OURS = ("default", "fast", "balanced", "best")  # default: no preset is named


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare on every folder; give 1 if a contender failed, 2 if a folder or the results cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        folders = [_read(path, options) for path in options.folders]
        results = Results(options.json)
        contenders = _contenders(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    fine = True
    for data in folders:
        _describe(data)
        setting = setting_of(data, options.types)
        sweep = Sweep(
            data, setting, contenders, results, again=options.again, true_types=options.types == "true"
        )
        with ThreadPoolExecutor(options.jobs) as pool:
            fine &= all(list(pool.map(sweep.run_seed, options.seeds)))
        print(f"\n{table(results.of(data.name, setting, options.seeds))}\n", flush=True)
    return 0 if fine else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--target", help="column to predict; by default as schema.json says")
    parser.add_argument(
        "--leave-out", nargs="+", default=[], metavar="COLUMN", help="besides what the notes ask for"
    )
    parser.add_argument(
        "--keep", nargs="+", default=[], metavar="COLUMN", help="although the notes ask not to"
    )
    parser.add_argument(
        "--types",
        choices=["true", "detected"],
        default="true",
        help="true: everyone is told the types in schema.json; detected: everyone goes by detection",
    )
    parser.add_argument("--ours", nargs="+", choices=OURS, default=["default"], help="presets of ours")
    parser.add_argument("--model", default="multimodal", help="ours: folder under trainer/models")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_parameter,
        metavar="KEY=VALUE",
        help="ours: of MODEL_PARAMS",
    )
    parser.add_argument(
        "--pretrained",
        type=Path,
        metavar="FOLDER",
        help="ours: weights that trainers may use, PRETRAINED_URI",
    )
    parser.add_argument(
        "--only",
        nargs="+",
        choices=["majority", "ref", "lightgbm", *OURS],
        help="run these alone; the table still shows what --json holds",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="raw results, one JSON object a line")
    parser.add_argument("--again", action="store_true", help="repeat runs that --json holds")
    parser.add_argument(
        "--jobs", type=int, default=1, help="seeds at a time; more than one blurs the seconds"
    )
    return parser


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _contenders(options: argparse.Namespace) -> list[Contender]:
    asked = options.only or ["majority", "ref", "lightgbm", *options.ours]
    found: list[Contender] = []
    if "majority" in asked:
        found.append(Majority())
    if "ref" in asked:
        found += [Reference(kind) for kind in KINDS]
    if "lightgbm" in asked:
        if importlib.util.find_spec("lightgbm"):
            found.append(Reference("lightgbm"))
        elif options.only:
            raise ValueError("lightgbm cannot be imported: pip install lightgbm")
        else:
            print("lightgbm is not installed: its row is left out", file=sys.stderr)
    for preset in [name for name in OURS if name in asked]:
        params = dict(options.set) | ({"preset": preset} if preset != "default" else {})
        words = [options.model, preset, *(f"{name}={value}" for name, value in options.set)]
        words += [f"pretrained={options.pretrained.name}"] if options.pretrained else []
        found.append(Ours(" ".join(words), options.model, params, options.pretrained))
    return found


def _read(path: Path, options: argparse.Namespace) -> DataFolder:
    detect = options.types == "detected"
    data = read_folder(path, options.target, options.leave_out, options.keep, detect=detect)
    for (
        seed
    ) in options.seeds:  # before anything runs, so that a table that is too small stops the call at once
        try:
            three_way(data.rows[data.target].to_numpy(), seed)
        except ValueError as error:
            raise FolderError(f"{path}: {error}") from None
    return data


def _describe(data: DataFolder) -> None:
    print(f"## {data.name}\n\n{data.rows.height} rows, target `{data.target}`")
    print("- features: " + ", ".join(f"`{name}` ({kind})" for name, kind in data.types.items()))
    for name, why in data.left_out.items():
        print(f"- left out: `{name}`: {why}")
    for note in data.cautions:
        print(f"- kept in spite of: {note}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
