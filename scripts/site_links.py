"""A hook of mkdocs: what a page says of files outside of docs/ stays as text, for the site has no such files.

On the pages themselves, read in the repository, the links work.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Take the links to files outside of docs/ out of a page."""
    folder = PurePosixPath("docs", page.file.src_uri).parent

    def settled(link: re.Match[str]) -> str:
        text, target = link[1], link[2]
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        inside = (ROOT / folder / target).resolve().is_relative_to(ROOT / "docs")
        return link[0] if inside else text

    return _LINK.sub(settled, markdown)
