"""Models from outside the trainer: found by name, loaded by path; what breaks in one is told as its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from contracts.job import InvalidSpec
from support.models import PARAMS, PREDICT, TRAIN, write_model
from support.trainer_jobs import prepared, tiny_dataset, train
from trainer.errors import DataError, ModelError
from trainer.models import catalogue


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return tiny_dataset(tmp_path_factory.mktemp("tiny"))


def trained(dataset, folder):
    return train(dataset, MODEL=folder.name, more=[folder.parent])


def test_a_model_from_elsewhere_trains_and_predicts(dataset, tmp_path):
    folder = write_model(tmp_path, "elsewhere")
    data, report, artifacts = trained(dataset, folder)
    assert report.metrics["accuracy"] == pytest.approx(1 / 3)
    model = catalogue.find("elsewhere", [tmp_path])
    again = model.predict({}, artifacts.state_dict, data.frame, None, 3)
    assert np.array_equal(again, artifacts.predict(data.frame))
    assert model.params({"size": 4}).size == 4


def test_a_folder_may_have_an_init_and_more_modules(dataset, tmp_path):
    folder = write_model(tmp_path, "with_init", train="from .inner import train\n")
    (folder / "__init__.py").write_text('"""A package."""\n')
    (folder / "inner.py").write_text(TRAIN)
    assert trained(dataset, folder)[2].model_type == "with_init"


def test_both_kinds_are_listed(tmp_path):
    write_model(tmp_path, "a_new_one")
    models, problems = catalogue.describe([tmp_path])
    assert problems == []
    assert [model["name"] for model in models] == catalogue.names([tmp_path])
    assert {"a_new_one", "multimodal", "linear_baseline", "trees"} <= {model["name"] for model in models}
    assert (
        next(m for m in models if m["name"] == "a_new_one")["params_schema"]["properties"]["size"]["default"]
        == 3
    )


def test_a_name_that_is_taken_is_told_with_both_places(tmp_path):
    write_model(tmp_path / "one", "twin")
    write_model(tmp_path / "two", "twin")
    write_model(tmp_path / "two", "trees")
    more = [tmp_path / "one", tmp_path / "two"]
    for name, places in {"twin": more, "trees": [catalogue.OWN_FOLDER, tmp_path / "two"]}.items():
        with pytest.raises(InvalidSpec) as caught:
            catalogue.find(name, more)
        told = f"MODEL: '{name}' names more than one model: {places[0]}/{name} and {places[1]}/{name}; rename all but one"
        assert str(caught.value) == told
    models, problems = catalogue.describe(more)
    assert len(problems) == 2
    assert {"twin", "trees"}.isdisjoint(model["name"] for model in models)


def test_a_name_is_never_a_path(tmp_path):
    write_model(tmp_path, "outside")
    (tmp_path / "listed").mkdir()
    for name in ("../outside", str(tmp_path / "outside"), "outside/../outside", "."):
        with pytest.raises(InvalidSpec, match="there is no model"):
            catalogue.find(name, [tmp_path / "listed"])


def test_a_folder_that_is_not_there_is_told_and_harms_no_one(tmp_path):
    more = [tmp_path / "absent"]
    with pytest.raises(InvalidSpec, match=re.escape(f"MODELS_PATH: {tmp_path}/absent is no folder")):
        catalogue.find("mine", more)
    assert catalogue.find("trees", more).name == "trees"
    models, problems = catalogue.describe(more)
    assert problems == [f"{tmp_path}/absent is no folder"]
    assert [model["name"] for model in models] == catalogue.names()


BROKEN_PARAMS = {
    "syntax": ("def", r"SyntaxError: .*\(params.py, line 1\)"),
    "import": ("import no_such_thing", r"ModuleNotFoundError: No module named 'no_such_thing' \(params.py, line 1\)"),
    "exit": ("import sys; sys.exit(0)", r"SystemExit: 0 \(params.py, line 1\)"),
    "empty": ("", r"params.py defines no class Params\(ModelParams\)"),
    "other": ("Params = int", r"params.py defines no class Params\(ModelParams\)"),
    "untitled": (PARAMS.replace('    TITLE = "A title"', ""), r"params.py: Params.TITLE is not a text"),
    "senses": (PARAMS.replace('("tabular",)', '("smell",)'), "MODALITIES is not a tuple of some of image, text, tabular"),
    "schema": (PARAMS + "    f: type(lambda: 0)\n    model_config = {'arbitrary_types_allowed': True}\n", "Cannot generate a JsonSchema"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_PARAMS)
def test_parameters_that_cannot_be_read_are_told_and_leave_the_others_alone(tmp_path, case):
    text, reason = BROKEN_PARAMS[case]
    write_model(tmp_path, f"params_{case}", params=text)
    with pytest.raises(ModelError, match=f"^model params_{case} cannot be loaded: .*{reason}"):
        catalogue.find(f"params_{case}", [tmp_path])
    models, problems = catalogue.describe([tmp_path])
    assert len(problems) == 1
    assert [model["name"] for model in models] == catalogue.names()


BROKEN_CODE = {
    "import": ({"train": "\nimport no_such_thing"}, r"cannot be loaded: ModuleNotFoundError: .* \(train.py, line 2\)"),
    "syntax": ({"train": "def train(:"}, r"cannot be loaded: SyntaxError: invalid syntax \(train.py, line 1\)"),
    "no_train": ({"train": "x = 1"}, "cannot be loaded: train.py defines no function train"),
    "no_train_py": ({"train": None}, "cannot be loaded: train.py is not in "),
    "no_params_py": ({"params": None}, "cannot be loaded: params.py is not in "),
    "no_predict_py": ({"predict": None, "train": TRAIN.replace("from .predict", "#")}, "cannot be loaded: predict.py is not in "),
    "predict_import": ({"predict": "1 / 0"}, r"cannot be loaded: ZeroDivisionError: division by zero \(predict.py, line 1\)"),
    "raises": ({"train": "def train(params):\n    raise KeyError('x')"}, r"failed in training: KeyError: 'x' \(train.py, line 2\)"),
    "exits": ({"train": "import sys\ndef train(params):\n    sys.exit(0)"}, r"failed in training: SystemExit: 0 \(train.py, line 3\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN_CODE)
def test_code_that_fails_is_told_with_its_line(dataset, tmp_path, case):
    files, reason = BROKEN_CODE[case]
    folder = write_model(tmp_path, f"code_{case}", **files)
    with pytest.raises(ModelError, match=f"^model code_{case} {reason}"):
        model = catalogue.find(folder.name, [tmp_path])
        model.load_train()
        trained(dataset, folder)
    assert catalogue.find("dummy_model", [tmp_path]).name == "dummy_model"


def test_the_cause_keeps_its_own_traceback(dataset, tmp_path):
    folder = write_model(tmp_path, "with_cause", train="def train(params):\n    return 1 / 0")
    with pytest.raises(ModelError) as caught:
        trained(dataset, folder)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_what_a_user_can_mend_is_told_as_it_is(dataset, tmp_path):
    code = "from trainer.errors import DataError\ndef train(params):\n    raise DataError('too few rows')"
    folder = write_model(tmp_path, "picky", train=code)
    with pytest.raises(DataError, match=r"^too few rows$"):
        trained(dataset, folder)


WRONG_RESULTS = {
    "nothing": ("return report, Artifacts(", "return None if report else Artifacts(", "train returned NoneType; it must return (TrainingReport, Artifacts)"),
    "no_pair": ("report, Artifacts(", "Artifacts(", "train returned Artifacts; it must return"),
    "name": ('__name__.split(".")[-2]', '"trees"', "Artifacts.model_type is 'trees'; it must be the model's name, 'wrong_name'"),
    "labels": ("dict(enumerate(data.labels))", '{0: "a"}', "Artifacts.id2label is not dict(enumerate(data.labels))"),
    "state": ("state_dict=state", 'state_dict={"prior": [1, 2]}', "Artifacts.state_dict['prior'] is list; it must be a numpy array"),
    "objects": ("state_dict=state", 'state_dict={"p": np.array([{}])}', "state_dict['p'] is ndarray of object"),
    "json": ("preprocessing={}", 'preprocessing={"x": np.float32(1)}', "Artifacts.preprocessing cannot be written as JSON"),
    "nan": ("preprocessing={}", 'preprocessing={"x": float("nan")}', "Artifacts.preprocessing cannot be written as JSON"),
    "matrix": ("return report, Artifacts(", "report.confusion_matrix.pop()\n    return report, Artifacts(", "confusion_matrix has shape (2, 3) and sum 12"),
    "loss": ("return report, Artifacts(", 'report.metrics["loss"] = float("nan")\n    return report, Artifacts(', "TrainingReport cannot be written as JSON"),
    "metrics": ("return report, Artifacts(", 'del report.metrics["macro_f1"]\n    return report, Artifacts(', "TrainingReport.metrics lacks macro_f1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_RESULTS)
def test_a_wrong_result_is_told(dataset, tmp_path, case):
    right, wrong, reason = WRONG_RESULTS[case]
    assert right in TRAIN
    folder = write_model(tmp_path, f"wrong_{case}", train=TRAIN.replace(right, wrong))
    with pytest.raises(ModelError, match=f"^model wrong_{case} failed in training: .*{re.escape(reason)}"):
        trained(dataset, folder)


WRONG_ANSWERS = {
    "list": ("[[1.0]]", "predict returned list; it must return a numpy array of floats"),
    "whole": ("np.ones((len(frame), 3), int)", "predict returned ndarray of int64"),
    "shape": ("np.ones((len(frame), 2)) / 2", "predict returned shape (18, 2); it must be (rows, classes), here (18, 3)"),
    "rows": ("np.ones((1, 3)) / 3", "predict returned shape (1, 3)"),
    "nan": ("np.full((len(frame), 3), np.nan)", "predict returned NaN or infinity in 18 of 18 rows"),
    "sum": ("np.ones((len(frame), 3))", "predict returned no probabilities: the least is 1, rows sum to 3 to 3"),
    "sign": ("np.tile([-0.5, 1.0, 0.5], (len(frame), 1))", "the least is -0.5, rows sum to 1 to 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_ANSWERS)
def test_wrong_probabilities_are_told(dataset, tmp_path, case):
    answer, reason = WRONG_ANSWERS[case]
    predict = PREDICT.replace('np.tile(state["prior"], (len(frame), 1))', answer)
    folder = write_model(tmp_path, f"answer_{case}", predict=predict)
    told = f"^model answer_{case} failed in prediction: .*{re.escape(reason)}"
    with pytest.raises(ModelError, match=told):
        trained(dataset, folder)
    _, data = prepared(dataset)
    state = {"prior": np.ones(3) / 3}
    with pytest.raises(ModelError, match=told):
        catalogue.find(folder.name, [tmp_path]).predict({}, state, data.frame[data.split.val], None, 3)


def test_the_command_writes_what_can_be_used_and_tells_the_rest(tmp_path):
    write_model(tmp_path / "models", "sound")
    write_model(tmp_path / "models", "unsound", params="1 / 0")
    write_model(tmp_path / "models", "Loud-Name")
    done = subprocess.run(
        [sys.executable, "-m", "trainer.models.catalogue", "--out", str(tmp_path / "models.json")],
        env={**os.environ, "MODELS_PATH": f"{tmp_path}/models{os.pathsep}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert sorted(done.stderr.splitlines()) == [
        "left out: 'Loud-Name' is no name for a model: small letters, digits and _ after a letter",
        "left out: model unsound cannot be loaded: ZeroDivisionError: division by zero (params.py, line 1)",
    ]
    written = (tmp_path / "models.json").read_text()
    assert '"name": "sound"' in written
    assert '"name": "trees"' in written
    assert "unsound" not in written
