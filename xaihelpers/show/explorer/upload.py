"""A learner's own file as pixels, or one sentence that says what is wrong with it."""

from __future__ import annotations

import io
import warnings

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from xaihelpers.datasets import images
from xaihelpers.errors import UploadError

MOST_BYTES = 20_000_000
MOST_PIXELS = 50_000_000
LEAST_SIDE = 16
KEPT_SIDE = 1024  # no network here looks at more


def read_upload(name: str, content: bytes) -> tuple[np.ndarray, str]:
    """An image file's bytes as (H, W, 3) uint8 RGB, and a note on what was done to them.

    Grey, palette, transparent and 16-bit pictures are converted, photographs are turned upright,
    and the longer side is shrunk to 1024 px; the note says which of it, "" for none.

    Raises:
        UploadError: empty, too large, too small, cut off, or no image.
    """
    if not content:
        raise UploadError(f"{name} is empty (0 bytes). Choose another file.")
    if len(content) > MOST_BYTES:
        raise UploadError(
            f"{name} has {len(content) / 1e6:.0f} MB; at most {MOST_BYTES / 1e6:.0f} MB can be "
            "read. Save a smaller copy."
        )
    image = _open(name, content)
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UploadError(
            f"{name} has {width} x {height} pixels; at most {MOST_PIXELS / 1e6:.0f} million can be "
            "read. Save a smaller copy."
        )
    if min(width, height) < LEAST_SIDE:
        raise UploadError(
            f"{name} has {width} x {height} pixels; each side must have at least {LEAST_SIDE}."
        )
    notes = _notes(image)
    pixels = images.to_rgb(_decoded(name, image))
    if max(width, height) > KEPT_SIDE:
        notes.append(f"shrunk from {width} x {height}")
    return _shrunk(pixels), "; ".join(notes)


def _open(name: str, content: bytes) -> Image.Image:
    """The file's header; the pixels are not decoded yet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked by pixels
            return Image.open(io.BytesIO(content))
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        huge = isinstance(error, Image.DecompressionBombError)
        why = "has far too many pixels" if huge else "is not an image that can be read"
        raise UploadError(f"{name} {why}. Choose a PNG, JPEG, TIFF, BMP or WebP file.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UploadError(f"{name} is damaged ({error}). Save or download it again.") from error


def _decoded(name: str, image: Image.Image) -> Image.Image:
    """Every pixel of the first frame, upright."""
    try:
        image.load()
        return ImageOps.exif_transpose(image) or image
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UploadError(
            f"{name} is cut off or damaged ({error}). Save or download it again."
        ) from error


def _notes(image: Image.Image) -> list[str]:
    """What the conversion to RGB leaves out, in words."""
    notes = []
    if image.mode.startswith("I"):
        notes.append("16-bit grey brought to 8 bits")
    elif image.mode in ("1", "L", "LA"):
        notes.append("grey, so all three colours are equal")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        notes.append("transparency left out")
    if getattr(image, "n_frames", 1) > 1:
        notes.append("first of several frames")
    return notes


def _shrunk(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    scale = KEPT_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
