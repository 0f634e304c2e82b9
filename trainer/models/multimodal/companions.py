"""A linear model and boosted trees beside the networks: other models of the catalogue, trained on the same rows.

They err elsewhere than networks do, so that a pool of all answers is steadier than any of them, on small tables above all.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from trainer.features.saved import below, prefixed
from trainer.figures import log_loss
from trainer.models import catalogue
from trainer.reporter import SilentReporter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder
    from trainer.results import Artifacts, TrainParams

log = logging.getLogger(__name__)

NAMES = ("linear_baseline", "trees")
CAUTION = 0.1  # weight of the penalty that keeps weights near those of a plain mean of logarithms
LEAST_WEIGHT = 0.05  # a part of less is left out: it costs as much to ask as any other
FLOOR = 1e-6  # of a probability, so that no part can rule a class out alone


@dataclass(frozen=True)
class Blend:
    """What answers beside the networks, and how much each answer counts."""

    companions: dict[str, Artifacts]  # by name
    weights: list[float]  # of the networks, then of each companion

    def answer(self, own: NDArray[np.float32], frame: pl.DataFrame) -> NDArray[np.float32]:
        """Pool the networks' probabilities for some typed rows, (rows, classes), with the companions' for the same."""
        return blend([own, *(each.predict(frame) for each in self.companions.values())], self.weights)

    def to_saved(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Give what ``predict_companions`` takes: JSON, and arrays by name."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, each in self.companions.items():
            arrays |= prefixed(name, each.state_dict)
        return {name: each.preprocessing for name, each in self.companions.items()}, arrays

    @property
    def notes(self) -> list[str]:
        """What a person should know of it."""
        if not self.companions:
            return []
        parts = zip(["networks", *self.companions], self.weights, strict=True)
        return ["weights of the blend: " + ", ".join(f"{name} {weight:.2f}" for name, weight in parts)]


ALONE = Blend({}, [1.0])


def train_blend(
    params: TrainParams[Any], own: NDArray[np.float32], *, class_weights: bool
) -> tuple[Blend, NDArray[np.float32]]:
    """Train the companions, one after the other, and weigh them by the validation rows.

    Args:
        params: The job's; the companions choose their own epochs and learning rates.
        own: The networks' probabilities for the validation rows, shape (rows, classes).
        class_weights: Whether rare classes weigh more.

    Returns:
        The blend, and its probabilities for the validation rows.
    """
    data, trained = params.data, {}
    for name in NAMES:
        model = catalogue.find(name)
        its = replace(
            params,
            spec=params.spec.model_copy(update={"epochs": None, "learning_rate": None, "eval_steps": 1}),
            model=model.params({"class_weights": class_weights}),
            reporter=SilentReporter(),
        )
        report, trained[name] = model.load_train()(its)
        log.info("%s beside the networks", name, extra=report.metrics)
    val = data.frame[data.split.val]
    answers = [own, *(each.predict(val) for each in trained.values())]
    weights = choose_weights(answers, data.target[data.split.val]).tolist()
    answers = [answer for answer, weight in zip(answers, weights, strict=True) if weight]
    counting = {
        name: each for (name, each), weight in zip(trained.items(), weights[1:], strict=True) if weight
    }
    weights = [weight for weight in weights if weight]
    return Blend(counting, weights), blend(answers, weights)


def choose_weights(answers: Sequence[NDArray[np.float32]], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weigh parts of a blend so that their pool explains validation rows best, without straying far from equal weights.

    Args:
        answers: Each part's probabilities, shape (rows, classes).
        truth: Class numbers, shape (rows,).

    Returns:
        Weights from 0 to 2; parts that hardly count get 0, save the first.
    """
    from scipy.optimize import minimize  # type: ignore[import-untyped]  # noqa: PLC0415 - only for these few numbers

    equal = np.full(len(answers), 1 / len(answers))

    def cost(weights: NDArray[np.float64]) -> float:
        penalty = CAUTION * float(np.square(weights - equal).sum())
        return log_loss(_pool(answers, weights), truth) + penalty

    bounds = [(LEAST_WEIGHT, 2), *([(0, 2)] * (len(answers) - 1))]
    weights: NDArray[np.float64] = minimize(cost, equal, bounds=bounds, method="L-BFGS-B").x
    weights[weights < LEAST_WEIGHT] = 0
    return weights


def blend(answers: Sequence[NDArray[np.float32]], weights: Iterable[float]) -> NDArray[np.float32]:
    """Pool probabilities, shape (rows, classes): the normalised product of their powers (Genest and Zidek 1986).

    A plain mean would let one part's doubt spoil what two others know; a product adds up independent evidence.
    """
    return _pool(answers, weights).astype(np.float32)


def _pool(answers: Sequence[NDArray[np.float32]], weights: Iterable[float]) -> NDArray[np.float64]:
    # in double precision: a solver that feels its way by tiny steps would see none of them otherwise
    logs = [
        np.log(np.maximum(part, FLOOR, dtype=np.float64)) * weight
        for part, weight in zip(answers, weights, strict=True)
    ]
    pooled = np.sum(logs, axis=0)
    powers = np.exp(pooled - pooled.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def predict_companions(
    saved: Mapping[str, Any],
    state: Mapping[str, NDArray[Any]],
    frame: pl.DataFrame,
    images: ImageFolder | None,
    classes: int,
) -> list[NDArray[np.float32]]:
    """Ask each saved companion for its probabilities, shape (rows, classes)."""
    return [
        catalogue.find(name).predict(fitted, below(name, state), frame, images, classes)
        for name, fitted in saved.items()
    ]
