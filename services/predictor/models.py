"""The models that are kept loaded, each in a process of its own; the one used longest ago makes room for another."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from contracts.prediction import PredictionAnswer
from services.predictor.process import Ended, ModelProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from contracts.prediction import PredictionTask


class Models:
    """Models by the URI of their artifacts; safe from several threads, of which one at a time asks a model."""

    def __init__(
        self, start: Callable[[str], ModelProcess], *, most: int, load_seconds: float, task_seconds: float
    ) -> None:
        """Take how to start a process for some artifacts, how many may be there, and how long loading and a task may take."""
        self._start = start
        self._most = most
        self._load_seconds = load_seconds
        self._task_seconds = task_seconds
        self._idle: OrderedDict[str, ModelProcess] = OrderedDict()  # the one used longest ago first
        self._busy = 0
        self._lock = threading.Lock()

    def predict(self, artifacts: str, task: PredictionTask) -> PredictionAnswer:
        """Do a task with a job's model, which is loaded first where it is not; whatever goes wrong is the answer."""
        process = self._take(artifacts)
        try:
            if process is not None:
                try:
                    return self._ask(artifacts, process, task)
                except Ended:
                    pass  # it had been idle for long, or was killed in its sleep: a new one may do
            process = self._start(artifacts)
            return self._load_and_ask(artifacts, process, task)
        except Ended as end:
            return PredictionAnswer(error=f"The model's process ended: {end}.")
        finally:
            with self._lock:
                self._busy -= 1

    def close(self) -> None:
        """Stop every process that is idle."""
        with self._lock:
            while self._idle:
                self._idle.popitem()[1].stop()

    def _take(self, artifacts: str) -> ModelProcess | None:
        """Take the model's process if it is there and idle; otherwise make room for one."""
        with self._lock:
            self._busy += 1
            process = self._idle.pop(artifacts, None)
            while process is None and self._idle and len(self._idle) + self._busy > self._most:
                self._idle.popitem(last=False)[1].stop()
        return process

    def _load_and_ask(self, artifacts: str, process: ModelProcess, task: PredictionTask) -> PredictionAnswer:
        try:
            loaded = process.answer(self._load_seconds)
        except TimeoutError:
            return PredictionAnswer(
                error=f"The model was not loaded within {self._load_seconds:g} s (LOAD_SECONDS)."
            )
        if loaded.error:
            process.stop()
            return loaded
        return self._ask(artifacts, process, task)

    def _ask(self, artifacts: str, process: ModelProcess, task: PredictionTask) -> PredictionAnswer:
        process.ask(task)
        try:
            answer = process.answer(self._task_seconds)
        except TimeoutError:
            return PredictionAnswer(
                error=f"The prediction took longer than {self._task_seconds:g} s (PREDICTION_SECONDS); "
                "predict a smaller table, or raise the limit."
            )
        with self._lock:
            twin = self._idle.pop(artifacts, None)
            self._idle[artifacts] = process
        if twin is not None:
            twin.stop()  # two predictions by one model ran at a time
        return answer
