"""Train the multimodal network, from fitted encoders to the best state; reads from top to bottom."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from contracts.callback import Phase
from trainer.models.multimodal.batches import Augmentation, gather, shuffled
from trainer.models.multimodal.evaluation import choose_device, predict_logits, seeded
from trainer.models.multimodal.features import Features
from trainer.models.multimodal.network import Network
from trainer.models.multimodal.optimization import Schedule, choose_batch_size, class_weights, warm_average
from trainer.models.multimodal.tracking import Best, Meter
from trainer.results import Artifacts, EpochRecord, TrainingReport

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from trainer.models.multimodal.batches import Encoded
    from trainer.models.multimodal.params import Params
    from trainer.results import TrainParams

log = logging.getLogger(__name__)

MAX_GRADIENT = 5.0
EPOCHS, BATCH_SIZE, LEARNING_RATE = 20, 64, 1e-3


def train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    """Train the network; see the module's sentence.

    Raises:
        ArithmeticError: The loss is no longer a finite number.
    """
    spec, options, data = params.spec, params.model, params.data
    train_rows, val_rows = data.split.train, data.split.val
    device = choose_device(options.device)
    random = seeded(spec.seed)
    epochs, wanted, learning_rate = (
        spec.epochs or EPOCHS,
        spec.batch_size or BATCH_SIZE,
        spec.learning_rate or LEARNING_RATE,
    )

    # encoders fitted on the training rows alone, then every row encoded once
    features = Features.fit(data.frame[train_rows], data.columns, options)
    encoded, notes = _encode(features, params)
    target = torch.tensor(data.target)
    batch_size = choose_batch_size(len(train_rows), wanted, options.steps_per_epoch)
    steps_per_epoch = math.ceil(len(train_rows) / batch_size)
    if batch_size < wanted:
        notes.append(f"batches of {batch_size} rows instead of {wanted}: the table is small")

    classes = len(data.labels)
    network = Network(
        features.shapes(encoded), options.width, options.dropout, options.modality_dropout, classes
    )
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own hint lacks it
    average = AveragedModel(network, multi_avg_fn=warm_average, use_buffers=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), learning_rate, weight_decay=options.weight_decay, fused=True
    )
    scheduler = Schedule(options.scheduler, optimizer, epochs * steps_per_epoch)
    weights = class_weights(data.target[train_rows], classes).to(device) if options.class_weights else None
    augmentation = Augmentation(options.horizontal_flip) if options.augment else None

    history: list[EpochRecord] = []
    meter = Meter(params.reporter, epochs, steps_per_epoch, device)
    best = Best(data.labels, params.reporter)
    for epoch in range(1, epochs + 1):
        network.train()
        meter.start_epoch()
        for rows in shuffled(train_rows, batch_size, random):
            batch, truth = gather(encoded, rows, device, augmentation), target[rows].to(device)
            logits = network(batch)
            loss = functional.cross_entropy(logits, truth, weights, label_smoothing=options.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
            optimizer.step()
            average.update_parameters(network)
            meter.add(loss, logits, truth, scheduler.learning_rate)
            scheduler.after_step()

        record = meter.record(epoch, scheduler.learning_rate)
        history.append(record)
        if not math.isfinite(record.train_loss):
            raise ArithmeticError(
                f"the loss is {record.train_loss} in epoch {epoch}; try a lower LEARNING_RATE"
            )
        if epoch % spec.eval_steps == 0 or epoch == epochs:
            val_logits = predict_logits(average.module, encoded, val_rows, device)
            scheduler.after_evaluation(best.consider(record, val_logits, target[val_rows], average.module))
        log.info("epoch %d of %d", epoch, epochs, extra=record.model_dump(exclude={"epoch"}))
        if options.scheduler == "plateau" and 0 < options.patience <= best.stale and epoch < epochs:
            notes.append(
                f"stopped after epoch {epoch}: {best.stale} validation passes bettered neither loss nor accuracy"
            )
            break

    network.load_state_dict(best.state)

    def predict(frame: pl.DataFrame) -> NDArray[np.float32]:
        again, _ = features.encode(frame, data.images, params.workdir / "cache" / "predict.npy")
        logits = predict_logits(network, again, np.arange(len(frame)), device)
        probabilities: NDArray[np.float32] = torch.softmax(logits, 1).numpy()
        return probabilities

    report = TrainingReport.of_best(
        history,
        best.epoch,
        best.matrix,
        data.labels,
        device=str(device),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        notes=notes,
    )
    artifacts = Artifacts(
        model_type="multimodal",
        state_dict={name: tensor.cpu().contiguous().numpy() for name, tensor in best.state.items()},
        id2label=dict(enumerate(data.labels)),
        preprocessing={"features": features.to_json(), "width": options.width},
        predict=predict,
    )
    return report, artifacts


def _encode(features: Features, params: TrainParams[Params]) -> tuple[Encoded, list[str]]:
    reporter, data = params.reporter, params.data
    reporter.phase(Phase.PREPARING, "decoding images and encoding rows")
    cache = params.workdir / "cache" / "images.npy"
    encoded, broken = features.encode(data.frame, data.images, cache, reporter.progress)
    reporter.phase(Phase.TRAINING)
    if not broken:
        return encoded, []
    return encoded, [f"{len(broken)} images cannot be decoded and count as missing, e.g. {broken[0]}"]
