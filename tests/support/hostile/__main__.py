"""Writes docs/hostile-inputs.md, or says whether it is as it should be."""

from __future__ import annotations

import sys

from support.hostile.page import PAGE, rendered


def main() -> None:
    text = rendered()
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(text, "utf-8")
    elif PAGE.read_text("utf-8") != text:
        sys.exit(f"{PAGE} differs; write it anew by --write")


if __name__ == "__main__":
    main()
