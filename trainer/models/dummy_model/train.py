"""Learn the class frequencies, an epoch's worth of rows at a time."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import numpy as np

from trainer import scores
from trainer.results import Artifacts, EpochRecord, TrainingReport

if TYPE_CHECKING:
    from trainer.models.dummy_model.params import Params
    from trainer.results import TrainParams

EPOCHS = 5


def train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    """Train the model; see the module's sentence.

    Raises:
        RuntimeError: The parameter ``fail_at_epoch`` asked for it.
    """
    spec, data, reporter = params.spec, params.data, params.reporter
    truth, val_truth = data.target[data.split.train], data.target[data.split.val]
    classes = len(data.labels)
    epochs = spec.epochs or EPOCHS
    epoch_rows = np.array_split(np.random.default_rng(spec.seed).permutation(truth), epochs)
    counts = np.ones(classes)  # Laplace's rule: no class is impossible
    history: list[EpochRecord] = []
    best_loss, best_epoch = math.inf, 0
    best_prior, best_matrix = counts, np.zeros((classes, classes), np.int64)

    for epoch in range(1, epochs + 1):
        started = time.monotonic()
        time.sleep(params.model.seconds_per_epoch)
        if epoch == params.model.fail_at_epoch:
            raise RuntimeError(f"asked to fail at epoch {epoch}")
        counts += np.bincount(epoch_rows[epoch - 1], minlength=classes)
        prior = counts / counts.sum()
        answer = prior.argmax()
        record = EpochRecord(
            epoch=epoch,
            step=epoch,
            learning_rate=0,
            train_loss=float(-np.log(prior[truth]).mean()),
            train_accuracy=float((truth == answer).mean()),
            seconds=time.monotonic() - started,
        )
        reporter.point("train", epoch, epoch, {"loss": record.train_loss, "accuracy": record.train_accuracy})
        if epoch % spec.eval_steps == 0 or epoch == epochs:
            matrix = scores.confusion_matrix(val_truth, np.full_like(val_truth, answer), classes)
            record.val_loss = float(-np.log(prior[val_truth]).mean())
            record.val_accuracy, record.val_macro_f1 = scores.accuracy(matrix), scores.macro_f1(matrix)
            better = record.val_loss < best_loss
            if better:
                best_loss, best_epoch, best_prior, best_matrix = record.val_loss, epoch, prior, matrix
            val_values = {
                "loss": record.val_loss,
                "accuracy": record.val_accuracy,
                "macro_f1": record.val_macro_f1,
            }
            reporter.point("val", epoch, epoch, val_values)
            reporter.evaluation(epoch, epoch, data.labels, matrix.tolist(), best=better)
        history.append(record)
        reporter.progress(epoch / epochs, (epochs - epoch) * params.model.seconds_per_epoch)

    report = TrainingReport.of_best(
        history, best_epoch, best_matrix, data.labels, loss=best_loss, device="cpu", parameters=classes
    )
    artifacts = Artifacts(
        model_type="dummy_model",
        state_dict={"prior": best_prior.astype(np.float32)},
        id2label=dict(enumerate(data.labels)),
        preprocessing={},
        predict=lambda frame: np.tile(best_prior.astype(np.float32), (len(frame), 1)),
    )
    return report, artifacts
