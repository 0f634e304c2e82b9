"""report.json: what a finished training tells of itself. Field descriptions are the tables in docs/reports.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from contracts.base import Wire

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION: Literal[2] = 2

SUREST = 20  # mistakes of any pair of classes that Mistakes.shown begins with; the others are of single pairs


class ModelInfo(Wire):
    """What was trained."""

    name: str = Field(description="folder under trainer/models")
    title: str = Field(description="its name for people")
    params: dict[str, Any] = Field(description="its parameters, defaults filled in")


class ClassScores(Wire):
    """How one class fared on the validation rows."""

    label: str = Field(description="the class")
    precision: float = Field(description="of the rows predicted as this class, the share that is; 0 of none")
    recall: float = Field(description="of the rows of this class, the share that was found; 0 of none")
    f1: float = Field(description="harmonic mean of precision and recall")
    support: int = Field(description="validation rows of this class")


class Epoch(Wire):
    """Figures of one epoch; those of validation are null where no pass was made."""

    epoch: int = Field(description="from 1")
    step: int = Field(description="optimizer steps done")
    learning_rate: float = Field(description="at its end")
    train_loss: float = Field(description="mean over its training rows, as they were met")
    train_accuracy: float = Field(description="share of its training rows that were right, as they were met")
    val_loss: float | None = Field(default=None, description="mean cross-entropy of the validation rows")
    val_accuracy: float | None = Field(
        default=None, description="share of the validation rows that are right"
    )
    val_macro_f1: float | None = Field(default=None, description="mean F1 of the classes that occur")
    seconds: float = Field(description="how long it took")


class SplitRows(Wire):
    """Rows of each side."""

    train: int = Field(description="rows trained on")
    val: int = Field(description="rows measured on: the validation rows")


class ReliabilityBin(Wire):
    """The validation rows whose highest probability lies between two bounds."""

    low: float = Field(description="exclusive, save for 0")
    high: float = Field(description="inclusive")
    rows: int = Field(description="how many there are")
    confidence: float = Field(description="mean of their highest probabilities")
    accuracy: float = Field(description="share of them that is predicted right")


class ProbabilityFigures(Wire):
    """How far probabilities can be taken at their word."""

    log_loss: float = Field(
        description="mean of −ln p(true class), p at least 1e−12; lower is better, ln(classes) knows nothing"
    )
    brier: float = Field(
        description="mean over rows of Σ over classes (p − 1[true class])² (Brier 1950), 0 to 2; lower is better"
    )
    ece: float = Field(
        description="expected calibration error: mean over rows of |accuracy − confidence| of the row's bin, 15 bins of equal "
        "width (Naeini et al. 2015; Guo et al. 2017); 0 is best"
    )
    bins: list[ReliabilityBin] = Field(description="the bins that hold rows, ascending")


class Calibration(Wire):
    """Temperature scaling (Guo et al. 2017): softmax(ln p / T), which never changes the predicted class."""

    temperature: float = Field(
        description="T, between 0.2 and 10: above 1 the model was too sure, below 1 not sure enough; 1 where skipped"
    )
    applied: bool = Field(
        description="whether predictions are scaled by it, those of trainer.predict and in validation_predictions.csv"
    )
    why: str = Field(default="", description="why it is not applied")
    rows: int = Field(description="validation rows T was fitted on")
    folds: int = Field(description="parts the rows were cut into for `after`; 0 where skipped")
    before: ProbabilityFigures = Field(description="of the model's own probabilities")
    after: ProbabilityFigures | None = Field(
        default=None,
        description="cross-fitted: each fold's rows with the T of the other folds, since the rows that T was fitted on would flatter it",
    )


class Spread(Wire):
    """Mean and sample standard deviation over the repeats."""

    mean: float = Field(description="mean of the repeats")
    sd: float | None = Field(description="standard deviation (n − 1); null after a single repeat")


class Contribution(Wire):
    """What is lost when the values of a column, or of all columns of a modality together, are shuffled among the rows."""

    name: str = Field(description="the column's name, or image, text or tabular")
    accuracy_drop: Spread = Field(description="accuracy before minus after; 0.1 is ten points lost")
    log_loss_rise: Spread = Field(description="log loss after minus before")
    repeats: int = Field(description="shuffles made")


class Contributions(Wire):
    """Permutation importance (Breiman 2001; Fisher et al. 2019) on validation rows, of the calibrated probabilities."""

    rows: int = Field(description="validation rows shuffled, at most EXPLAIN_MAX_ROWS, drawn at random")
    repeats: int = Field(description="shuffles meant for each; fewer where the time ran out")
    accuracy: float = Field(description="of these rows, nothing shuffled")
    log_loss: float = Field(description="of these rows, nothing shuffled")
    modalities: list[Contribution] = Field(description="largest accuracy drop first")
    columns: list[Contribution] = Field(description="largest accuracy drop first")
    skipped: list[str] = Field(
        default_factory=list, description="columns and modalities that were not measured"
    )
    notes: list[str] = Field(
        default_factory=list, description="what to keep in mind, and why some were skipped"
    )
    seconds: float = Field(description="how long it took")


class Mistake(Wire):
    """A validation row that the model got wrong."""

    row: int = Field(
        description="as in validation_predictions.csv: rows of the table from 0, blank ones not counted"
    )
    truth: str = Field(description="the class in the table")
    predicted: str = Field(description="the class the model says")
    probability: float = Field(description="calibrated, of the predicted class")
    truth_probability: float = Field(description="calibrated, of the true class")
    values: dict[str, str | float | None] = Field(
        description="its features as the model saw them, without images: numbers, or text cut at 200 characters"
    )
    images: dict[str, list[str]] = Field(description="for each image column, paths in the data set's folder")


class Mistakes(Wire):
    """The most confident wrong predictions: label errors and blind spots show here first."""

    wrong: int = Field(description="validation rows that were predicted wrong")
    columns_left_out: int = Field(description="features that `values` leaves out, those past the 30th")
    shown: list[Mistake] = Field(
        description="the 20 most confident, and the 3 most confident of each true class taken for another, 200 at most; the most confident first"
    )


class Baseline(Wire):
    """A simple answer, measured on the same validation rows."""

    name: str = Field(
        description="majority: always the most frequent training class, with the training classes' shares as "
        "probabilities; linear: logistic regression"
    )
    title: str = Field(description="its name for people")
    accuracy: float = Field(description="share of the validation rows that are right")
    macro_f1: float = Field(description="mean F1 of the classes that occur")
    log_loss: float = Field(description="as in ProbabilityFigures, not calibrated")
    rows: int = Field(description="training rows it learnt from")
    columns: list[str] = Field(description="features it read")
    seconds: float = Field(description="to fit and to measure it")


class ImagesFingerprint(Wire):
    """The images that came with the table."""

    files: int = Field(description="how many")
    bytes: int = Field(description="of all together")
    sha256: str = Field(description="of the lines path, tab, size, line feed, in the paths' order")


class ClassRows(Wire):
    """Rows of one class on each side of the split."""

    label: str = Field(description="the class")
    train: int = Field(description="its rows trained on")
    val: int = Field(description="its rows measured on")


class Fingerprint(Wire):
    """What the data was, so that it can be told whether another training saw the same."""

    rows: int = Field(description="rows with a value in the target")
    columns: int = Field(description="columns of the table")
    table_bytes: int = Field(description="size of the table's file")
    table_sha256: str = Field(description="of the table's file")
    images: ImagesFingerprint | None = Field(default=None, description="null without a folder of images")
    classes: list[ClassRows] = Field(description="in the order of labels")


class Hardware(Wire):
    """What it was trained on."""

    cpus: int = Field(description="CPUs the process might use: affinity, cgroup quota, OMP_NUM_THREADS")
    memory_bytes: int = Field(description="memory it might use: the cgroup's limit, or the machine's memory")
    gpu: str | None = Field(default=None, description="the GPU's name, where torch found one")
    platform: str = Field(description="operating system and processor, as Python names them")


class Report(Wire):
    """The document. Parts whose computation failed are null, and a note says why."""

    version: Literal[2] = Field(default=VERSION, description="of this format")
    job_id: str = Field(description="the job")
    attempt: int = Field(description="which try at it, from 1")
    model: ModelInfo = Field(description="what was trained")
    target: str = Field(description="the column predicted")
    labels: list[str] = Field(description="the classes, in the order of every matrix")
    metrics: dict[str, float] = Field(
        description="on the validation rows: accuracy, macro_f1, weighted_f1, balanced_accuracy (mean recall of the classes "
        "that occur), log_loss, brier and ece before calibration, majority_rate (accuracy of always answering with the most "
        "frequent training class), loss (validation loss of the best epoch, as training measured it), best_epoch"
    )
    best_epoch: int = Field(description="the epoch whose state was kept, chosen on the validation rows")
    per_class: list[ClassScores] = Field(description="in the order of labels")
    confusion_matrix: list[list[int]] = Field(description="validation rows; rows true, columns predicted")
    history: list[Epoch] = Field(description="every epoch, as training measured it")
    split: SplitRows = Field(description="rows of each side")
    columns: dict[str, list[str]] = Field(description="features by modality: image, text, tabular")
    column_types: dict[str, str] = Field(description="type of each feature")
    notes: list[str] = Field(description="what a person should know")
    device: str = Field(description="cpu, or the GPU as torch names it")
    parameters: int = Field(description="trained numbers in the model")
    durations: dict[str, float] = Field(description="seconds of each phase that had ended")
    settings: dict[str, Any] = Field(description="the whole job, seed included, without its secret")
    versions: dict[str, str] = Field(description="of Python and of the packages that decide the result")
    calibration: Calibration | None = Field(default=None, description="can the probabilities be believed?")
    contributions: Contributions | None = Field(default=None, description="what does the model go by?")
    mistakes: Mistakes | None = Field(default=None, description="where was it most sure and wrong?")
    baselines: list[Baseline] = Field(default_factory=list, description="what do simple answers score?")
    data: Fingerprint | None = Field(default=None, description="what was it trained on?")
    hardware: Hardware | None = Field(default=None, description="and where?")


def parse(raw: Mapping[str, Any]) -> Report:
    """Read a report of this version or of the one before, whose missing parts stay empty.

    Raises:
        pydantic.ValidationError: It is of another version, or malformed.
    """
    return Report.model_validate({**raw, "version": VERSION} if raw.get("version") == 1 else raw)
