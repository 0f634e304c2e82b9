"""What a model's requirements.txt names and the trainer lacks, installed once into a folder of its own: a layer.

A layer comes behind the trainer's own packages on sys.path, so it can add to them but never take the place of one: torch,
numpy and the rest stay as they are for every model, and requirements that clash with them fail at installation.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import json
import logging
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)

REQUIREMENTS = "requirements.txt"
# -P: what lies in the model's folder is not in the way of pip's own imports
PIP = (sys.executable, "-P", "-m", "pip", "--disable-pip-version-check", "--no-input")
TOLD_LINES = 12  # of pip's output, in a reason


def activate(model: Path, root: Path) -> None:
    """Make what a model requires importable, installing it where no run before has.

    Args:
        model: The model's folder; without a requirements.txt there is nothing to do.
        root: Folder of all layers; made if it is missing.

    Raises:
        ModelError: It cannot be installed; with pip's own last lines.
    """
    requirements = model / REQUIREMENTS
    if not requirements.is_file():
        return
    own = _own_packages(root)
    layer = root / f"{model.name}-{_key(requirements, own)}"
    if not layer.is_dir():
        log.info("installing what model %s requires", model.name)
        try:
            _install(requirements, own, layer)
        except OSError as error:
            raise ModelError(f"MODEL_LAYERS_DIR: {root} cannot be written: {error.strerror}") from error
    sys.path.append(str(layer))
    importlib.invalidate_caches()


def _own_packages(layers: Path) -> list[str]:
    """List what the trainer itself has, as requirements that fit nothing else."""
    own = [path for path in sys.path if not Path(path).is_relative_to(layers)]
    found = {str(each.metadata["Name"]): each.version for each in importlib.metadata.distributions(path=own)}
    return sorted(f"{name}=={version}" for name, version in found.items() if name and version)


def _key(requirements: Path, own: list[str]) -> str:
    """Hash all that decides what is in a layer: the requirements, this Python, and the trainer's own packages."""
    parts = (sys.version, sysconfig.get_platform(), *own, requirements.read_text("utf-8"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _install(requirements: Path, own: list[str], layer: Path) -> None:
    """Install in two steps, and rename into place, so that no other job ever sees half a layer.

    The first step only resolves, against what the trainer has and is held to: ``pip install --target`` alone would fetch
    torch again for whatever depends on it. The second installs what is missing, and nothing else, into the new folder.
    """
    layer.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=layer.parent) as folder:
        work = Path(folder)
        (work / "own.txt").write_text("\n".join(own), "utf-8")
        resolve = ("--dry-run", "--report", str(work / "report.json"), "--constraint", str(work / "own.txt"))
        _pip(requirements.parent, "install", *resolve, "--requirement", str(requirements))
        report = json.loads((work / "report.json").read_text("utf-8"))
        pins = [_pin(entry) for entry in report["install"]]
        (work / "layer").mkdir()
        if pins:
            (work / "pins.txt").write_text("\n".join(pins), "utf-8")
            pinned = ("--no-deps", "--target", str(work / "layer"), "--requirement", str(work / "pins.txt"))
            _pip(requirements.parent, "install", *pinned)
        log.info(
            "installed %s", ", ".join(pin.partition(" @ ")[0] for pin in pins) or "nothing: all is there"
        )
        try:
            (work / "layer").rename(layer)
        except OSError:
            if not layer.is_dir():  # else another job was faster, with the same
                raise


def _pin(entry: Mapping[str, Any]) -> str:
    """Name exactly what pip resolved (its installation report, version 1, and PEP 610)."""
    name, source = entry["metadata"]["name"], entry["download_info"]
    url = source["url"]
    if version_control := source.get("vcs_info"):
        url = f"{version_control['vcs']}+{url}@{version_control['commit_id']}"
    fragments = [f"subdirectory={source['subdirectory']}"] if "subdirectory" in source else []
    hashes = source.get("archive_info", {}).get("hashes", {})
    fragments += [f"sha256={hashes['sha256']}"] if "sha256" in hashes else []
    return f"{name} @ {url}" + ("#" + "&".join(fragments) if fragments else "")


def _pip(folder: Path, *arguments: str) -> None:
    done = subprocess.run(  # noqa: S603 - no shell, and a fixed command
        [*PIP, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # where pip looks is its own matter, and may hold a token
    lines = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith("Looking in ")]
    for line in lines:
        log.log(logging.ERROR if done.returncode else logging.INFO, "pip: %s", line)
    if done.returncode:
        raise ModelError("requirements.txt cannot be installed: " + "\n".join(lines[-TOLD_LINES:]))
