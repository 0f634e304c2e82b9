"""One image file to pixels: upright, opaque, fitted into a square."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEUTRAL = (127, 127, 127)  # behind transparent pixels and around narrow images; near 0 once scaled
ORIENTATION = 0x0112
# What ``decode`` raises for a file that is no image, or a broken or an enormous one
BROKEN = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)


def decode(raw: bytes, size: int) -> NDArray[np.uint8]:
    """Decode one image file and fit it into a square, shape (size, size, 3), RGB.

    Raises:
        OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError: It cannot be decoded.
    """
    image: Image.Image = Image.open(io.BytesIO(raw))
    if image.format == "JPEG" and image.mode in {"RGB", "L"}:
        orientation = image.getexif().get(ORIENTATION, 1)
        ratio = min(1.0, size / max(image.size))
        # the decoder scales by eighths while decoding, which saves most of the work on large photographs
        rgb = simplejpeg.decode_jpeg(
            raw, min_width=int(image.width * ratio), min_height=int(image.height * ratio), strict=False
        )
        image = Image.fromarray(rgb)
        image.getexif()[ORIENTATION] = orientation
    image = ImageOps.exif_transpose(image)
    if image.mode != "RGB":
        image = _flatten(image)
    width, height = image.size
    ratio = size / max(width, height)
    fitted = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    image = image.resize(fitted, Image.Resampling.BOX if ratio < 1 else Image.Resampling.BILINEAR)
    square = np.empty((size, size, 3), np.uint8)
    square[:] = NEUTRAL
    top, left = (size - fitted[1]) // 2, (size - fitted[0]) // 2
    square[top : top + fitted[1], left : left + fitted[0]] = np.asarray(image)
    return square


def _flatten(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits and more: scaled to what is there
        values = np.asarray(image, dtype=np.float64)
        span = values.max() - values.min() or 1.0
        image = Image.fromarray(((values - values.min()) * 255 / span).astype(np.uint8))
    rgba = image.convert("RGBA")
    background = Image.new("RGBA", rgba.size, (*NEUTRAL, 255))
    return Image.alpha_composite(background, rgba).convert("RGB")
