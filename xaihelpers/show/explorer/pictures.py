"""Heat maps over pictures in a few milliseconds: numpy and OpenCV instead of a plotting library.

What is drawn is what `show.figures.overlay` draws: a map from 0 to its maximum, the more
transparent the lower it is.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from itertools import cycle

import cv2
import numpy as np

from xaihelpers.show.panels import COLOURS, OTHER_COLOURS, blend, colour_table

__all__ = ["as_jpeg", "as_url", "blend", "colour_table", "draw", "enlarged", "outlines"]

SIDE = 336  # px of a drawn panel
BOX_COLOUR = (255, 255, 255)
QUALITY = 90  # of the JPEG files sent to the browser

Outline = tuple[str, tuple[int, int, int], list[np.ndarray]]  # name, colour, polygons


def enlarged(values: np.ndarray, side: int = SIDE) -> np.ndarray:
    """An image or map (h, w[, 3]) whose longer side has `side` pixels, bilinearly."""
    return cv2.resize(values, _size(values.shape, side), interpolation=cv2.INTER_LINEAR)


def _size(shape: Sequence[int], side: int) -> tuple[int, int]:
    """Width and height that bring the longer side of (h, w) to `side` pixels."""
    scale = side / max(shape[:2])
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def outlines(masks: Mapping[str, np.ndarray], side: int = SIDE) -> list[Outline]:
    """Polygons around every non-empty mask, each with the colour of its name.

    Args:
        masks: name -> (h, w) bool.
        side: of the panel, in pixels.
    """
    spare = cycle(OTHER_COLOURS)
    drawn: list[Outline] = []
    for name, mask in masks.items():
        colour = rgb(COLOURS.get(name) or next(spare))
        if mask.any():
            values = cv2.resize(
                mask.astype(np.uint8), _size(mask.shape, side), interpolation=cv2.INTER_NEAREST
            )
            polygons, _ = cv2.findContours(values, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            drawn.append((name, colour, list(polygons)))
    return drawn


def rgb(colour: str) -> tuple[int, int, int]:
    """'#rrggbb' as three numbers from 0 to 255."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def draw(
    image: np.ndarray,
    heat: np.ndarray | None = None,
    cmap: str = "inferno",
    opacity: float = 0.6,
    lines: Sequence[Outline] = (),
    box: Sequence[int] | None = None,
    side: int = SIDE,
) -> np.ndarray:
    """One panel: image, map over it, outlines, box.

    Args:
        image: (h, w, 3) uint8.
        heat: (h, w) in [0, 1], or None for the image alone.
        cmap: name of a colour map.
        opacity: of the map where it is at least half of its maximum.
        lines: from `outlines`, at the same side.
        box: x0, y0, x1, y1 in the image's pixels, x1 and y1 one past the last; empty is not drawn.
        side: of the panel's longer side, in pixels.

    Returns:
        The panel as uint8 RGB.
    """
    panel = enlarged(image, side)
    if heat is not None:
        panel = blend(panel, enlarged(heat.astype(np.float32), side), cmap, opacity)
    for _, colour, polygons in lines:
        cv2.drawContours(panel, polygons, -1, colour, 1, cv2.LINE_AA)
    if box is not None and box[2] > box[0]:
        x0, y0, x1, y1 = (round(edge * side / max(image.shape[:2])) for edge in box)
        for colour, width in (((0, 0, 0), 4), (BOX_COLOUR, 2)):  # seen on light and on dark
            cv2.rectangle(panel, (x0 + 1, y0 + 1), (x1 - 2, y1 - 2), colour, width)
    return panel


def as_jpeg(picture: np.ndarray, quality: int = QUALITY) -> bytes:
    """(H, W, 3) uint8 RGB as a JPEG file."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, file = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), settings)
    assert done  # uint8 RGB always encodes
    return file.tobytes()


def as_url(picture: np.ndarray, quality: int = QUALITY) -> str:
    """(H, W, 3) uint8 RGB as a `data:` address for an `<img>`."""
    return f"data:image/jpeg;base64,{base64_of(as_jpeg(picture, quality))}"


def base64_of(content: bytes) -> str:
    """Bytes as the text that a `data:` address holds."""
    return base64.b64encode(content).decode()
