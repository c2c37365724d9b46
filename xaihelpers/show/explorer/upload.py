"""A learner's own file as pixels, or one sentence that says what is wrong with it."""

from __future__ import annotations

import cv2
import numpy as np

from xaihelpers.errors import PictureError
from xaihelpers.show.picture.loading import decode

MOST_BYTES = 20_000_000
LEAST_SIDE = 16
KEPT_SIDE = 1024  # no network here looks at more


def read_upload(name: str, content: bytes) -> tuple[np.ndarray, str]:
    """The bytes of an image or DICOM file as pixels, its longer side shrunk to 1024 px.

    Args:
        name: of the file, for messages.
        content: of the file.

    Returns:
        (H, W, 3) uint8 RGB, and a note on what was done to them, "" for nothing.

    Raises:
        PictureError: empty, too large, too small, cut off, or no image.
    """
    if len(content) > MOST_BYTES:
        raise PictureError(
            f"{name} has {len(content) / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB can be "
            "read. Save a smaller copy."
        )
    picture = decode(name, content)
    height, width = picture.pixels.shape[:2]
    if min(width, height) < LEAST_SIDE:
        raise PictureError(
            f"{name} has {width} x {height} pixels; each side must have at least {LEAST_SIDE}."
        )
    shrunk = f"shrunk from {width} x {height}" if max(width, height) > KEPT_SIDE else ""
    return _shrunk(picture.pixels), "; ".join(filter(None, [picture.note, shrunk]))


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = KEPT_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
