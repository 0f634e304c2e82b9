from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import contracts
from contracts.job import InvalidSpec
from trainer.models import catalogue

GENERATED = Path(contracts.__file__).parent / "models.json"


def test_the_generated_list_is_up_to_date():
    assert GENERATED.read_text(encoding="utf-8") == catalogue.to_json(catalogue.describe()[0]), (
        "run: python -m trainer.models.catalogue --out contracts/models.json"
    )


def test_listing_the_models_imports_nothing_heavy():
    code = (
        "import sys; from trainer.models import catalogue; catalogue.describe(); "
        "print({'torch', 'numpy', 'polars', 'sklearn'} & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_an_unknown_model_is_answered_with_those_there_are():
    with pytest.raises(
        InvalidSpec, match="there is no model 'resnet'; there are dummy_model, linear_baseline, multimodal, "
    ):
        catalogue.find("resnet")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dropout": 3}, "MODEL_PARAMS: dropout: Input should be less than 1, got 3"),
        ({"colour": 1}, "MODEL_PARAMS: model multimodal has no parameter 'colour'; it has preset, "),
        ({"scheduler": "step"}, "MODEL_PARAMS: scheduler: Input should be 'plateau' or 'cosine', got 'step'"),
    ],
)
def test_a_wrong_parameter_is_named(values, message):
    with pytest.raises(InvalidSpec) as caught:
        catalogue.find("multimodal").params(values)
    assert caught.value.problems[0].startswith(message)


def test_every_parameter_explains_itself():
    for name in catalogue.names():
        for parameter, schema in catalogue.find(name).describe()["params_schema"]["properties"].items():
            assert schema.get("description"), f"{name}.{parameter}"
