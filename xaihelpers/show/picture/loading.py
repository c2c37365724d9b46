"""A picture from wherever it comes: a file, a PIL image, an array or a tensor."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from xaihelpers.datasets import images
from xaihelpers.errors import FigureError, PictureError
from xaihelpers.show.panels import as_picture
from xaihelpers.show.picture import dicom

MOST_PIXELS = 50_000_000
ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", *dicom.ENDINGS)

PictureSource = str | os.PathLike[str] | Image.Image | np.ndarray | Tensor


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture to explain.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, upright, at the picture's own size.
        name: the file's name without its ending; "picture" where there is no file.
        note: what was done to the pixels, in words; "" for nothing.
    """

    pixels: np.ndarray
    name: str = "picture"
    note: str = ""

    @property
    def image(self) -> Image.Image:
        """The picture as a PIL image, which is what transforms take."""
        return Image.fromarray(self.pixels)


def read_picture(source: PictureSource) -> Picture:
    """Read a picture of any make.

    Args:
        source: path of an image or DICOM file; a PIL image; or an array or tensor (H, W, 3),
            (3, H, W), (H, W) or (1, H, W), uint8 or floating point in [0, 1].

    Raises:
        PictureError: there is no such file, or it holds no usable picture; one sentence says what
            is wrong and what to do.
    """
    if isinstance(source, str | os.PathLike):
        return _from_path(source)
    if isinstance(source, Image.Image):
        name = Path(str(getattr(source, "filename", "") or "picture")).stem
        return _from_image("the image", name, source)
    try:
        values: np.ndarray = as_picture(source)
    except FigureError as error:
        raise PictureError(str(error)) from error
    if values.dtype != np.uint8:
        values = (255 * values).round().astype(np.uint8)
    _check_size("the picture", values.shape[1], values.shape[0])
    return Picture(np.ascontiguousarray(values))


def decode(label: str, content: bytes) -> Picture:
    """The bytes of an image or DICOM file as a picture, called `label` where it is refused.

    Raises:
        PictureError: as `read_picture`.
    """
    name = Path(label).stem
    if not content:
        raise PictureError(f"{label} is empty (0 bytes). Choose another file.")
    if dicom.is_dicom(content):
        pixels, note = dicom.read(label, content)
        return Picture(pixels, name, note)
    return _from_image(label, name, _opened(label, io.BytesIO(content)))


def _from_path(source: str | os.PathLike[str]) -> Picture:
    label = os.fspath(source)
    if "://" in label:
        raise PictureError(
            f"{label} is an address; nothing is downloaded here: save the file first"
        )
    path = Path(label).expanduser()
    if path.is_dir():
        raise PictureError(f"{path} is a folder; give one file of it, or a list of files")
    try:
        return decode(path.name, path.read_bytes())
    except FileNotFoundError as error:
        raise PictureError(f"there is no file {path}; check its path") from error
    except PermissionError as error:
        raise PictureError(f"{path} may not be read; change its permissions") from error


def _opened(label: str, file: io.BytesIO) -> Image.Image:
    """The file's header; the pixels are not decoded yet."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # checked by pixels
            return Image.open(file)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        huge = isinstance(error, Image.DecompressionBombError)
        why = "has far too many pixels" if huge else "is not an image that can be read"
        remedy = "Save a smaller copy." if huge else "Choose a PNG, JPEG, TIFF, BMP or WebP file."
        raise PictureError(f"{label} {why}. {remedy}") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError(f"{label} is damaged ({error}). Save or download it again.") from error


def _from_image(label: str, name: str, image: Image.Image) -> Picture:
    """Size checked, every pixel of the first frame decoded, upright, 8 bits and three colours."""
    _check_size(label, *image.size)
    note = "; ".join(_notes(image))
    try:
        image.load()
        upright = ImageOps.exif_transpose(image) or image
        return Picture(images.to_rgb(upright), name, note)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise PictureError(
            f"{label} is cut off or damaged ({error}). Save or download it again."
        ) from error


def _check_size(label: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise PictureError(
            f"{label} has {width} x {height} pixels; at most {MOST_PIXELS / 1e6:.0f} million can "
            "be read. Save a smaller copy."
        )
    if width * height == 0:
        raise PictureError(f"{label} has {width} x {height} pixels: there is nothing to explain")


def _notes(image: Image.Image) -> list[str]:
    """What the conversion to RGB changes, in words."""
    notes = []
    if image.mode.startswith("I"):
        notes.append("16-bit grey brought to 8 bits")
    elif image.mode in ("1", "L", "LA"):
        notes.append("grey, so all three colours are equal")
    elif image.mode == "CMYK":
        notes.append("print colours (CMYK) brought to RGB")
    if image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        notes.append("transparency left out")
    if getattr(image, "n_frames", 1) > 1:
        notes.append("first of several frames")
    return notes


def pictures_in(folder: Path) -> list[Path]:
    """Every file below a folder whose name ends like a picture's, sorted.

    Raises:
        PictureError: there is none.
    """
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and path.is_file() and not path.name.startswith(".")
    )
    if not files:
        raise PictureError(f"{folder} holds no picture; expected files ending in {_endings()}")
    return files


def _endings() -> str:
    return ", ".join(ENDINGS)


def is_batch(source: Any) -> bool:
    """Whether several pictures were given: a list, a tuple, or an array of four dimensions."""
    return isinstance(source, list | tuple) or getattr(source, "ndim", 0) == 4
