"""The geometry of a transform that nobody described, measured with pictures that hold coordinates.

Three pictures go through it: a black one, a white one, and two ramps whose brightness is the
horizontal and the vertical place. (value - black) / (white - black) is then the place each pixel of
the input came from; a straight line fitted to it is the geometry. Padding is where black = white.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from xaihelpers.errors import TransformError
from xaihelpers.show.picture.geometry import Geometry

TOLERANCE = 1.5 / 255  # of the picture's side: ramps have 256 steps
REMEDY = (
    "pass one that only resizes, crops, pads and normalises, such as weights.transforms(); or "
    "explain the prepared tensor with xaihelpers.explain and draw it with figures.overlay"
)


def measured_geometry(apply: Callable[[Image.Image], Any], size: tuple[int, int]) -> Geometry:
    """Where the pixels of a picture go.

    Args:
        apply: PIL image -> tensor (C, h, w), linear in brightness.
        size: width and height of the picture.

    Raises:
        TransformError: it draws at random, turns or bends the picture, or changes brightness by
            more than a factor and an offset.
    """
    width, height = size
    black, white = (_brightness(apply(_flat(size, level))) for level in (0, 255))
    contrast = white - black
    inside = np.abs(contrast) > 1e-3 * np.abs(contrast).max(initial=0)
    if not inside.any():
        raise TransformError(f"the transform gives black and white pictures alike; {REMEDY}")
    scales, shifts = [], []
    for axis, length in ((0, height), (1, width)):
        ramp = _ramp(size, axis)
        first, second = (_brightness(apply(ramp)) for _ in range(2))
        if not np.array_equal(first, second):
            raise TransformError(f"the transform draws at random; {REMEDY}")
        place = np.where(inside, (first - black) / np.where(inside, contrast, 1), np.nan)
        scale, shift = _line(place, inside, axis, length)
        scales.append(scale)
        shifts.append(shift)
    return Geometry((height, width), black.shape, (scales[0], scales[1]), (shifts[0], shifts[1]))


def _brightness(value: Any) -> np.ndarray:
    """The mean over colours of a transform's result, (h, w) float64."""
    if not isinstance(value, Tensor) or value.ndim not in (3, 4):
        raise TransformError(
            f"the transform gives {type(value).__name__}, not a floating-point tensor (3, h, w)"
        )
    colours = value.detach().double().flatten(0, -3)
    return colours.mean(dim=0).cpu().numpy()


def _flat(size: tuple[int, int], level: int) -> Image.Image:
    return Image.new("RGB", size, (level, level, level))


def _ramp(size: tuple[int, int], axis: int) -> Image.Image:
    """Brightness 0 at the picture's first edge and 255 at its last, along one axis."""
    length = size[1 - axis]
    values = ((np.arange(length) + 0.5) * 255 / length).round().astype(np.uint8)
    shape = (size[1], size[0])
    grey = np.broadcast_to(values[:, None] if axis == 0 else values[None], shape)
    return Image.fromarray(np.repeat(grey[..., None], 3, axis=2))


def _line(place: np.ndarray, inside: np.ndarray, axis: int, length: int) -> tuple[float, float]:
    """Scale and shift from the places (0 to 1) that the input's pixels came from."""
    points = np.nonzero(inside)[axis] + 0.5
    sources = place[inside]
    middle = (sources > 0.02) & (sources < 0.98)  # resampling bends a ramp at its ends
    if middle.sum() < 2 or np.ptp(points[middle]) < 1:
        raise TransformError(f"the transform leaves too little of the picture to see; {REMEDY}")
    slope, offset = np.polyfit(points[middle], sources[middle] * length, 1)
    bent = np.abs(slope * points[middle] + offset - sources[middle] * length).max()
    if slope <= 0 or bent > max(TOLERANCE * length, 2 * abs(slope)):
        raise TransformError(f"the transform turns, flips or bends the picture; {REMEDY}")
    return float(1 / slope), float(-offset / slope)
