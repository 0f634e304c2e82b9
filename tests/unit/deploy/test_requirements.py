"""deploy/requirements says what pyproject.toml and constraints.txt say; scripts/image_requirements.py writes it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.dockerfile import parse

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MARKERS = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.15",
    "python_version": "3.11",
    "sys_platform": "linux",
}


def _script():
    spec = importlib.util.spec_from_file_location(
        "image_requirements", ROOT / "scripts/image_requirements.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()
FILES = SCRIPT.files()


def pins(path):
    """Read NAME==VERSION of a requirements file, and the hashes of each."""
    read = {}
    for entry in re.split(r"\n(?=\S)", path.read_text("utf-8")):
        if found := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", entry):
            read[canonicalize_name(found[1])] = (found[2], re.findall(r"--hash=sha256:[0-9a-f]{64}\b", entry))
    return read


CONSTRAINTS = {name: version for name, (version, _) in pins(ROOT / "constraints.txt").items()}


def wanted(extras):
    """Give the project's requirements with some extras, those that name others of its extras followed."""
    found = [*PROJECT["dependencies"]]
    for extra in extras:
        found += PROJECT["optional-dependencies"][extra]
    requirements = [Requirement(text) for text in found]
    own = [each for each in requirements if each.name == PROJECT["name"]]
    rest = [each for each in requirements if each.name != PROJECT["name"]]
    return rest + [inner for each in own for inner in wanted(each.extras)]


def closure(requirements):
    """Give all that the installed packages of these names need, in turn, on the images' system."""
    names, queue = set(), [(each, "") for each in requirements]
    seen = set()
    while queue:
        requirement, extra = queue.pop()
        if requirement.marker and not requirement.marker.evaluate({**MARKERS, "extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        names.add(name)
        for inner in ("", *requirement.extras):
            if (name, inner) not in seen:
                seen.add((name, inner))
                queue += [(Requirement(text), inner) for text in importlib.metadata.requires(name) or ()]
    return names


def test_they_are_for_the_python_of_the_images():
    base = parse(ROOT / "services/api/Dockerfile").arguments["PYTHON_IMAGE"]
    assert base.partition(":")[2].partition("-")[0] == SCRIPT.PYTHON == MARKERS["python_full_version"]


def test_there_is_a_file_for_every_image_and_no_other():
    assert {path.stem for path in (ROOT / "deploy/requirements").iterdir()} == set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_pins_what_constraints_do_with_hashes(name):
    # Where this fails, run scripts/image_requirements.py
    for package, (version, hashes) in pins(ROOT / f"deploy/requirements/{name}.txt").items():
        assert hashes, package
        expected = CONSTRAINTS.get(package, version)
        assert version == (f"{expected}+cpu" if (package, name[-4:]) == ("torch", "-cpu") else expected), (
            package
        )


@pytest.mark.parametrize("name", FILES)
def test_a_file_has_what_the_image_s_extras_need_and_nothing_else(name):
    # As above
    there = set(pins(ROOT / f"deploy/requirements/{name}.txt"))
    needed = closure(wanted(FILES[name]))
    if name.endswith("-cuda"):
        # Only a machine with that build of torch knows what else it needs
        assert needed <= there
        assert all(re.match(r"nvidia-|cuda-|triton$", package) for package in there - needed)
        assert "nvidia-cublas" in there
    else:
        assert there == needed
