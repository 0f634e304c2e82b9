"""Opens images of a stranger's: formats of a list, as many pixels as allowed, and one error for whatever is wrong with a file."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from tabular.magic import HEAD_BYTES, what_is

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tabular.imagelimits import ImageLimits

# Those that people take photographs and draw charts in. Pillow knows some forty more, most of them seldom looked at for safety;
# EPS even starts a program. JPEG's reader takes MPO too, which some cameras write into a .jpg
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "AVIF", "ICO")


class Undecodable(ValueError):
    """An image file cannot be decoded, or must not be; the text says why, to follow the file's name and a colon."""


@contextmanager
def opened(raw: bytes, limits: ImageLimits) -> Iterator[Image.Image]:
    """Open an image file, for a block that decodes it.

    Args:
        raw: The file, or a byte more of it than may be.
        limits: How large it may be; pixels are told by its header, before anything is unpacked.

    Raises:
        Undecodable: It is no image, of a format that is not read, too large, or damaged, here or in the block.
    """
    if len(raw) > limits.file_bytes:
        raise Undecodable(f"more than {limits.file_bytes} bytes (MAX_IMAGE_BYTES)")
    try:
        with Image.open(io.BytesIO(raw), formats=FORMATS) as image:
            _check_pixels(image, limits)
            yield image
    except Undecodable:
        raise
    except UnidentifiedImageError:
        raise Undecodable(_what_instead(raw)) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(limits) from None
    # decoders raise whatever a damaged file makes them stumble over, struct.error and IndexError among others
    except Exception as error:  # noqa: BLE001
        raise Undecodable(f"damaged: {str(error) or type(error).__name__}") from None


def _what_instead(raw: bytes) -> str:
    kind = what_is(raw[:HEAD_BYTES])
    if kind is None:
        return "not an image" if raw else "an empty file, not an image"
    if kind.name in {"heif", "svg"}:
        return f"{kind.words}; images are read as {', '.join(FORMATS)}"
    damaged = kind.name.upper() in FORMATS
    return f"{kind.words} that is damaged" if damaged else f"{kind.words}, not an image"


def _check_pixels(image: Image.Image, limits: ImageLimits) -> None:
    if image.width * image.height > limits.pixels:
        raise _too_large(limits)


def _too_large(limits: ImageLimits) -> Undecodable:
    return Undecodable(f"more than {limits.pixels} pixels (MAX_IMAGE_PIXELS)")
