"""How large an image of a stranger's may be; without Pillow, which takes its time to import."""

from __future__ import annotations

from dataclasses import dataclass

PILLOWS_OWN_LIMIT = 178_956_970  # pixels that Pillow refuses to open, whatever ours is


@dataclass(frozen=True)
class ImageLimits:
    """How large an image may be that is decoded.

    Attributes:
        pixels: Width times height.
        file_bytes: Of the file, which is read whole.
    """

    pixels: int = 50_000_000
    file_bytes: int = 256 << 20
