"""What a model requires, installed by the real pip from files: no network is needed."""

from __future__ import annotations

import importlib
import sys
import zipfile

import pytest

from support.models import write_model
from trainer import layers
from trainer.errors import ModelError


def wheel(folder, name, version="1.0", requires=""):
    """Write a wheel with one module that tells its version."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": "\n".join([*lines, *([f"Requires-Dist: {requires}"] if requires else [])]) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


@pytest.fixture
def wheels(tmp_path):
    """A folder of wheels, and an import system that forgets what a test has added."""
    path, modules = sys.path[:], set(sys.modules)
    yield tmp_path / "wheels"
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


@pytest.fixture
def layer_of(tmp_path, wheels):
    """Activate a model with these requirements; gives the folder of layers."""

    def activate(*lines):
        folder = tmp_path / "models" / "needy"
        if not folder.exists():
            write_model(folder.parent, folder.name)
        options = ["--no-index", f"--find-links {wheels}"]
        (folder / "requirements.txt").write_text("\n".join([*options, *lines]) + "\n")
        layers.activate(folder, tmp_path / "layers")
        return tmp_path / "layers"

    return activate


def test_only_what_the_trainer_lacks_is_installed_and_comes_last(layer_of, wheels):
    wheel(wheels, "tt_upper", requires="tt_lower")
    wheel(wheels, "tt_lower")
    wheel(wheels, "numpy", "9.9")
    root = layer_of("tt_upper", "numpy", "torch")
    (layer,) = root.iterdir()
    assert sorted(path.name for path in layer.glob("*.py")) == ["tt_lower.py", "tt_upper.py"]
    assert sys.path[-1] == str(layer)
    assert importlib.import_module("tt_upper").VERSION == "1.0"


def test_a_layer_is_used_again_and_renewed_when_its_requirements_change(layer_of, wheels):
    wheel(wheels, "tt_again")
    root = layer_of("tt_again")
    (first,) = root.iterdir()
    (wheels / "tt_again-1.0-py3-none-any.whl").unlink()  # so that pip could not do it again
    layer_of("tt_again")
    assert list(root.iterdir()) == [first]
    wheel(wheels, "tt_again", "2.0")
    layer_of("tt_again>=2")
    assert len(list(root.iterdir())) == 2


def test_a_layer_cannot_take_the_place_of_the_trainers_own(layer_of, wheels):
    wheel(wheels, "numpy", "9.9")
    with pytest.raises(
        ModelError, match=r"^requirements.txt cannot be installed: (.|\n)*numpy==9.9"
    ) as caught:
        layer_of("numpy==9.9")
    assert "The user requested (constraint) numpy==" in str(caught.value)


def test_what_cannot_be_found_is_told_in_pips_own_words(layer_of, tmp_path, wheels):
    wheels.mkdir()
    with pytest.raises(ModelError, match=r"No matching distribution found for tt_nowhere"):
        layer_of("tt_nowhere")
    assert list((tmp_path / "layers").iterdir()) == []


def test_another_job_may_be_faster(tmp_path, wheels):
    wheel(wheels, "tt_raced")
    model = write_model(tmp_path, "racer", requirements=f"--no-index\n--find-links {wheels}\ntt_raced\n")
    theirs = tmp_path / "layers" / "racer-0"
    theirs.mkdir(parents=True)
    (theirs / "tt_raced.py").write_text("VERSION = 'theirs'\n")
    layers._install(model / "requirements.txt", layers._own_packages(theirs.parent), theirs)
    assert (theirs / "tt_raced.py").read_text() == "VERSION = 'theirs'\n"
    assert list(theirs.parent.iterdir()) == [theirs]


def test_without_requirements_nothing_is_done(tmp_path):
    before = sys.path[:]
    layers.activate(write_model(tmp_path, "frugal"), tmp_path / "layers")
    assert sys.path == before
    assert not (tmp_path / "layers").exists()


def test_a_place_that_cannot_be_written_is_told(layer_of, tmp_path):
    (tmp_path / "layers").write_text("a file")
    with pytest.raises(
        ModelError, match=r"^MODEL_LAYERS_DIR: .* cannot be written: (Not a directory|File exists)"
    ):
        layer_of("numpy")


@pytest.mark.parametrize(
    ("entry", "pin"),
    [
        ({"url": "https://h/a.whl", "archive_info": {"hashes": {"sha256": "ab"}}}, "tt @ https://h/a.whl#sha256=ab"),
        ({"url": "file:///a.tar.gz", "archive_info": {}, "subdirectory": "sub"}, "tt @ file:///a.tar.gz#subdirectory=sub"),
        ({"url": "https://h/r.git", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}, "tt @ git+https://h/r.git@c0ffee"),
    ],
)  # fmt: skip
def test_what_was_resolved_is_named_exactly(entry, pin):
    assert layers._pin({"metadata": {"name": "tt"}, "download_info": entry}) == pin
