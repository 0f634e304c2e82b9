"""Finds the uploaded file that a cell of an image column means.

A cell may write the path in another case, with other slashes, with folders missing or added in front, without or
with another image extension, URL-quoted, or as a web address. The answer is always one of the files of the list: nothing is
opened to find it. An address of another kind (file:, s3:), a NUL, and '..' that is hidden by URL-quoting mean no file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

IMAGE_EXTENSIONS = frozenset(
    {
        ".jpg",
        ".jpeg",
        ".png",
        ".gif",
        ".bmp",
        ".webp",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".avif",
        ".heic",
        ".jfif",
        ".ico",
    }
)
_SEVERAL = re.compile(r"\s*[;|,\n]\s*")
_MOST_NAMESAKES = 64
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_OPAQUE = re.compile(r"(?:file|data|javascript):", re.IGNORECASE)  # addresses that need no slashes
_WEB = frozenset({"http", "https"})


@dataclass(frozen=True)
class Match:
    """The file a value means, and what had to be forgiven: url, quoting, slashes, case, extension, folder."""

    path: str
    forgiven: tuple[str, ...] = ()


class ImageIndex:
    """Looks up values among a fixed list of files."""

    def __init__(self, files: Iterable[str]) -> None:
        """Index relative paths with forward slashes; files that are no images are found only by their exact path."""
        self._exact = frozenset(files)
        self._folders: set[str] = set()
        self._by_path: dict[str, list[str]] = {}
        self._by_end: dict[str, list[str]] = {}
        self._by_name: dict[str, list[str]] = {}
        for file in sorted(self._exact):
            if not is_image_name(file):
                continue
            parts = _key(file).split("/")
            self._folders.update(parts[:-1])
            self._by_path.setdefault("/".join(parts), []).append(file)
            self._by_end.setdefault("/".join(parts[-2:]), []).append(file)
            self._by_name.setdefault(parts[-1], []).append(file)

    def __len__(self) -> int:
        return len(self._exact)

    @property
    def files(self) -> list[str]:
        """Every file of the list, sorted."""
        return sorted(self._exact)

    @property
    def images(self) -> int:
        """Count the files that are named like images."""
        return sum(map(len, self._by_path.values()))

    def match(self, value: str) -> Match | None:
        """Give the file one value means, or None if none or more than one could be meant."""
        if value in self._exact:
            return Match(value)
        text, forgiven = _normalised(value)
        if not text:
            return None
        if text in self._exact:
            return Match(text, forgiven)
        parts = _key(text).split("/")
        for index, depth in ((self._by_path, len(parts)), (self._by_end, 2), (self._by_name, 1)):
            files = index.get("/".join(parts[-depth:]), [])
            if files and len(files) <= _MOST_NAMESAKES and (found := self._closest(text, parts, files)):
                return Match(found, tuple(dict.fromkeys((*forgiven, *_differences(text, found)))))
        return None

    def _closest(self, text: str, parts: list[str], files: list[str]) -> str | None:
        def rank(file: str) -> tuple[int, bool, int]:
            own = _key(file).split("/")
            same_extension = PurePosixPath(file).suffix.lower() == PurePosixPath(text).suffix.lower()
            # Only among spellings of the very same path does the case decide.
            same_letters = sum(map(str.__eq__, text, file)) if own == parts else 0
            return _shared(parts, own), same_extension, same_letters

        ranked = sorted(files, key=rank, reverse=True)
        if len(ranked) > 1 and rank(ranked[0]) == rank(ranked[1]):
            return None
        best = _key(ranked[0]).split("/")
        shared = _shared(parts, best)
        # Folders may be missing or added in front. Another folder is only forgiven if the list knows no such folder:
        # otherwise "cats/1.jpg" would be answered with "dogs/1.jpg".
        contradicts = shared < min(len(parts), len(best)) and not self._folders.isdisjoint(parts[:-shared])
        return None if contradicts else ranked[0]

    def match_all(self, cell: str) -> tuple[list[Match], list[str]]:
        """Give the files a cell names, and its values that name none; a cell may hold several values.

        Args:
            cell: One value, or several between semicolons, commas, bars or newlines.
        """
        whole = self.match(cell)
        if whole is not None:
            return [whole], []
        found: list[Match] = []
        missing: list[str] = []
        for value in split_cell(cell):
            match = self.match(value)
            if match is None:
                missing.append(value)
            else:
                found.append(match)
        return found, missing


def split_cell(cell: str) -> list[str]:
    """Split a cell that names several images; one that does not is given as it is."""
    parts = [part for part in _SEVERAL.split(cell.strip().strip("[]")) if part]
    parts = [part.strip("\"' ") for part in parts]
    if len(parts) > 1 and all(is_image_name(part) for part in parts):
        return parts
    return [cell.strip()]


def is_image_name(value: str) -> bool:
    """Tell whether a value ends like the name of an image file."""
    path = _path_of_address(value) if _SCHEME.match(value) else value
    return PurePosixPath(path.strip().replace("\\", "/")).suffix.lower() in IMAGE_EXTENSIONS


def _normalised(value: str) -> tuple[str, tuple[str, ...]]:
    forgiven: list[str] = []
    text = value.strip().strip("\"'")
    if _SCHEME.match(text) or _OPAQUE.match(text):
        text = _path_of_address(text, _WEB)  # whose picture may have been uploaded
        forgiven.append("url")
    if "%" in text and (unquoted := unquote(text)) != text:
        if any(unquoted.count(hidden) > text.count(hidden) for hidden in ("..", "../", "\\", "\x00")):
            return "", ()
        text = unquoted
        forgiven.append("quoting")
    if "\x00" in text:
        return "", ()
    slashed = re.sub(r"^[A-Za-z]:(?=[\\/])", "", text).replace("\\", "/")
    parts = [part for part in slashed.split("/") if part not in {"", "."}]
    if "/".join(parts) != text:
        forgiven.append("slashes")
    inside = [part for part in parts if part != ".."]
    if inside != parts:
        forgiven.append("folder")
    return "/".join(inside), tuple(forgiven)


def _path_of_address(text: str, schemes: frozenset[str] | None = None) -> str:
    """Give the path of an address, of the schemes given; nothing of any other, or where it is none."""
    try:
        parts = urlsplit(text)
    except ValueError:  # a bracket that opens no IPv6 address, among others
        return ""
    return parts.path.lstrip("/") if schemes is None or parts.scheme.lower() in schemes else ""


def _stem(path: str) -> str:
    pure = PurePosixPath(path)
    return str(pure.with_suffix("")) if pure.suffix.lower() in IMAGE_EXTENSIONS and pure.stem else path


def _key(path: str) -> str:
    return _stem(path).casefold()


def _shared(one: list[str], other: list[str]) -> int:
    """Count the equal parts of two paths, from the last one on."""
    count = 0
    for left, right in zip(reversed(one), reversed(other), strict=False):
        if left != right:
            break
        count += 1
    return count


def _differences(text: str, found: str) -> list[str]:
    """Name what had to be forgiven for a value to mean a file."""
    wanted, given = _stem(text).split("/"), _stem(found).split("/")
    shared = _shared([part.casefold() for part in wanted], [part.casefold() for part in given])
    suffix, other_suffix = PurePosixPath(text).suffix, PurePosixPath(found).suffix
    differences = []
    same_suffix = suffix.lower() == other_suffix.lower()
    if wanted[-shared:] != given[-shared:] or (same_suffix and suffix != other_suffix):
        differences.append("case")
    if not same_suffix:
        differences.append("extension")
    if shared < max(len(wanted), len(given)):
        differences.append("folder")
    return differences
