"""Made-up records in the shapes of the REST API, for the browser tests."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

from contracts.schema import Dialect, Statistics

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples"
JSON = dict[str, Any]
LONG_NAME = "A very long name that goes on " * 9 + "and ends"
USAGE = {"cpu_percent": 150.0, "cpu_limit_percent": 75.0, "rss_mb": 612.5, "memory_limit_percent": 31.0,
         "gpu_percent": 57.0, "gpu_memory_mb": 2048.0, "gpu_memory_percent": 25.0}  # fmt: skip
RTL_NAME = "بيانات الركاب — תיאור הנוסעים"


def profile(name: str, position: int, values: list[str], **given: Any) -> JSON:
    """Make the ColumnProfile of a column's values; anything given replaces what is derived."""
    present = [value for value in values if value]
    numbers = [float(value) for value in present if _is_number(value)]
    distinct = sorted(set(present))
    numeric = bool(present) and len(numbers) == len(present)
    kind = "numeric" if numeric and len(distinct) > 6 else "categorical"
    if present and all(value.endswith(".png") for value in present):
        kind = "image"
    elif not numeric and present and sum(map(len, present)) / len(present) > 25:
        kind = "text"
    counts = sorted(((present.count(value), value) for value in distinct), reverse=True)
    statistics: JSON = Statistics().model_dump(mode="json")
    if kind in {"categorical", "image"}:
        statistics["top_values"] = [{"value": value, "count": count} for count, value in counts[:50]]
    else:
        figures = numbers if kind == "numeric" else [float(len(value)) for value in present]
        statistics["histogram"] = _histogram(figures)
    if numbers:
        statistics |= {"minimum": min(numbers), "maximum": max(numbers), "mean": sum(numbers) / len(numbers)}
    made = {
        "name": name,
        "position": position,
        "type": kind,
        "rule": f"few-values-{kind}",
        "why": f"{len(distinct)} distinct values in {len(present)} rows; {len(numbers)} of them are numbers.",
        "figures": {"distinct": len(distinct)},
        "disagreeing": [],
        "disagreeing_count": 0,
        "role": "feature",
        "role_why": "",
        "rows": len(values),
        "missing": len(values) - len(present),
        "missing_tokens": [],
        "distinct": len(distinct),
        "number_format": None,
        "datetime_format": None,
        "leading_zeros": False,
        "statistics": statistics,
        "images": None,
    }
    return made | given


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _histogram(figures: list[float]) -> list[JSON]:
    if not figures:
        return []
    low, high, count = min(figures), max(figures), 12
    width = (high - low) / count or 1.0
    bins = [{"low": low + i * width, "high": low + (i + 1) * width, "count": 0} for i in range(count)]
    for figure in figures:
        bins[min(count - 1, int((figure - low) / width))]["count"] += 1
    return bins


def schema_of(text: str, *, complete: bool = True) -> JSON:
    """Make the DatasetSchema of a CSV."""
    rows = list(csv.reader(io.StringIO(text)))
    header, body = rows[0], rows[1:]
    columns = [profile(name, i, [row[i] for row in body]) for i, name in enumerate(header)]
    targets = [
        {
            "column": column["name"],
            "confidence": 0.9 - 0.2 * i,
            "classes": column["distinct"],
            "why": "Few values, each often.",
        }
        for i, column in enumerate(
            c for c in columns if c["type"] == "categorical" and 2 <= c["distinct"] <= 20
        )
    ]
    return {
        "version": 1,
        "dialect": Dialect(encoding="utf-8").model_dump(mode="json"),
        "rows": len(body),
        "complete": complete,
        "columns": columns,
        "targets": targets,
        "findings": [],
        "unused_files": 0,
        "unused_file_examples": [],
        "ragged_rows": 0,
    }


def sample_csv(rows: int = 120) -> str:
    """Make a small table with an image, a text, a number, two categories and a column with missing values."""
    kinds = ["bird", "fish", "cat"]
    lines = ["picture,name,legs,colour,description,kind,age"]
    for i in range(rows):
        kind = kinds[i % 3]
        age = "" if i % 9 == 0 else f"{(i * 37) % 83 / 4}"
        text = f"A {kind} seen in the garden on the {i % 28 + 1}. of the month and not shy at all"
        lines.append(
            f"img/{i:03}.png,animal {i},{[2, 0, 4][i % 3]},{['red', 'green', 'blue', 'grey'][i * 7 % 4]},{text},{kind},{age}"
        )
    return "\n".join(lines) + "\n"


MODELS: list[JSON] = [
    {
        "name": "multimodal",
        "title": "Multimodal, late fusion",
        "description": "One branch each for images, text and the other columns; their outputs are joined before the last layer.",
        "modalities": ["image", "text", "tabular"],
        "params_schema": {
            "type": "object",
            "$defs": {"Backbone": {"enum": ["small_cnn", "resnet18", "mobilenet_v3"], "type": "string"}},
            "properties": {
                "backbone": {
                    "$ref": "#/$defs/Backbone",
                    "default": "small_cnn",
                    "description": "network that reads images",
                },
                "image_size": {
                    "type": "integer",
                    "minimum": 16,
                    "maximum": 512,
                    "default": 64,
                    "description": "side of an image, pixels",
                },
                "dropout": {
                    "type": "number",
                    "minimum": 0,
                    "exclusiveMaximum": 1,
                    "default": 0.1,
                    "title": "Dropout",
                    "description": "share of activations dropped while training",
                },
                "augment": {
                    "type": "boolean",
                    "default": True,
                    "description": "flip and shift images while training",
                },
                "max_tokens": {
                    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}],
                    "default": None,
                    "description": "words kept of a text; empty: all",
                },
            },
        },
    },
    {
        "name": "dummy_model",
        "title": "Class frequencies",
        "description": "Always answers with the most frequent class. A baseline.",
        "modalities": ["image", "text", "tabular"],
        "params_schema": {
            "type": "object",
            "properties": {
                "seconds_per_epoch": {
                    "type": "number",
                    "default": 0,
                    "minimum": 0,
                    "maximum": 3600,
                    "description": "wait this long in every epoch",
                }
            },
        },
    },
]


def training_items(epochs: int, labels: list[str], rows: int = 60) -> list[JSON]:
    """Make the stream of one attempt: three train points and one evaluation an epoch, getting better and noisier than life."""
    items: list[JSON] = []
    classes = len(labels)
    for epoch in range(1, epochs + 1):
        fade = math.exp(-epoch / (epochs / 3))
        for part in (1, 2, 3):
            at = epoch - 1 + part / 3
            wave = 0.04 * math.sin(epoch * 5 + part * 2)
            values = {
                "loss": 0.15 + math.exp(-at / (epochs / 3)) + wave,
                "accuracy": min(1.0, 0.97 - 0.6 * fade - wave),
            }
            items.append(_point("train", int(at * 10), at, values | {"learning_rate": 1e-3}))
        hits = round(rows / classes * (0.95 - 0.55 * fade))
        matrix = [
            [hits if i == j else (rows // classes - hits) // max(1, classes - 1) for j in range(classes)]
            for i in range(classes)
        ]
        accuracy = 0.95 - 0.55 * fade
        items.append(
            _point(
                "val",
                epoch * 10,
                epoch,
                {"loss": 0.3 + fade * 1.1, "accuracy": accuracy, "macro_f1": accuracy - 0.03},
            )
        )
        items.append(
            {
                "kind": "evaluation",
                "data": {
                    "step": epoch * 10,
                    "epoch": epoch,
                    "labels": labels,
                    "matrix": matrix,
                    "best": True,
                },
            }
        )
        items.append(_point("system", epoch * 10, epoch, USAGE))
    return items


def _point(split: str, step: int, epoch: float, values: dict[str, float]) -> JSON:
    return {"kind": "point", "data": {"split": split, "step": step, "epoch": epoch, "values": values}}


def report(job: JSON, labels: list[str]) -> JSON:
    """Make the report.json of a job that ended well: the golden one, of this job's classes and columns."""
    made: JSON = json.loads((EXAMPLES / "report.2.json").read_text(encoding="utf-8"))
    scores = ((0.95 - i * 0.06, 0.9 - i * 0.05, 0.92 - i * 0.05) for i in range(len(labels)))
    return made | {
        "job_id": job["id"],
        "target": job["target"],
        "labels": labels,
        "metrics": job["metrics"] | {"log_loss": 0.41, "brier": 0.2, "ece": 0.1},
        "best_epoch": 5,
        "confusion_matrix": [
            [
                18 if truth == said else 4 if (truth + 1) % len(labels) == said else 0
                for said in range(len(labels))
            ]
            for truth in range(len(labels))
        ],
        "per_class": [
            {"label": label, "precision": precision, "recall": recall, "f1": f1, "support": 20}
            for label, (precision, recall, f1) in zip(labels, scores, strict=True)
        ],
        "split": {"train": 96, "val": 24},
        "columns": {"image": ["picture"], "text": ["description"], "tabular": ["age", "colour"]},
        "notes": ["2 rows without an image were given a grey one."],
        "contributions": made["contributions"]
        | {
            "modalities": [
                _contribution("image", 0.31, 0.02),
                _contribution("text", 0.12, 0.03),
                _contribution("tabular", -0.01, 0.02),
            ],
            "columns": [
                _contribution("picture", 0.31, 0.02),
                _contribution("description", 0.12, 0.03),
                _contribution(LONG_NAME, 0.004, 0.01),
                _contribution(RTL_NAME, 0.0, 0.0),
                _contribution("age", -0.01, 0.02),
            ],
        },
        "mistakes": {
            "wrong": 9,
            "columns_left_out": 0,
            "shown": [_mistake(number, labels) for number in range(9)],
        },
    }


def _contribution(name: str, drop: float, deviation: float) -> JSON:
    return {
        "name": name,
        "accuracy_drop": {"mean": drop, "sd": deviation},
        "log_loss_rise": {"mean": 3 * drop, "sd": deviation},
        "repeats": 5,
    }


def _mistake(number: int, labels: list[str]) -> JSON:
    return {
        "row": 7 * number,
        "truth": labels[number % len(labels)],
        "predicted": labels[(number + 1) % len(labels)],
        "probability": 0.99 - 0.03 * number,
        "truth_probability": 0.005,
        "values": {
            "description": LONG_NAME[:200] if number % 2 else "small, brown, by the river",
            "age": number + 0.5,
            "colour": None,
        }
        | ({f"measure {i}": float(i) for i in range(8)} if number == 2 else {}),
        "images": {"picture": [f"img/{number:03}.png"] if number != 4 else []},
    }


def finding(
    code: str, severity: str, message: str, *, overridable: bool = False, rows: tuple[int, ...] = ()
) -> JSON:
    """Make a finding of the checks before a job."""
    return {
        "code": code,
        "severity": severity,
        "message": message,
        "columns": [],
        "rows": list(rows),
        "values": [],
        "overridable": overridable,
        "ignored": False,
    }


LEAK = finding(
    "target-leak",
    "error",
    "'legs' gives the target away: its value names 'kind' right in 100 % of 120 rows, where always the most frequent class is "
    "right in 33.3 %. If it is not known when it is time to predict, or is made from the target, leave it out.",
    overridable=True,
)
COPIES = finding(
    "duplicate-rows",
    "warning",
    "9 of 120 rows (7.5 %) repeat all features of another row.",
    rows=(7, 12, 1043),
)
FOLDER = finding(
    "image-folder-tells-class", "info", "The folder in 'picture' names the class. That gives nothing away."
)
