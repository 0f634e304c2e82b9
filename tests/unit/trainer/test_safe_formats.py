"""Files that somebody else may have written: none of them runs code when it is read, and a model's name is never a path."""

from __future__ import annotations

import ast
import json
import math
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from contracts.job import InvalidSpec, JobSpec
from support.trainer_jobs import job_env
from trainer.artifacts import ID2LABEL, PREPROCESSING, WEIGHTS
from trainer.checkpoint import NAME, Checkpoints
from trainer.errors import DataError
from trainer.models import catalogue
from trainer.models.multimodal.pretrained import load_pretrained
from trainer.saved import load_model
from trainer.settings import Settings

ROOT = Path(__file__).parents[3]


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


@pytest.fixture
def mark(tmp_path):
    """What a payload makes; it must never be there."""
    path = tmp_path / "code-ran"
    yield path
    assert not path.exists(), "the payload ran"


def plain_pickle(path, mark):
    path.write_bytes(pickle.dumps({"weight": Payload(mark)}))


def torch_file(path, mark):
    torch.save({"weight": Payload(mark), "fingerprint": "f"}, path)


def old_torch_file(path, mark):
    torch.save({"weight": Payload(mark), "fingerprint": "f"}, path, _use_new_zipfile_serialization=False)


def numpy_file(path, mark):
    with path.open("wb") as file:  # numpy would put .npy behind the name
        np.save(file, np.array([Payload(mark)], dtype=object), allow_pickle=True)


HOSTILE = pytest.mark.parametrize("write", [plain_pickle, torch_file, old_torch_file, numpy_file])


def test_the_payloads_would_run(tmp_path):
    """What the other tests rest on."""
    plain_pickle(tmp_path / "file", tmp_path / "ran")
    pickle.loads((tmp_path / "file").read_bytes())  # noqa: S301 - our own
    assert (tmp_path / "ran").exists()


@HOSTILE
def test_a_checkpoint_that_holds_code_is_left_alone_with_a_warning(tmp_path, mark, caplog, write):
    (tmp_path / "earlier").mkdir()
    (tmp_path / "work").mkdir()
    write(tmp_path / "earlier" / NAME, mark)
    resume = [f"file://{tmp_path}/earlier/{NAME}"]
    checkpoints = Checkpoints(
        tmp_path / "work", resume, f"file://{tmp_path}/out", save_seconds=0, store_seconds=math.inf
    )
    assert checkpoints.load("f") is None
    assert f"the checkpoint {NAME} cannot be read, training begins anew" in caplog.text


@HOSTILE
@pytest.mark.parametrize("suffix", ["pth", "pt", "safetensors"])
def test_pretrained_weights_that_hold_code_are_refused_by_name(tmp_path, mark, write, suffix):
    file = tmp_path / f"resnet18.{suffix}"
    write(file, mark)
    with pytest.raises(DataError, match=f"{file.name} does not hold the weights of resnet18"):
        load_pretrained("resnet18", file)


@HOSTILE
def test_a_saved_models_weights_that_hold_code_are_refused(tmp_path, mark, write):
    write(tmp_path / WEIGHTS, mark)
    (tmp_path / ID2LABEL).write_text('{"0": "a"}')
    (tmp_path / PREPROCESSING).write_text(json.dumps({"model": "multimodal", "columns": [], "target": "t"}))
    with pytest.raises(DataError, match="holds no model that can be opened here"):
        load_model(tmp_path, Settings())


@pytest.mark.parametrize("text", ["{", "[]", '"os"', "\x80"])
def test_a_description_that_is_none_is_refused(tmp_path, text):
    (tmp_path / PREPROCESSING).write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=f"{PREPROCESSING} (does not hold JSON|holds no JSON object)"):
        load_model(tmp_path, Settings())


# What __import__, open() or a join of paths would make something of
NO_MODELS = [
    "../x", "..", ".", "/etc", "/etc/passwd", "a/b", "a\\b", "os", "sys", "os.path", "trainer.models.multimodal",
    "multimodal.train", "multimodal/", "./multimodal", "../models/multimodal", "MULTIMODAL", "multimodal\x00",
    "multimodal;id", "$(id)", "{0}", "\N{FULLWIDTH LATIN SMALL LETTER M}ultimodal", "mult\N{CYRILLIC SMALL LETTER I}modal", "multimodal\N{ZERO WIDTH SPACE}",
    "__init__", "catalogue", "a" * 65, "%2e%2e", "file:///etc", "s3://bucket/model", "",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_MODELS)
def test_a_model_is_a_name_of_the_catalogue_and_never_a_path(tmp_path, name):
    before = set(sys.modules)
    with pytest.raises(InvalidSpec, match="MODEL"):
        catalogue.find(JobSpec.from_env({**job_env(tmp_path), "MODEL": name}).model)
    with pytest.raises(InvalidSpec, match="MODEL: there is no model"):
        catalogue.find(name)
    assert set(sys.modules) == before, "nothing was imported for it"


@pytest.mark.parametrize("name", [*NO_MODELS, ["multimodal"], {"multimodal": 1}, None, 7])
def test_nor_is_it_one_in_what_was_saved(tmp_path, name):
    (tmp_path / ID2LABEL).write_text('{"0": "a"}')
    (tmp_path / PREPROCESSING).write_text(json.dumps({"model": name, "columns": [], "target": "t"}))
    with pytest.raises(DataError, match="holds no model that can be opened here"):
        load_model(tmp_path, Settings())


def test_a_spec_is_not_made_with_such_a_name_either():
    with pytest.raises(ValidationError, match="model"):
        JobSpec(model="multimodal\n", job_id="j", assets=[], target_col="t")


def test_no_source_reads_a_format_that_can_hold_code():
    """torch.load without weights_only, pickles, numpy's pickles and YAML's objects, wherever the platform's code is."""
    found = []
    for room in ("cli", "client", "contracts", "runtime", "services", "tabular", "trainer", "ui"):
        for path in (ROOT / room).rglob("*.py"):
            found += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
                for node in ast.walk(ast.parse(path.read_text("utf-8")))
                if isinstance(node, ast.Call) and _reads_code(node)
            ]
    assert found == []


def _reads_code(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if name == "torch.load":
        return given.get("weights_only") != "True"
    if name in {"np.load", "numpy.load"}:
        return given.get("allow_pickle", "False") != "False"
    return name.split(".")[0] in {"pickle", "joblib", "marshal", "shelve", "dill", "cloudpickle"} or name in {
        "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "exec",
    }  # fmt: skip
