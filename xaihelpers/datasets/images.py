"""Image files of any make as 8-bit RGB arrays: reading, content hash, squaring, the retina."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from xaihelpers.errors import DataError

EXTENSIONS = (".png", ".jpg", ".jpeg")
DEPTHS = (255, 4095, 65535)  # full scale of 8-, 12- and 16-bit pixels


def _decode(path: Path) -> Image.Image:
    """The whole file decoded; PIL, because OpenCV fills the rest of a cut-off file with grey."""
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError as error:
        raise DataError(f"{path}: missing file. Restore it.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: truncated or unreadable ({error}). Download it again.") from error


def read_rgb(path: Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8 RGB, 0..255.

    Reads grey, palette, RGB and RGBA (the alpha channel is dropped) of 8 or 16 bits. 16-bit grey
    is divided by its full scale (that of 12 bits if no pixel exceeds 4095), 16-bit colour by 257.

    Raises:
        DataError: the file is missing, cut off or not an image.
    """
    return to_rgb(_decode(path))


def to_rgb(image: Image.Image) -> np.ndarray:
    """A decoded picture of any mode as (H, W, 3) uint8 RGB; see `read_rgb`."""
    if image.mode.startswith("I"):
        grey = np.asarray(image, dtype=np.float32)
        top = next((depth for depth in DEPTHS if grey.max() <= depth), grey.max())
        return np.repeat((grey * (255 / top)).round().astype(np.uint8)[..., None], 3, axis=2)
    if image.mode == "P":
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def read_mask(path: Path) -> np.ndarray:
    """A mask file of one or three channels as (H, W) bool: True above half of full scale."""
    return read_rgb(path).max(axis=2) > 127


def content_hash(image: np.ndarray) -> str:
    """Hex SHA-256 of the decoded pixels and their shape: equal for the same picture in any file."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def square(image: np.ndarray, size: int) -> np.ndarray:
    """The image (H, W[, C]) uint8, padded with black to a square and resized to (size, size[, C]).

    Shrinks by area, so that small lesions fade instead of vanishing; enlarges bilinearly.
    """
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    padded = cv2.copyMakeBorder(
        image, top, side - height - top, left, side - width - left, cv2.BORDER_CONSTANT, value=0
    )
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    return cv2.resize(padded, (size, size), interpolation=method)


def fit_mask(mask: np.ndarray, shape: tuple[int, int], size: int) -> np.ndarray:
    """A mask (h, w) bool of an image of `shape` (H, W), as (size, size) bool beside `square`."""
    height, width = shape
    values = cv2.resize(
        mask.astype(np.uint8) * 255, (width, height), interpolation=cv2.INTER_LINEAR
    )
    return square(values, size) > 127


def retina_mask(image: np.ndarray) -> np.ndarray:
    """The lit disc of a fundus photograph (H, W, 3) uint8, as (H, W) bool.

    The largest connected region whose brightest channel stands out from the black surround, its
    holes filled; hot pixels and dates in a corner are not part of it. All True if there is none.
    """
    brightest = cv2.medianBlur(image.max(axis=2), 5)
    threshold = float(np.clip(0.15 * np.percentile(brightest, 95), 4, 25))
    lit = (brightest > threshold).astype(np.uint8)
    contours, _ = cv2.findContours(lit, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    disc = np.zeros_like(lit)
    if contours:
        largest = max(contours, key=cv2.contourArea)
        cv2.drawContours(disc, [cv2.convexHull(largest)], -1, 1, cv2.FILLED)
    if disc.mean() < 0.05:
        return np.ones(lit.shape, dtype=bool)
    return disc.astype(bool)


def crop_to_retina(image: np.ndarray) -> np.ndarray:
    """The part of a fundus photograph (H, W, 3) that holds the retina's disc, uncut."""
    height, width = image.shape[:2]
    scale = min(1.0, 512 / max(height, width))
    small = cv2.resize(
        image,
        (max(1, round(width * scale)), max(1, round(height * scale))),
        interpolation=cv2.INTER_AREA,
    )
    rows, columns = (np.flatnonzero(retina_mask(small).any(axis=axis)) for axis in (1, 0))
    top, bottom = int(rows[0] / scale), min(height, int(np.ceil((rows[-1] + 1) / scale)))
    left, right = int(columns[0] / scale), min(width, int(np.ceil((columns[-1] + 1) / scale)))
    return image[top:bottom, left:right]
