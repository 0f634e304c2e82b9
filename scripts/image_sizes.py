"""Builds every image's Dockerfile without a container engine and prints how much it adds to its base, in MB.

As root, on Linux: `sudo python scripts/image_sizes.py [NAME ...]`. Sums of files' sizes as they lie in the image, not what a registry
would hold compressed; the base image, which all share, is not in them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.images import IMAGES, Builder, why_not


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(IMAGES), help="images (all)", metavar="NAME")
    names = parser.parse_args().names
    if reason := why_not():
        sys.exit(f"images cannot be built here: {reason}")
    print("| image | packages (`/venv`) | rooms (`/app`) |\n|---|---|---|")  # noqa: T201 - what it is for
    for name in names:
        with tempfile.TemporaryDirectory(prefix="triptych-image-") as folder:
            image = Builder(Path(folder)).build(name)
            print(f"| {name} | {image.size('venv') / 1e6:.0f} MB | {image.size('app') / 1e6:.1f} MB |")  # noqa: T201 - as above


if __name__ == "__main__":
    main()
