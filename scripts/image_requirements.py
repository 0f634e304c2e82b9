"""Writes deploy/requirements: what each image installs, pinned as in constraints.txt, with the hashes of every file of a release.

`python scripts/image_requirements.py` needs uv and a package index. PyPI's torch for Linux is the CUDA build; the CPU build is
looked for at --torch-cpu, a page or folder of wheels. Pins that constraints.txt does not have (CUDA's) stay as they were.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy/requirements"
PYTHON = "3.11.15"  # of the images
CPU = "https://download.pytorch.org/whl/cpu/torch/"
# File by extras of pyproject.toml; those that hold torch are written once for each build of it, as NAME-cpu and NAME-cuda
PLAIN = {
    "api": ("api",),
    "gateway": ("gateway",),
    "ingest": ("ingest",),
    "launcher": ("launcher-kubernetes",),
    "metrics": ("metrics",),
    "tracing": ("tracing",),
    "ui": ("ui",),
}
WITH_TORCH = {
    # The launcher that runs trainers itself installs this one, too: it needs no more than the trainer does
    "predictor": ("predictor",),
    "trainer": ("trainer",),
}
HEAD = "# Written by scripts/image_requirements.py from pyproject.toml and constraints.txt\n"


def files() -> dict[str, tuple[str, ...]]:
    """Give the extras of each file by its name without .txt."""
    torch = {f"{name}-{build}": extras for name, extras in WITH_TORCH.items() for build in ("cpu", "cuda")}
    return PLAIN | torch


def write(name: str, extras: tuple[str, ...], torch_cpu: str) -> None:
    """Resolve one file anew; uv keeps what is pinned there already."""
    path = FOLDER / f"{name}.txt"
    command = [
        "uv",
        "pip",
        "compile",
        "pyproject.toml",
        "--quiet",
        "--generate-hashes",
        "--no-header",
        "--no-annotate",
    ]
    # Files for every processor are among the hashes
    command += ["--constraints", "constraints.txt", "--python-version", PYTHON, "--python-platform", "linux"]
    command += [part for extra in extras for part in ("--extra", extra)]
    if name.endswith("-cpu"):
        command += ["--find-links", torch_cpu]
    subprocess.run([*command, "--output-file", str(path)], cwd=ROOT, check=True)  # noqa: S603 - as above
    path.write_text(HEAD + path.read_text("utf-8"), "utf-8")


def main() -> None:
    """Write all files, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="files without .txt; none: all", metavar="NAME")
    parser.add_argument("--torch-cpu", default=CPU, help="where the CPU build of torch is (%(default)s)")
    arguments = parser.parse_args()
    known = files()
    if unknown := set(arguments.names) - known.keys():
        sys.exit(f"no such file: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    for name in arguments.names or known:
        write(name, known[name], arguments.torch_cpu)


if __name__ == "__main__":
    main()
