"""One model: a folder with params.py, train.py and predict.py, in this package or elsewhere. What breaks in it is told as its own."""

from __future__ import annotations

import importlib
import sys
import traceback
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from contracts.job import MODALITIES, InvalidSpec
from trainer.errors import DataError, ModelError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import polars as pl
    from numpy.typing import NDArray
    from torch.export import ExportedProgram

    from trainer.inputs import ImageFolder
    from trainer.models.catalogue import ModelParams
    from trainer.results import Artifacts, TrainingReport, TrainParams

OWN_FOLDER = Path(__file__).parent
# Models from elsewhere are imported below this name, wherever their folders lie and whatever those are called
FOREIGN_PACKAGE = "triptych_models"
TRIED_ROWS = 256


class Model:
    """A model by its folder. Only params.py is imported at first; the rest, and what is heavy with it, by ``load``."""

    def __init__(self, folder: Path) -> None:
        """Read the model's parameters.

        Raises:
            ModelError: They cannot be.
        """
        self.folder = folder
        self.name = folder.name
        with self._blamed("cannot be loaded"):
            self.params_class = _checked_params(getattr(self._module("params"), "Params", None))

    def params(self, values: Mapping[str, Any]) -> ModelParams:
        """Check the values of MODEL_PARAMS.

        Raises:
            InvalidSpec: With every problem, each naming its parameter.
        """
        try:
            return self.params_class.model_validate(dict(values))
        except ValidationError as error:
            raise InvalidSpec([self._explain(entry) for entry in error.errors()]) from None

    def install(self, layers: Path) -> None:
        """Make importable what the model's requirements.txt names; see ``trainer.layers``.

        Raises:
            ModelError: It cannot be installed.
        """
        from trainer.layers import activate  # noqa: PLC0415 - of use to few models

        with self._blamed("cannot be loaded"):
            activate(self.folder, layers)

    def load_train(self) -> Callable[[TrainParams[Any]], tuple[TrainingReport, Artifacts]]:
        """Import all of the model's code, and give its ``train`` with what it gives back checked.

        What this returns raises ModelError where the model fails, or gives back what it should not, and DataError as the
        model does; so does the ``predict`` of its artifacts.

        Raises:
            ModelError: The code cannot be imported, or lacks a function. ``predict`` of predict.py is looked for too: a model
                that nobody can predict with should not train for hours.
        """
        self._function("predict")
        train = self._function("train")
        return lambda params: self._train(train, params)

    def predict(
        self,
        fitted: Mapping[str, Any],
        state: Mapping[str, NDArray[Any]],
        frame: pl.DataFrame,
        images: ImageFolder | None,
        classes: int,
    ) -> NDArray[Any]:
        """Run the model's ``predict`` on saved artifacts and check what it gives back; ``classes`` is their number.

        Raises:
            ModelError: The model fails, or gives back what it should not.
        """
        predict = self._function("predict")
        return self._probabilities(lambda: predict(fitted, state, frame, images), len(frame), classes)

    def export(self, fitted: Mapping[str, Any], state: Mapping[str, NDArray[Any]]) -> ExportedProgram:
        """Run the model's ``export``, which a torch network has in export.py, on saved artifacts.

        Raises:
            DataError: The model has none.
            ModelError: The model fails.
        """
        if not (self.folder / "export.py").is_file():
            raise DataError(f"model {self.name} has no export.py: there is no program to export")
        export = self._function("export")
        with self._blamed("failed in its export"):
            program: ExportedProgram = export(fitted, state)
            return program

    def describe(self) -> dict[str, Any]:
        """Give what the platform shows of it."""
        return {
            "name": self.name,
            "title": self.params_class.TITLE,
            "description": self.params_class.DESCRIPTION,
            "modalities": list(self.params_class.MODALITIES),
            "params_schema": self.params_class.model_json_schema(),
        }

    def _train(self, train: Callable[..., Any], params: TrainParams[Any]) -> tuple[TrainingReport, Artifacts]:
        from trainer.models import checks  # noqa: PLC0415 - numpy, which reading parameters can do without

        data, classes = params.data, len(params.data.labels)
        with self._blamed("failed in training"):
            report, artifacts = checks.check_result(train(params), self.name, data)

        def predict(frame: pl.DataFrame) -> NDArray[Any]:
            return self._probabilities(lambda: artifacts.predict(frame), len(frame), classes)

        # asked once here: later, a model that cannot answer would only lack a part of its report
        predict(data.frame[data.split.val[:TRIED_ROWS]])
        return report, replace(artifacts, predict=predict)

    def _function(self, name: str) -> Callable[..., Any]:
        with self._blamed("cannot be loaded"):
            function: Callable[..., Any] | None = getattr(self._module(name), name, None)
            if not callable(function):
                raise ModelError(f"{name}.py defines no function {name}")
            return function

    def _module(self, name: str) -> ModuleType:
        if not (self.folder / f"{name}.py").is_file():
            raise ModelError(f"{name}.py is not in {self.folder}")
        if self.folder.parent == OWN_FOLDER:
            return importlib.import_module(f"{__package__}.{self.name}.{name}")
        root = sys.modules.setdefault(FOREIGN_PACKAGE, ModuleType(FOREIGN_PACKAGE))
        root.__path__ = [str(self.folder.parent)]
        importlib.invalidate_caches()
        return importlib.import_module(f"{FOREIGN_PACKAGE}.{self.name}.{name}")

    def _probabilities(self, predict: Callable[[], Any], rows: int, classes: int) -> NDArray[Any]:
        from trainer.models import checks  # noqa: PLC0415 - as in _train

        with self._blamed("failed in prediction"):
            return checks.check_probabilities(predict(), rows, classes)

    @contextmanager
    def _blamed(self, how: str) -> Iterator[None]:
        """Tell what goes wrong inside as the model's fault, but for what its user can mend in the data or the settings, and the store's."""
        try:
            yield
        except (DataError, InvalidSpec, StoreError):
            raise
        except ModelError as error:
            raise ModelError(f"model {self.name} {how}: {error}") from None
        except (
            Exception,
            SystemExit,
        ) as error:  # a model that calls sys.exit must not end the job unreported
            raise ModelError(
                f"model {self.name} {how}: {type(error).__name__}: {error}{self._where(error)}"
            ) from error

    def _where(self, error: BaseException) -> str:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if Path(frame.filename).is_relative_to(self.folder)]
        return f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""

    def _explain(self, error: Mapping[str, Any]) -> str:
        name = ".".join(str(part) for part in error["loc"])
        if error["type"] == "extra_forbidden":
            known = ", ".join(self.params_class.model_fields) or "none"
            return f"MODEL_PARAMS: model {self.name} has no parameter {name!r}; it has {known}"
        return f"MODEL_PARAMS: {name}: {error['msg']}, got {error['input']!r}"


def _checked_params(found: Any) -> type[ModelParams]:
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise ModelError("params.py defines no class Params(ModelParams)")
    for name in ("TITLE", "DESCRIPTION"):
        if not isinstance(getattr(found, name, None), str):
            raise ModelError(f"params.py: Params.{name} is not a text")
    modalities = getattr(found, "MODALITIES", None)
    if not isinstance(modalities, tuple) or not modalities or not set(modalities) <= set(MODALITIES):
        raise ModelError(f"params.py: Params.MODALITIES is not a tuple of some of {', '.join(MODALITIES)}")
    found.model_json_schema()  # raises where a field has none
    params_class: type[ModelParams] = found  # type: ignore[assignment]  # as good as one
    return params_class
