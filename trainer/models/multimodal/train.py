"""Train the multimodal network, from fitted encoders to the best state; reads from top to bottom."""

from __future__ import annotations

import copy
import logging
import math
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from trainer import scores
from trainer.cpu import cpu_limit
from trainer.models.multimodal.batches import Augmentation, gather, shuffled
from trainer.models.multimodal.evaluation import choose_device, predict_logits
from trainer.models.multimodal.features import Features
from trainer.models.multimodal.network import Network
from trainer.models.multimodal.optimization import Schedule, choose_batch_size, class_weights, warm_average
from trainer.results import Artifacts, EpochRecord, TrainingReport

if TYPE_CHECKING:
    from trainer.models.multimodal.params import Params
    from trainer.results import TrainParams

log = logging.getLogger(__name__)

POINTS_PER_EPOCH = 20
MAX_GRADIENT = 5.0


def train(params: TrainParams[Params]) -> tuple[TrainingReport, Artifacts]:
    """Train the network; see the module's sentence."""
    spec, options, data, reporter = params.spec, params.model, params.data, params.reporter
    torch.set_num_threads(min(cpu_limit(), torch.get_num_threads()))  # OMP_NUM_THREADS may say less
    torch.manual_seed(spec.seed)
    random = np.random.default_rng(spec.seed)
    device = choose_device(options.device)
    train_rows, val_rows = data.split.train, data.split.val

    # encoders fitted on the training rows alone, then every row encoded once
    features = Features.fit(data.frame[train_rows], data.columns, options)
    encoded, broken = features.encode(data.frame, data.images, params.workdir / "cache" / "images.npy")
    target = torch.tensor(data.target)
    notes = (
        [f"{len(broken)} images cannot be decoded and count as missing, e.g. {broken[0]}"] if broken else []
    )

    batch_size = choose_batch_size(len(train_rows), spec.batch_size, options.steps_per_epoch)
    if batch_size < spec.batch_size:
        notes.append(f"batches of {batch_size} rows instead of {spec.batch_size}: the table is small")
    steps_per_epoch = math.ceil(len(train_rows) / batch_size)
    report_every = math.ceil(steps_per_epoch / POINTS_PER_EPOCH)

    classes = len(data.labels)
    network = Network(
        features.shapes(encoded), options.width, options.dropout, options.modality_dropout, classes
    )
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=warm_average, use_buffers=True)
    optimizer = torch.optim.AdamW(
        network.parameters(), spec.learning_rate, weight_decay=options.weight_decay, fused=True
    )
    scheduler = Schedule(options.scheduler, optimizer, spec.epochs * steps_per_epoch)
    weights = class_weights(data.target[train_rows], classes).to(device) if options.class_weights else None
    augmentation = Augmentation(options.horizontal_flip) if options.augment else None

    history: list[EpochRecord] = []
    best_accuracy, best_epoch, best_state = -1.0, 0, network.state_dict()
    best_loss, stale = math.inf, 0
    best_matrix = np.zeros((classes, classes), np.int64)
    step, started = 0, time.monotonic()

    for epoch in range(1, spec.epochs + 1):
        network.train()
        epoch_started = since = time.monotonic()
        loss_sum, hits, seen = torch.zeros((), device=device), torch.zeros((), device=device), 0
        recent = [0.0, 0.0, 0]  # loss, hits and rows up to the last report
        for rows in shuffled(train_rows, batch_size, random):
            batch, truth = gather(encoded, rows, device, augmentation), target[rows].to(device)
            logits = network(batch)
            loss = functional.cross_entropy(logits, truth, weights, label_smoothing=options.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT)
            optimizer.step()
            average.update_parameters(network)
            scheduler.after_step()
            step += 1
            seen += len(rows)
            loss_sum += loss.detach() * len(rows)
            hits += (logits.detach().argmax(1) == truth).sum()
            if step % report_every == 0:
                now, rows_since = time.monotonic(), seen - recent[2]
                values = {
                    "loss": (loss_sum.item() - recent[0]) / rows_since,
                    "accuracy": (hits.item() - recent[1]) / rows_since,
                    "learning_rate": scheduler.learning_rate,
                    "samples_per_second": rows_since / max(1e-9, now - since),
                }
                reporter.point("train", step, step / steps_per_epoch, values)
                recent, since = [loss_sum.item(), hits.item(), seen], now
                share = step / (spec.epochs * steps_per_epoch)
                reporter.progress(share, (now - started) * (1 - share) / share)

        record = EpochRecord(
            epoch=epoch,
            step=step,
            learning_rate=scheduler.learning_rate,
            train_loss=loss_sum.item() / seen,
            train_accuracy=hits.item() / seen,
            seconds=time.monotonic() - epoch_started,
        )
        if not math.isfinite(record.train_loss):
            raise ArithmeticError(
                f"the training loss is {record.train_loss} in epoch {epoch}; try a lower LEARNING_RATE"
            )
        history.append(record)
        if epoch % spec.eval_steps == 0 or epoch == spec.epochs:
            logits = predict_logits(average.module, encoded, val_rows, device)
            truth = target[val_rows]
            matrix = scores.confusion_matrix(data.target[val_rows], logits.argmax(1).numpy(), classes)
            record.val_loss = functional.cross_entropy(logits, truth).item()
            record.val_accuracy, record.val_macro_f1 = scores.accuracy(matrix), scores.macro_f1(matrix)
            scheduler.after_evaluation(record.val_loss)
            better = record.val_accuracy > best_accuracy
            if better:
                best_accuracy, best_epoch, best_matrix = record.val_accuracy, epoch, matrix
                best_state = copy.deepcopy(average.module.state_dict())
            stale = 0 if better or record.val_loss < best_loss else stale + 1
            best_loss = min(best_loss, record.val_loss)
            values = {
                "loss": record.val_loss,
                "accuracy": record.val_accuracy,
                "macro_f1": record.val_macro_f1,
            }
            reporter.point("val", step, epoch, values)
            reporter.evaluation(step, epoch, data.labels, matrix.tolist(), best=better)
        log.info("epoch %d of %d", epoch, spec.epochs, extra=record.model_dump(exclude={"epoch"}))
        if (
            options.patience
            and stale >= options.patience
            and options.scheduler == "plateau"
            and epoch < spec.epochs
        ):
            notes.append(
                f"stopped after epoch {epoch}: {stale} validation passes bettered neither loss nor accuracy"
            )
            break

    network.load_state_dict(best_state)
    probabilities = torch.softmax(predict_logits(network, encoded, val_rows, device), 1).numpy()
    parameters = sum(parameter.numel() for parameter in network.parameters())
    report = TrainingReport.of_best(
        history, best_epoch, best_matrix, data.labels, device=str(device), parameters=parameters
    )
    report.notes.extend(notes)
    artifacts = Artifacts(
        model_type="multimodal",
        state_dict={name: tensor.cpu().contiguous().numpy() for name, tensor in best_state.items()},
        id2label=dict(enumerate(data.labels)),
        preprocessing={"features": features.to_json(), "width": options.width},
        val_probabilities=probabilities,
    )
    return report, artifacts
