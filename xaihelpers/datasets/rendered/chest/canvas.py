"""Drawing surface of the chest radiograph renderer: relative coordinates in, uint8 layers out.

Anatomy is described in *body units*: x runs from the midline (0) to the viewer's right, y from
the top of the frame (0) to its bottom (1), and one unit is the side of the image. A `Pose` turns
body units into frame units, a `Canvas` rasterises them at one size, so that the same patient can
be drawn at any size. Rasterising uses OpenCV's fixed-point polygons only: a layer is the same
bytes on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

_SHIFT = 4  # fractional bits of OpenCV's fixed-point coordinates: 1/16 pixel


@dataclass(frozen=True)
class Pose:
    """How the patient stands in the frame: rotation, magnification, offset and a smooth warp.

    `rotation` is in radians, `offset` (2,) in frame units; `warp` (W, 6) holds plane waves, one
    per row: x and y displacement (body units), wave vector (2), phase and an unused pad of 0.
    """

    rotation: float
    scale: float
    offset: np.ndarray
    warp: np.ndarray

    def to_frame(self, points: np.ndarray) -> np.ndarray:
        """Map body points (..., 2) to frame points (..., 2), both float64; (0, 0) is top left."""
        shift, wave, phase = self.warp[:, :2], self.warp[:, 2:4], self.warp[:, 4]
        moved = points + np.sin(points @ wave.T + phase) @ shift
        cos, sin = np.cos(self.rotation), np.sin(self.rotation)
        turn = np.array([[cos, sin], [-sin, cos]]) * self.scale
        return (moved - (0.0, 0.45)) @ turn + (0.5, 0.45) + self.offset


@dataclass(frozen=True)
class Canvas:
    """A square raster of `size` pixels seen through a `Pose`."""

    size: int
    pose: Pose

    def layer(self) -> np.ndarray:
        """Return an empty (size, size) uint8 layer."""
        return np.zeros((self.size, self.size), np.uint8)

    def fixed(self, points: np.ndarray) -> np.ndarray:
        """Map body points (..., 2) to OpenCV's fixed-point pixel coordinates, int32."""
        pixels = self.pose.to_frame(points) * self.size - 0.5
        return np.rint(pixels * (1 << _SHIFT)).astype(np.int32)

    def fill(
        self, layer: np.ndarray, polygons: np.ndarray, value: int = 255, smooth: bool = True
    ) -> np.ndarray:
        """Fill polygons (P, n, 2) or (n, 2), in body units, one after the other; return `layer`.

        `smooth` antialiases the outline; a mask is drawn without.
        """
        line = cv2.LINE_AA if smooth else cv2.LINE_8
        for polygon in self.fixed(polygons.reshape(-1, *polygons.shape[-2:])):
            cv2.fillPoly(layer, [polygon], value, line, _SHIFT)
        return layer

    def strokes(
        self, layer: np.ndarray, lines: np.ndarray, value: int, closed: bool = False, width: int = 1
    ) -> np.ndarray:
        """Draw antialiased polylines (L, n, 2), in body units, `width` pixels wide."""
        fixed = self.fixed(lines)
        cv2.polylines(layer, list(fixed), closed, value, width, cv2.LINE_AA, _SHIFT)
        return layer

    def blur(self, layer: np.ndarray, sigma: float) -> np.ndarray:
        """Gaussian blur with `sigma` in frame units; dtype kept (uint8 stays bit-exact)."""
        sigma = max(sigma * self.size, 0.3)
        return cv2.GaussianBlur(layer, (0, 0), sigma, hint=cv2.ALGO_HINT_ACCURATE)


@lru_cache(maxsize=32)
def _catmull_rom(count: int, steps: int, closed: bool) -> np.ndarray:
    """Return the matrix (points out, `count`) of a Catmull-Rom curve through control points."""
    spans = count if closed else count - 1
    t = np.linspace(0.0, 1.0, steps, endpoint=False)
    basis = 0.5 * np.stack(
        [-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, t**3 - t**2], 1
    )
    matrix = np.zeros((spans * steps + (not closed), count))
    for span in range(spans):
        for column in range(4):
            index = span + column - 1
            index = index % count if closed else min(max(index, 0), count - 1)
            matrix[span * steps : (span + 1) * steps, index] += basis[:, column]
    if not closed:
        matrix[-1, -1] = 1.0
    return matrix


def curve(points: np.ndarray, closed: bool = True, steps: int = 6) -> np.ndarray:
    """Draw a smooth curve through control points (..., n, 2); returns (..., m, 2)."""
    return _catmull_rom(points.shape[-2], steps, closed) @ points


def band(line: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Widen polylines (..., n, 2) into polygons (..., 2n, 2); `width` broadcasts to (..., n)."""
    along = np.gradient(line, axis=-2)
    across = np.stack([-along[..., 1], along[..., 0]], -1)
    across /= np.hypot(across[..., 0], across[..., 1])[..., None] + 1e-9
    side = across * (0.5 * np.broadcast_to(width, line.shape[:-1])[..., None])
    return np.concatenate([line + side, (line - side)[..., ::-1, :]], -2)


def ellipse(
    centre: tuple[float, float] | np.ndarray, radii: tuple[float, float], turn: float = 0.0
) -> np.ndarray:
    """Return an ellipse as a polygon (24, 2) in body units; `turn` in radians."""
    angle = np.linspace(0.0, 2 * np.pi, 24, endpoint=False)
    x, y = radii[0] * np.cos(angle), radii[1] * np.sin(angle)
    cos, sin = np.cos(turn), np.sin(turn)
    return np.stack([centre[0] + cos * x - sin * y, centre[1] + sin * x + cos * y], 1)
