"""Writes what each image installs as CycloneDX 1.6 into build/sbom, one file for each of deploy/requirements.

The same requirements give the same bytes. What an image has from its base, Debian's packages and Python itself, is in the list that
the build attaches to the pushed image (.github/workflows/images.yaml).
"""

from __future__ import annotations

import subprocess
import sys

import pins

FOLDER = pins.ROOT / "build/sbom"


def main() -> None:
    """Write every file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for requirements in sorted(pins.REQUIREMENTS.glob("*.txt")):
        target = FOLDER / f"{requirements.stem}.cdx.json"
        # -W: it warns that nothing says which package needs which, which requirements do not say
        command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(requirements)]
        command += ["--pyproject", str(pins.ROOT / "pyproject.toml"), "--output-reproducible"]
        subprocess.run([*command, "--output-file", str(target)], check=True)  # noqa: S603 - a fixed command
        sys.stdout.write(f"{target.relative_to(pins.ROOT)}: {len(pins.of(requirements))} packages\n")


if __name__ == "__main__":
    main()
