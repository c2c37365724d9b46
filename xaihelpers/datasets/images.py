"""Image files of any make as 8-bit RGB arrays: reading, content hash, squaring, the retina."""

import hashlib
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Picture:
    """A decoded image file.

    pixels: (H, W, 3) uint8 RGB, 0..255.
    format: as the content says, for example "JPEG" or "PNG", whatever the file's name.
    mode: as stored, for example "L" (grey), "RGB", "RGBA", "P" (palette) or "I;16".
    """

    pixels: np.ndarray
    format: str
    mode: str


def read(path: Path) -> Picture:
    """Read an image file with what kind of file it is; pixels as `read_rgb` gives them.

    Raises:
        DataError: the file is missing, cut off or not an image.
    """
    image = _decode(path)
    return Picture(to_rgb(image), image.format or "", image.mode)


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
    """The image (H, W[, C]), padded with black to a square and resized to (size, size[, C]).

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


def fit_mask(
    mask: np.ndarray,
    shape: tuple[int, int],
    size: int,
    box: tuple[int, int, int, int] | None = None,
    share: float = 0.5,
) -> np.ndarray:
    """A mask of an image as it lies over the same image after `square`.

    Args:
        mask: (h, w) bool; its size may differ from the image's.
        shape: (H, W) of the image.
        size: side of the square in pixels.
        box: (top, bottom, left, right), if the image was cropped before it was squared.
        share: a pixel is True where more than this share of it is covered. 0 keeps everything,
            however small: right for lesions of a few pixels.

    Returns:
        (size, size) bool.
    """
    height, width = shape
    top, bottom, left, right = box or (0, height, 0, width)
    shrinks = mask.shape[0] > height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    values = cv2.resize(mask.astype(np.float32), (width, height), interpolation=method)
    return square(values[top:bottom, left:right], size) > max(share, 1e-6)


def fit_box(
    box: tuple[float, float, float, float], shape: tuple[int, int], size: int
) -> tuple[float, float, float, float]:
    """A box of an image as it lies over the same image after `square`.

    Args:
        box: (x0, y0, x1, y1) in pixels of the image.
        shape: (H, W) of the image.
        size: side of the square in pixels.

    Returns:
        (x0, y0, x1, y1) in pixels of the square.

    >>> fit_box((0, 0, 100, 50), (50, 100), 200)
    (0.0, 50.0, 200.0, 150.0)
    """
    height, width = shape
    side = max(height, width)
    left, top = (side - width) // 2, (side - height) // 2
    x0, y0, x1, y1 = box
    scale = size / side
    return (x0 + left) * scale, (y0 + top) * scale, (x1 + left) * scale, (y1 + top) * scale


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


def retina_box(image: np.ndarray) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the retina's disc in a fundus photograph (H, W, 3) uint8."""
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
    return top, bottom, left, right


def crop_to_retina(image: np.ndarray) -> np.ndarray:
    """The part of a fundus photograph (H, W, 3) that holds the retina's disc, uncut."""
    top, bottom, left, right = retina_box(image)
    return image[top:bottom, left:right]
