"""The demo's data: letters of twelve scripts, drawn from an open font and described by the Unicode Character Database.

The task is to say which script a letter belongs to. Each row has a drawing (image), the letter's own name without the
script's (text), its general category (category) and the font's measures of it (numbers). None of them decides: many
scripts share shapes, letter names, measures and categories. benchmarks/demo_signal.py shows what each is worth.

The font is DejaVu Sans, which matplotlib carries (its licence lies beside it); matplotlib itself is not imported.
"""

from __future__ import annotations

import csv
import importlib.util
import random
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from cli.errors import CommandFailed

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET = "script"
COLUMNS = ("drawing", "letter_name", "category", "advance", "ascent", "descent", TARGET)
# As the first word of a character's name in the Unicode Character Database gives it
SCRIPTS = {
    "ARABIC": "Arabic",
    "ARMENIAN": "Armenian",
    "CANADIAN": "Canadian Aboriginal",
    "CYRILLIC": "Cyrillic",
    "GEORGIAN": "Georgian",
    "GREEK": "Greek",
    "HEBREW": "Hebrew",
    "LAO": "Lao",
    "LATIN": "Latin",
    "LISU": "Lisu",
    "NKO": "N'Ko",
    "TIFINAGH": "Tifinagh",
}
_CATEGORIES = {
    "Lu": "uppercase letter",
    "Ll": "lowercase letter",
    "Lt": "titlecase letter",
    "Lm": "modifier letter",
    "Lo": "other letter",
}
# Said of a letter besides its own name: its case, which is a column of its own; what kind of thing it is, where one
# script says it otherwise than the rest; and scripts and languages
_NOT_ITS_NAME = re.compile(
    r"\b(?:CAPITAL|SMALL|MODIFIER|LETTER|LIGATURE|SYLLABICS"
    r"|ARABIC|ARMENIAN|CYRILLIC|GEORGIAN|GREEK|HEBREW|LATIN"
    r"|ABKHASIAN|ALEUT|AIVILIK|ATHAPASCAN|BASHKIR|BEAVER|BERBER ACADEMY|BLACKFOOT|BYELORUSSIAN-UKRAINIAN|CARRIER"
    r"|(?:[A-Z]+-)?CREE|DENE|EASTERN|EGYPTOLOGICAL|FARSI|INUKTITUT|KAZAKH|KHAKASSIAN|KIRGHIZ|KOMI|NASKAPI|NUNAVIK"
    r"|NUNAVUT|OJIBWAY|SAYISI|SOUTH-SLAVEY|TUAREG|UIGHUR|UKRAINIAN|VIETNAMESE)(?![A-Z-])"
)
_SIZE = 64  # pixels of a drawing, each way
_POINTS = 40  # pixels of an em: large enough to tell letters apart, small enough for the widest
_BASELINE = 46  # pixels from the top
_SEED = 20


@dataclass(frozen=True)
class Letter:
    """One row.

    Attributes:
        character: The letter.
        name: What it is called within its script.
        category: Unicode general category, in words.
        advance: Width it takes in a line, in em.
        ascent: Highest ink above the baseline, in em.
        descent: Lowest ink below the baseline, in em.
        script: What to predict.
    """

    character: str
    name: str
    category: str
    advance: float
    ascent: float
    descent: float
    script: str


def make(folder: Path) -> tuple[Path, Path]:
    """Write the table and the drawings, unless the folder has them already.

    Args:
        folder: Where to write; made if missing.

    Returns:
        The CSV, and the folder of drawings that its first column names files of.
    """
    table, drawings = folder / "letters.csv", folder / "drawings"
    if table.exists():
        return table, drawings
    drawings.mkdir(parents=True, exist_ok=True)
    font = load_font(_POINTS)
    rows = sorted(letters(), key=lambda letter: letter.character)
    # The order of code points, which files are numbered by, would tell the script
    random.Random(_SEED).shuffle(rows)  # noqa: S311 - an order, not a secret
    draft = table.with_suffix(".part")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, letter in enumerate(rows):
            name = f"{number:04d}.png"
            draw(letter.character, font).save(drawings / name)
            figures = (f"{value:.4f}" for value in (letter.advance, letter.ascent, letter.descent))
            writer.writerow((name, letter.name, letter.category, *figures, letter.script))
    draft.replace(table)
    return table, drawings


def letters() -> Iterator[Letter]:
    """Give every letter of the scripts that the font can draw and that is no mere variant of another one."""
    measured, drawn = load_font(1000), load_font(_POINTS)
    lacking = bytes(
        drawn.getmask("\U0010ffff")
    )  # no character, so this is what the font draws for those it lacks
    for code in range(0x41, 0x10000):
        character = chr(code)
        category = _CATEGORIES.get(unicodedata.category(character))
        full_name = unicodedata.name(character, "")
        script = SCRIPTS.get(full_name.partition(" ")[0])
        # With its marks, or in its place in a word, a letter is drawn and named much like the one it comes from
        if category is None or script is None or unicodedata.normalize("NFKD", character) != character:
            continue
        left, top, right, bottom = measured.getbbox(character, anchor="ls")
        if bytes(drawn.getmask(character)) == lacking or right <= left or bottom <= top:
            continue
        yield Letter(
            character,
            own_name(full_name),
            category,
            measured.getlength(character) / 1000,
            -top / 1000,
            bottom / 1000,
            script,
        )


def own_name(full_name: str) -> str:
    """Take from a character's Unicode name what names its script, its case or its kind.

    Args:
        full_name: e.g. "LATIN SMALL LETTER TURNED H".

    Returns:
        What is left, in lower case, e.g. "turned h".
    """
    _script, _, rest = full_name.partition(" ")
    return " ".join(_NOT_ITS_NAME.sub(" ", rest).split()).lower()


def draw(character: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Draw a character in black on white, all of them on the same baseline and at the same scale."""
    image = Image.new("L", (_SIZE, _SIZE), 255)
    ImageDraw.Draw(image).text((_SIZE / 2, _BASELINE), character, fill=0, font=font, anchor="ms")
    return image


def load_font(pixels: int) -> ImageFont.FreeTypeFont:
    """Load DejaVu Sans.

    Args:
        pixels: Height of an em.

    Raises:
        CommandFailed: It is not installed.
    """
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        raise CommandFailed(
            "The demo draws letters with a font that comes with matplotlib: pip install 'triptych[local]'"
        )
    path = Path(found.origin).with_name("mpl-data") / "fonts" / "ttf" / "DejaVuSans.ttf"
    # Letters stand alone, so the shaping of complex text layout would change nothing but the speed
    return ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)
