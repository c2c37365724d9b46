"""Text burned into a radiograph, and how far it follows the class.

Zech et al. 2018 and DeGrave et al. 2021 found classifiers that read such text instead of the
lungs. Here the link between text and class is a number between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

MARKERS = ("none", "L", "AP PORTABLE")
_FREQUENCY = (0.40, 0.30, 0.30)
_COVID = 2


@dataclass(frozen=True)
class Marker:
    """A text with its corner ("left" or "right"), place, height (frame units) and grey level."""

    text: str
    corner: str
    margin: tuple[float, float]
    height: float
    grey: int
    lines: tuple[str, ...]


def draw_marker(
    rng: np.random.Generator, label: int, correlation: float, forced: str | None
) -> Marker:
    """Draw the text; with probability `correlation` the class decides it.

    Then COVID has "AP PORTABLE" and the others "L" or none; else all classes share one lottery.
    The same numbers are drawn in every case, so `forced` changes the text and nothing else.
    """
    follow, lottery, corner_draw, stacked = rng.uniform(size=4)
    margin, height = rng.uniform(0.018, 0.05, 2), rng.uniform(0.034, 0.046)
    grey = int(rng.integers(215, 256))
    if forced is not None:
        text = forced
    elif follow < correlation:
        text = "AP PORTABLE" if label == _COVID else MARKERS[int(lottery < 0.5)]
    else:
        text = MARKERS[int(np.searchsorted(np.cumsum(_FREQUENCY[:2]), lottery, side="right"))]
    usual = "right" if text == "L" else "left"  # "L" stands on the patient's left
    other = "left" if usual == "right" else "right"
    lines = ("AP", "PORTABLE") if text == "AP PORTABLE" and stacked < 0.35 else (text,)
    corner = usual if corner_draw < 0.85 else other
    return Marker(text, corner, (float(margin[0]), float(margin[1])), height, grey, lines)


@lru_cache(maxsize=16)
def _glyphs(lines: tuple[str, ...]) -> np.ndarray:
    """Draw lines of text at 48 px a line, cropped to the ink; (h, w) uint8 coverage."""
    sheet = np.zeros((64 * len(lines) + 16, 420), np.uint8)
    for row, line in enumerate(lines):
        place = (8, 52 + 58 * row)
        cv2.putText(sheet, line, place, cv2.FONT_HERSHEY_SIMPLEX, 1.6, 255, 3, cv2.LINE_AA)
    x, y, w, h = cv2.boundingRect(sheet)
    return sheet[y : y + h, x : x + w]


def burn_in(picture: np.ndarray, marker: Marker) -> np.ndarray:
    """Write the marker into `picture` (H, W) uint8 in place; returns the mask (H, W) bool.

    The mask is the text's rectangle with one pixel of margin; all False where there is no text.
    """
    size = len(picture)
    mask = np.zeros((size, size), bool)
    if marker.text == "none":
        return mask
    ink = _glyphs(marker.lines)
    factor = marker.height * size / 46 * (1.15 if marker.text == "L" else 0.92)
    width, height = max(2, round(ink.shape[1] * factor)), max(3, round(ink.shape[0] * factor))
    ink = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    x = round(marker.margin[0] * size)
    x = x if marker.corner == "left" else size - x - width
    y = round(marker.margin[1] * size)
    box = picture[y : y + height, x : x + width]
    box[:] = np.rint(box + ink * (marker.grey - box.astype(np.float32))).astype(np.uint8)
    mask[max(y - 1, 0) : y + height + 1, max(x - 1, 0) : x + width + 1] = True
    return mask
