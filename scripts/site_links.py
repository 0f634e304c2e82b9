"""A hook of mkdocs: what a page says of folders and of files outside of docs/ stays as text, for the site has none of them.

On the pages themselves, read in the repository, the links work.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).parents[1]
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Take the links to files outside of docs/, and to folders, out of a page."""
    folder = PurePosixPath("docs", page.file.src_uri).parent

    def settled(link: re.Match[str]) -> str:
        text, target = link[1], link[2]
        if "://" in target or target.startswith("mailto:"):
            return link[0]
        shown = (ROOT / folder / target).resolve().is_relative_to(ROOT / "docs") and not target.endswith("/")
        return link[0] if shown else text

    return _LINK.sub(settled, markdown)
