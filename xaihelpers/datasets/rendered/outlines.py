"""Size-independent outlines and their exact rasterisation.

Every structure of a rendered fundus is a set of closed outlines in image-relative coordinates
(x to the right, y down, 0..1 over the side of the picture). Drawing uses integers only (fixed-point
vertices on an enlarged 8-bit canvas, then averaging), so masks are equal bit by bit on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

_FRACTION_BITS = 4
_WORKING_SIDE = 448


@dataclass(frozen=True)
class Shape:
    """A filled outline: points (n, 2) float64, image-relative; opacity 0..1."""

    outline: np.ndarray
    opacity: float = 1.0


def fixed_point(points: np.ndarray, side: int) -> np.ndarray:
    """Relative points (..., 2) to int32 sub-pixel positions on a canvas of `side` pixels."""
    return np.rint((points * side - 0.5) * (1 << _FRACTION_BITS)).astype(np.int32)


def coverage(shapes: Sequence[Shape], size: int) -> np.ndarray:
    """Share of each pixel covered by the shapes times their opacity: (size, size) uint8, 0..255."""
    side = size * max(2, round(_WORKING_SIDE / size))
    canvas = np.zeros((side, side), np.uint8)
    for shape in shapes:
        corners = fixed_point(shape.outline, side)
        cv2.fillPoly(canvas, [corners], round(255 * shape.opacity), shift=_FRACTION_BITS)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def soften(covered: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of an 8-bit coverage; sigma is relative to the side of the picture."""
    return cv2.GaussianBlur(covered, (0, 0), sigma * covered.shape[0])


def ribbons(paths: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Outlines (N, 2P, 2) of bands along paths (N, P, 2) with full widths (N, P)."""
    tangent = np.gradient(paths, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-12
    offset = np.stack([-tangent[..., 1], tangent[..., 0]], axis=2) * widths[..., None] / 2
    return np.concatenate([paths + offset, (paths - offset)[:, ::-1]], axis=1)


def ellipse(
    centre: np.ndarray,
    radii: tuple[float, float] | np.ndarray,
    angle: float = 0.0,
    points: int = 20,
) -> np.ndarray:
    """Outline (points, 2) of an ellipse turned by `angle` radians."""
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    x, y = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return centre + np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)


def blob(
    rng: np.random.Generator,
    centre: np.ndarray,
    radii: tuple[float, float] | np.ndarray,
    roughness: float,
) -> np.ndarray:
    """An irregular, smooth outline (24, 2): an ellipse whose radius wavers by `roughness`."""
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    phase = rng.uniform(0, 2 * np.pi, 3)[:, None]
    waves = np.sin(np.array([[2], [3], [5]]) * turn + phase)
    radius = 1 + roughness * (np.array([0.5, 0.35, 0.25]) @ waves)
    angle = rng.uniform(0, np.pi)
    return centre + (ellipse(np.zeros(2), radii, angle, 24)) * radius[:, None]


@lru_cache(maxsize=8)
def pixel_centres(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Relative x (1, size) and y (size, 1) of the pixel centres, float32, read-only."""
    line = (np.arange(size, dtype=np.float32) + 0.5) / size
    line.flags.writeable = False
    return line[None, :], line[:, None]


def squared_distance(size: int, centre: np.ndarray) -> np.ndarray:
    """Squared relative distance (size, size) float32 of every pixel centre from `centre`."""
    x, y = pixel_centres(size)
    return (x - np.float32(centre[0])) ** 2 + (y - np.float32(centre[1])) ** 2


def smooth_noise(rng: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Soft random field (size, size) float32, about unit deviation, `cells` bumps across."""
    coarse = rng.standard_normal((cells + 3, cells + 3), dtype=np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
