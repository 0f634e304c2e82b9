"""model_card.md: the report for a person who will use the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from contracts.report import Calibration, Contributions, Mistakes, Report, Spread

FIRST_COLUMNS = 20
FIRST_MISTAKES = 5


def model_card(report: Report) -> str:
    """Write the card as Markdown."""
    sections = [
        _head(report),
        _figures(report),
        _per_class(report),
        _learnt_from(report),
        _contributions(report.contributions) if report.contributions else "",
        _calibration(report.calibration) if report.calibration else "",
        _mistakes(report.mistakes) if report.mistakes and report.mistakes.wrong else "",
        _section("To know", _items(report.notes or ["none"])),
        _section("Data and machine", _items(_origin(report))),
        _section(
            "Use",
            "`python -m trainer.predict --artifacts FOLDER --table new.csv --images FOLDER --out predictions.csv`",
        ),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(report: Report) -> str:
    model, split = report.model, report.split
    return f"""# {model.title}: predicts `{report.target}`

Job `{report.job_id}`, attempt {report.attempt}, model `{model.name}` with {report.parameters:,} parameters, trained on
{split.train:,} rows and measured on {split.val:,} others ({report.device}, {report.durations["training"]:.0f} s)."""


def _figures(report: Report) -> str:
    metrics = report.metrics
    rows = [
        ("this model", metrics["accuracy"], metrics["macro_f1"], metrics.get("log_loss", metrics.get("loss")))
    ]
    rows += [(each.title.lower(), each.accuracy, each.macro_f1, each.log_loss) for each in report.baselines]
    table = _table(
        ("", "accuracy", "macro-F1", "log loss"),
        ((name, *(f"{figure:.4f}" for figure in figures if figure is not None)) for name, *figures in rows),
    )
    warning = (
        "The best epoch was chosen by its figures on these same rows, so expect a little less on new ones."
    )
    return _section(
        f"Figures on the validation rows (best epoch: {report.best_epoch})", f"{table}\n\n{warning}"
    )


def _per_class(report: Report) -> str:
    return _table(
        ("class", "precision", "recall", "F1", "rows"),
        (
            (row.label, f"{row.precision:.3f}", f"{row.recall:.3f}", f"{row.f1:.3f}", row.support)
            for row in report.per_class
        ),
    )


def _learnt_from(report: Report) -> str:
    return _section(
        "Learnt from",
        _items(
            f"{modality}: {', '.join(f'`{name}`' for name in names)}"
            for modality, names in report.columns.items()
            if names
        ),
    )


def _contributions(found: Contributions) -> str:
    rows = [(f"**{each.name}** (all its columns)", each) for each in found.modalities]
    rows += [(f"`{each.name}`", each) for each in found.columns[:FIRST_COLUMNS]]
    table = _table(
        ("shuffled", "accuracy lost", "log loss gained", "repeats"),
        ((name, _spread(e.accuracy_drop), _spread(e.log_loss_rise), e.repeats) for name, e in rows),
    )
    rest = len(found.columns) - FIRST_COLUMNS
    notes = [*found.notes, *([f"{rest} columns more are in report.json"] if rest > 0 else [])]
    text = (
        f"What is lost when values are shuffled among {found.rows:,} validation rows (mean ± standard deviation over the "
        "repeats). Columns that tell the same thing share their contribution, and may each look useless alone."
    )
    return _section("What it goes by", "\n\n".join(filter(None, [text, table, _items(notes)])))


def _calibration(found: Calibration) -> str:
    figures = [("as the model gives them", found.before)]
    if found.after:
        figures.append(("scaled", found.after))
    table = _table(
        ("probabilities", "log loss", "Brier", "calibration error"),
        ((name, f"{f.log_loss:.4f}", f"{f.brier:.4f}", f"{f.ece:.4f}") for name, f in figures),
    )
    if found.applied:
        text = (
            f"Probabilities are scaled by the temperature T = {found.temperature:.2f} (Guo et al. 2017), fitted on "
            f"{found.rows:,} validation rows. The figures of the scaled ones are cross-fitted: each of {found.folds} parts of the "
            "rows was scaled by what the other parts gave, since rows that T was fitted on would flatter it. The model itself "
            "was chosen on these same rows, so expect a little worse on new ones."
        )
    else:
        text = f"Probabilities are not scaled: {found.why}."
    return _section("Can the probabilities be believed?", f"{text}\n\n{table}")


def _mistakes(found: Mistakes) -> str:
    table = _table(
        ("row", "true", "predicted", "probability"),
        (
            (each.row, each.truth, each.predicted, f"{each.probability:.3f}")
            for each in found.shown[:FIRST_MISTAKES]
        ),
    )
    text = f"{found.wrong:,} validation rows are predicted wrong; the model was most sure of these (rows count from 0)."
    return _section("Most confident mistakes", f"{text}\n\n{table}")


def _origin(report: Report) -> list[str]:
    lines = []
    if report.data:
        lines.append(
            f"table: {report.data.rows:,} rows, {report.data.columns} columns, SHA-256 `{report.data.table_sha256}`"
        )
        if report.data.images:
            lines.append(f"images: {report.data.images.files:,}, digest `{report.data.images.sha256}`")
    if report.hardware:
        gpu = f", {report.hardware.gpu}" if report.hardware.gpu else ""
        lines.append(f"machine: {report.hardware.cpus} CPUs{gpu}, {report.hardware.platform}")
    lines.append(", ".join(f"{name} {version}" for name, version in report.versions.items()))
    return lines


def _spread(spread: Spread) -> str:
    return f"{spread.mean:.4f}" + ("" if spread.sd is None else f" ± {spread.sd:.4f}")


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text}"


def _items(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "/") for cell in line) + " |" for line in lines)
