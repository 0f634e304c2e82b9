"""The kinds of sentence encoders: which one a folder or a job's artifacts hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trainer.errors import DataError
from trainer.models.multimodal import static, transformer
from trainer.models.multimodal.sentences import LibraryMissing, SentenceEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

KINDS: dict[str, type[SentenceEncoder]] = {
    transformer.KIND: transformer.TransformerEncoder,
    static.KIND: static.StaticEncoder,
}


def read_encoder(folder: Path) -> SentenceEncoder:
    """Read a folder that lacks none of the files needed.

    Raises:
        LibraryMissing: The library that this kind needs is not there.
        DataError: It holds no encoder that can be used.
    """
    try:
        kind = KINDS[static.KIND if static.is_static(folder) else transformer.KIND]
        kind.require_library(folder.name)
        return kind.load(folder)
    except LibraryMissing:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"PRETRAINED_URI: {folder.name} holds no sentence encoder that can be used: {reason}"
        ) from error


def encoder_from_saved(settings: dict[str, Any], arrays: Mapping[str, NDArray[Any]]) -> SentenceEncoder:
    """Make an encoder again from what its ``to_json`` and ``arrays`` gave.

    Raises:
        LibraryMissing: The library that this kind needs is not there.
    """
    kind = KINDS[settings.get("kind", transformer.KIND)]  # artifacts of before there were several say none
    kind.require_library(settings["name"])
    return kind.from_saved(settings, arrays)
