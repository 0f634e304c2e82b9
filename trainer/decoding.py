"""One image file to pixels: upright, opaque, fitted into a square."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

from tabular.imagelimits import ImageLimits
from tabular.pictures import Undecodable, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainer.inputs import ImageFolder

NEUTRAL = (127, 127, 127)  # behind transparent pixels and around narrow images; near 0 once scaled
ORIENTATION = 0x0112
_CUT_OFF = "premature end"  # libjpeg's word for a file that ends early; it would fill the rest with grey


def decode(raw: bytes, size: int, limits: ImageLimits | None = None) -> NDArray[np.uint8]:
    """Decode one image file and fit it into a square, shape (size, size, 3), RGB.

    Args:
        raw: The file.
        size: Pixels of the square's side.
        limits: How large it may be.

    Raises:
        Undecodable: It cannot be decoded, whatever the decoder stumbled over.
    """
    with opened(raw, limits or ImageLimits()) as image:
        return _fit(
            _jpeg(raw, image, size) if image.format == "JPEG" and image.mode in {"RGB", "L"} else image, size
        )


def decode_file(images: ImageFolder, path: str, size: int) -> NDArray[np.uint8]:
    """Decode one image of a folder, which remembers why where that cannot be done.

    Raises:
        Undecodable: As ``decode``.
    """
    try:
        return decode(images.read(path), size, images.limits)
    except Undecodable as error:
        images.broken[path] = str(error)
        raise


def _jpeg(raw: bytes, image: Image.Image, size: int) -> Image.Image:
    orientation = image.getexif().get(ORIENTATION, 1)
    ratio = min(1.0, size / max(image.size))
    # the decoder scales by eighths while decoding, which saves most of the work on large photographs
    least = {"min_width": int(image.width * ratio), "min_height": int(image.height * ratio)}
    try:
        rgb = simplejpeg.decode_jpeg(raw, **least, strict=True)
    except ValueError as error:
        if _CUT_OFF in str(error).lower():
            raise Undecodable("the file is truncated") from None
        rgb = simplejpeg.decode_jpeg(raw, **least, strict=False)  # what cameras get wrong harms no pixel
    upright = Image.fromarray(rgb)
    upright.getexif()[ORIENTATION] = orientation
    return upright


def _fit(image: Image.Image, size: int) -> NDArray[np.uint8]:
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
