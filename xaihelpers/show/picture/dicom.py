"""DICOM files as pictures: the window applied, MONOCHROME1 inverted, 8 to 32 bits brought to 8.

Only what decides the pixels is used of a header; no name, date or number of it is kept or shown.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np

from xaihelpers.errors import PictureError

ENDINGS = (".dcm", ".dicom")
INSTALL = 'pip install "xaihelpers[medical]"'
FAR = 1e9  # beyond every stored value: what a window makes of it is the window's end


def is_dicom(content: bytes) -> bool:
    """Whether the bytes begin as a DICOM file does: 128 bytes of anything, then DICM."""
    return content[128:132] == b"DICM"


def read(label: str, content: bytes) -> tuple[np.ndarray, str]:
    """The first frame of a DICOM file.

    Args:
        label: the file's name, for messages.
        content: the file's bytes.

    Returns:
        (H, W, 3) uint8 RGB, and a note on how it was made.

    Raises:
        PictureError: pydicom is not installed, or the file holds no image that can be decoded.
    """
    try:
        import pydicom
    except ImportError as error:
        raise PictureError(f"{label} is a DICOM file, which needs pydicom: {INSTALL}") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they quote the header
            return _first_frame(pydicom.dcmread(io.BytesIO(content)))
    except (RuntimeError, NotImplementedError):
        raise PictureError(
            f"{label} is compressed in a way that no installed decoder reads. Save it uncompressed."
        ) from None  # messages of pydicom quote the header
    except (AttributeError, KeyError):
        raise PictureError(f"{label} is a DICOM file without a picture. Choose another.") from None
    except (OSError, EOFError, ValueError, TypeError):
        raise PictureError(f"{label} is cut off or damaged. Save or download it again.") from None


def _first_frame(data: Any) -> tuple[np.ndarray, str]:
    from pydicom import pixels

    kind, notes = str(data.PhotometricInterpretation), ["DICOM"]
    frame = pixels.pixel_array(data, index=0)
    if int(data.get("NumberOfFrames") or 1) > 1:
        notes.append("first of several frames")
    if kind == "PALETTE COLOR":
        frame = pixels.apply_color_lut(frame, data)
    if not kind.startswith("MONOCHROME"):
        full = np.iinfo(frame.dtype).max
        return _eight_bits(frame, 0, full), "; ".join(notes)
    values = pixels.apply_modality_lut(frame, data).astype(np.float64)
    if "WindowCenter" in data and "WindowWidth" in data:
        ends = np.append(values, [-FAR, FAR])
        *_, low, high = ends = pixels.apply_windowing(ends, data)
        values = ends[:-2].reshape(values.shape)
        notes.append("window of the file applied")
    else:
        low, high = values.min(), values.max()
        notes.append("no window in the file: least to greatest value")
    grey = _eight_bits(values, low, high)
    if kind == "MONOCHROME1":
        grey = 255 - grey
        notes.append("inverted, as the file asks for")
    return np.repeat(grey[..., None], 3, axis=2), "; ".join(notes)


def _eight_bits(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values from `low` to `high` as uint8 from 0 to 255."""
    share = (values.astype(np.float64) - low) / ((high - low) or 1)
    return (255 * np.clip(share, 0, 1)).round().astype(np.uint8)
