"""Train the multimodal network, from fitted encoders to the best state; reads from top to bottom."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

import torch
from torch.optim.swa_utils import AveragedModel

from contracts.callback import Phase
from trainer.errors import DataError
from trainer.models.multimodal.augmentation import Augmentation
from trainer.models.multimodal.batches import Shuffle, gather, put
from trainer.models.multimodal.evaluation import choose_device, predict_together, use_bfloat16
from trainer.models.multimodal.network import Network
from trainer.models.multimodal.optimization import (
    AdamWithSharedScale,
    Loss,
    Schedule,
    choose_batch_size,
    warm_average,
)
from trainer.models.multimodal.prepare import prepare
from trainer.models.multimodal.presets import Settings
from trainer.models.multimodal.ranks import Ranks
from trainer.models.multimodal.result import result
from trainer.models.multimodal.state import Progress, Running
from trainer.models.multimodal.tracking import Best, Meter

if TYPE_CHECKING:
    from trainer.models.multimodal.params import Params
    from trainer.models.multimodal.prepare import Prepared
    from trainer.models.multimodal.state import Trained
    from trainer.results import Artifacts, TrainingReport, TrainParams

log = logging.getLogger(__name__)

MAX_GRADIENT = 5.0


def train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    """Train the networks one after the other; see the module's sentence.

    Raises:
        DataError: What the job asks for cannot be had: a GPU, pretrained weights. Or the loss became no finite number before
            there was a state worth keeping.
    """
    settings = Settings.of(params.spec, params.model)
    device = choose_device(settings.device, params.process)
    params.reporter.phase(Phase.PREPARING, "decoding images and encoding rows")
    prepared = prepare(params, settings, device)

    params.reporter.phase(Phase.TRAINING)
    with Ranks.join(params.process, device) as ranks:
        progress = Progress.resume(params, settings, ranks, prepared.digest())
        for number in range(len(progress.done), settings.networks):
            if progress.done and progress.out_of_time():
                break
            trained = train_one(params, settings, prepared, progress, number)
            if trained is None:
                break
            progress.done.append(trained)
    if not progress.done:
        raise DataError(progress.notes[-1])
    return result(params, settings, prepared, progress)


def train_one(
    params: TrainParams[Params], settings: Settings, prepared: Prepared, progress: Progress, number: int
) -> Trained | None:
    """Train one network from scratch, or on from where an earlier attempt left it.

    Returns:
        Its best state; None where its loss became no finite number before there was one.
    """
    spec, data, device, ranks = params.spec, params.data, prepared.device, progress.ranks
    train_rows, val_rows = data.split.train, data.split.val
    target, classes = torch.tensor(data.target), len(data.labels)
    torch.manual_seed(spec.seed + number)
    batch_size = choose_batch_size(len(train_rows), settings.batch_size, settings.steps_per_epoch)
    shuffle = Shuffle(train_rows, batch_size, spec.seed + number)

    network = Network(prepared.shapes, prepared.architecture, classes)
    prepared.initialise(network, train_rows)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's own hint lacks it
    forward = ranks.connect(network)
    average = AveragedModel(network, multi_avg_fn=warm_average(settings.averaged_steps), use_buffers=True)
    averaged: Network = average.module  # type: ignore[assignment]
    optimizer = AdamWithSharedScale(network, settings.learning_rate, settings.weight_decay)
    scheduler = Schedule(settings.scheduler, optimizer, settings.epochs * shuffle.steps)
    loss_of = Loss.of(settings, data.target[train_rows], classes, device)
    half = use_bfloat16(settings.precision, device)
    augment = Augmentation(settings.horizontal_flip) if settings.augment else None

    meter = Meter(params.reporter, settings, number, shuffle.steps, progress.history, device, ranks)
    best = Best(data.labels, params.reporter)
    everything = Running(network, average, optimizer, scheduler, meter, best, shuffle)
    for epoch in range(progress.restore(everything), settings.epochs + 1):
        network.train()
        meter.start_epoch()
        for rows in shuffle.epoch():
            own = ranks.share(rows)
            batch, truth = gather(prepared.encoded, own, device, augment), put(data.target[own], device)
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                logits = forward(batch)
                loss = loss_of(logits, truth)
            optimizer.zero_grad(set_to_none=True)
            (loss * ranks.scale(len(own), len(rows))).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
            optimizer.step()
            average.update_parameters(network)
            meter.add(loss, logits, truth, scheduler.learning_rate)
            scheduler.after_step()
            if progress.out_of_time():
                break
            progress.keep(everything, epoch)  # an epoch may take longer than a machine is lent for

        out_of_time = progress.out_of_time()
        record = meter.record(epoch, scheduler.learning_rate)
        if not math.isfinite(record.train_loss):
            progress.note_divergence(number, epoch, record.train_loss)
            return best.trained() if best.sound else None
        progress.history.append(record)
        if epoch % spec.eval_steps == 0 or epoch == settings.epochs or out_of_time:
            guesses = predict_together(averaged, prepared.encoded, val_rows, device, ranks)
            scheduler.after_evaluation(best.consider(record, guesses, target[val_rows], averaged))
        log.info("epoch %d of %d", epoch, settings.epochs, extra=record.model_dump(exclude={"epoch"}))
        if out_of_time or (settings.scheduler == "plateau" and 0 < settings.patience <= best.stale):
            break
        progress.keep(everything, epoch + 1)
    return best.trained()
