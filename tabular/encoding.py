"""Finds the text encoding of a file from its bytes.

Order of evidence: byte order mark, zero bytes at regular places (UTF-16/32), valid UTF-8, and only then statistics
over the high bytes. Single-byte code pages are told apart by the letters of the languages written in them, because
charset-normalizer needs more text than a table mostly has (it reads nine Greek words as Cyrillic); it decides among
the multi-byte encodings and where no language fits.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from typing import TYPE_CHECKING

from charset_normalizer import from_bytes

from tabular.errors import Unreadable
from tabular.magic import what_is

if TYPE_CHECKING:
    from pathlib import Path

BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark starts with the same two bytes
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Letters outside ASCII, most frequent first, of languages that share code pages (order as in common corpora).
LETTERS = {
    ("cp1252", "mac_roman", "cp850"): (
        "éàèêçôîûâùïëœ",
        "üäöß",
        "óíáéñúü¿¡ºª",
        "ãçéáíóêõúâàº",
        "àèùòìé",
        "åäöøæé",
        "éëïüö",
    ),
    ("cp1250", "iso8859_2"): ("íáěéýčžřšůúťďňó", "ąęłóżśćńź", "áéíóöőúüű", "šžčćđ", "ăâîşţ"),
    ("cp1254",): ("ıişğçöüâ",),
    ("cp1257",): ("āēīūļņķģšžč", "ąčęėįšųūž", "õäöüšž"),
    ("iso8859_7", "cp1253"): ("αοιετσνηυρπκμλωςγδθχφβξζψίόάέήύώϊ",),
    ("cp1251", "koi8_r", "iso8859_5", "cp866", "mac_cyrillic"): ("оеаинтсрвлкмдпуяыьгзбчйхжшюцщэфёъіїєґ",),
    ("cp1255", "iso8859_8"): ("יוהלארתבשמנדםעקחפגטכסןצזףךץ",),
    ("cp1256", "iso8859_6"): ("المنيروتبعدةسكهفقحجصشأطخىإضذزغثءئظؤآ",),
}
TYPOGRAPHY = "\xa0–—“”„‘’‚…€£°§«»©®™½¼²³·•×±µ№"
TWO_BYTE = ["gb18030", "euc_kr", "euc_jp", "big5"]
FIRST_NON_LATIN = "\u0370"
WESTERN = "cp1252"
_EVIDENCE_BYTES = 65536
_SCAN_BYTES = 1 << 20
_CREDIBLE = 0.2
_HIGH_RUN = re.compile(rb"[\x80-\xff]+")
_ENOUGH_RUNS = 6
_CONTROL_SHARE = 0.02
_LEAST_TOLD = 0.6
_PRINTABLE = re.compile(rb"[\t\n\r\x20-\x7e]*")
_CONTROL = re.compile(rb"[\x01-\x06\x0e-\x1a]")


def detect_encoding(path: Path, head: bytes) -> tuple[str, bool]:
    """Give the codec name and whether the file starts with a byte order mark.

    Args:
        path: The file; read further only where the head is plain ASCII, since its first non-ASCII byte decides.
        head: The first bytes of the file.

    Raises:
        Unreadable: The bytes are no text.
    """
    for bom, codec in BOMS:
        if head.startswith(bom):
            return codec, True
    if (kind := what_is(head)) is not None:
        raise Unreadable(f"This file is {kind.words}, not a text table; export the table as CSV first.")
    if b"\x00" in head:
        return _wide_encoding(head), False
    if len(_CONTROL.findall(head)) > _CONTROL_SHARE * len(head):
        raise Unreadable("This file holds binary data, not a text table.")
    evidence = _evidence(path, head)
    if _is_utf8(evidence):
        return "utf-8", False
    return _code_page(evidence), False


def _wide_encoding(head: bytes) -> str:
    told = head.replace(b"\x00", b"")
    if len(told) > _LEAST_TOLD * len(head) and _PRINTABLE.fullmatch(told):
        raise Unreadable(  # of the wide encodings only plain ASCII looks so, and half of its bytes are NUL
            f"This file holds NUL characters, the first at byte {head.index(0)}; it is damaged, or no text table."
        )
    for codec, width in (("utf-32-le", 4), ("utf-32-be", 4), ("utf-16-le", 2), ("utf-16-be", 2)):
        whole = head[: len(head) // width * width]
        try:
            text = codecs.getincrementaldecoder(codec)().decode(whole)
        except UnicodeDecodeError:
            continue
        plain = sum(character.isalnum() or character.isspace() for character in text)
        ascii_share = sum(character < "\x80" for character in text) / max(len(text), 1)
        if "\x00" not in text and plain > len(text) / 2 and (ascii_share > 1 / 20):
            return codec
    raise Unreadable("This file holds NUL bytes, so it is binary data and not a text table.")


def _evidence(path: Path, head: bytes) -> bytes:
    """Give bytes that hold non-ASCII characters, from beyond the head where it has none."""
    if not head.isascii():
        return head
    with path.open("rb") as file:
        file.seek(len(head))
        while block := file.read(_SCAN_BYTES):
            if not block.isascii():
                first = next(index for index, byte in enumerate(block) if byte > 0x7F)  # noqa: PLR2004  ASCII ends here
                return block[max(0, first - 64) : first + _EVIDENCE_BYTES]
    return head


def _is_utf8(data: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        # A few damaged places in a file full of valid sequences do not make it another encoding.
        text = data.decode("utf-8", errors="replace")
        damaged = text.count("\ufffd")
        valid = sum(character > "\x7f" for character in text) - damaged
        return valid > 10 * damaged
    return True


def _code_page(data: bytes) -> str:
    runs = _HIGH_RUN.findall(data)
    if len(runs) >= _ENOUGH_RUNS and all(len(run) % 2 == 0 for run in runs):
        match = from_bytes(data, cp_isolation=TWO_BYTE).best()  # by chance once in 2^runs for single bytes
        if match is not None:
            return str(match.encoding)
    best, best_score = "", _CREDIBLE
    pairs = Counter(zip(b" " + data, data, strict=False))
    high_pairs = {pair: count for pair, count in pairs.items() if pair[1] > 0x7F}  # noqa: PLR2004  the end of ASCII
    for codecs_of, languages in LETTERS.items():
        for codec in codecs_of:
            table = bytes(range(256)).decode(codec, errors="replace")
            if any(table[byte] == "\ufffd" for _, byte in high_pairs):
                continue
            prior = 0.0 if codec == WESTERN else -1.0
            for letters in languages:
                score = _resemblance(high_pairs, table, letters, prior)
                if score > best_score:
                    best, best_score = codec, score
    if best:
        return best
    match = from_bytes(data).best()
    if match is not None and match.encoding not in {"ascii", "utf_8"}:
        return str(match.encoding)
    return WESTERN if _decoded(data, WESTERN) is not None else "latin-1"


def _decoded(data: bytes, codec: str) -> str | None:
    try:
        return codecs.getincrementaldecoder(codec)().decode(data)
    except UnicodeDecodeError:
        return None


def _resemblance(pairs: dict[tuple[int, int], int], table: str, letters: str, prior: float) -> float:
    """Score in [-1, 1] how much the non-ASCII characters look like a language written with these letters.

    Args:
        pairs: How often each byte above 0x7F follows each byte.
        table: The character of each byte in the code page.
        letters: The language's letters outside ASCII, most frequent first.
        prior: What one imaginary character adds, so that few characters do not decide for a rare code page.
    """
    weight = {letter: 1 - 0.5 * rank / len(letters) for rank, letter in enumerate(letters)}
    latin = letters[0] < FIRST_NON_LATIN
    total, counted = prior, 1
    for (first, second), count in pairs.items():
        before, character = table[first], table[second]
        counted += count
        misplaced_capital = character.isupper() and before.islower()
        mixed_scripts = not latin and "A" <= before.upper() <= "Z"
        if character in TYPOGRAPHY:
            total += 0.5 * count
        elif misplaced_capital or mixed_scripts:
            total -= count
        else:
            total += weight.get(character.lower(), -1.0) * count
    return total / counted
