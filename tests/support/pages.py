"""Blocks of shell in the pages that are marked to be run."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^ *<!-- run: ([\w-]+) -->\n+ *```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)


def marked() -> dict[str, str]:
    """Give the marked blocks of all pages, those of one name joined in their order."""
    found: dict[str, str] = {}
    for page in sorted(ROOT.glob("docs/**/*.md")):
        for name, block in _BLOCK.findall(page.read_text("utf-8")):
            found[name] = found.get(name, "") + textwrap.dedent(block)
    return found
