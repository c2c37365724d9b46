"""Where the network's input lies on the original picture, and a map laid back onto it.

Resizing, cropping and padding are linear on each axis: the point x of the picture (0 at its left
edge, W at its right) is the point `scale * x + shift` of the input. So a map is laid back by one
bilinear interpolation, exactly where it belongs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Size = tuple[int, int]  # height, width in pixels


@dataclass(frozen=True)
class Geometry:
    """How the pixels of a picture became those of the network's input.

    Attributes:
        picture: height and width of the picture.
        size: height and width of the input.
        scale: input pixels per picture pixel, vertically and horizontally.
        shift: where the picture's top left corner lies in the input, in its pixels (y, x).
    """

    picture: Size
    size: Size
    scale: tuple[float, float] = (1.0, 1.0)
    shift: tuple[float, float] = (0.0, 0.0)

    @classmethod
    def of(cls, height: int, width: int) -> Geometry:
        """A picture that has not been changed yet."""
        return cls((height, width), (height, width))

    def resized(self, height: int, width: int) -> Geometry:
        """After stretching the whole input to another size."""
        ratio = (height / self.size[0], width / self.size[1])
        return replace(
            self,
            size=(height, width),
            scale=(self.scale[0] * ratio[0], self.scale[1] * ratio[1]),
            shift=(self.shift[0] * ratio[0], self.shift[1] * ratio[1]),
        )

    def cropped(self, top: int, left: int, height: int, width: int) -> Geometry:
        """After cutting a rectangle out; a negative `top` or `left` pads with so many pixels."""
        return replace(
            self, size=(height, width), shift=(self.shift[0] - top, self.shift[1] - left)
        )

    def padded(self, left: int, top: int, right: int, bottom: int) -> Geometry:
        """After adding a border of so many pixels on each side."""
        height, width = self.size
        return self.cropped(-top, -left, height + top + bottom, width + left + right)

    def seen(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right of the part of the picture that reached the network.

        In whole pixels of the picture; bottom and right are one past the last.
        """
        edges = []
        for axis in (0, 1):
            first = -self.shift[axis] / self.scale[axis]
            last = (self.size[axis] - self.shift[axis]) / self.scale[axis]
            start = min(max(0, round(first)), self.picture[axis] - 1)
            edges.append((start, max(start + 1, min(self.picture[axis], round(last)))))
        (top, bottom), (left, right) = edges
        return top, left, bottom, right

    def to_input(self, y: float, x: float) -> tuple[float, float]:
        """The point of the input at which a point (y, x) of the picture lies."""
        return self.scale[0] * y + self.shift[0], self.scale[1] * x + self.shift[1]

    def to_picture(self, heat: np.ndarray) -> np.ndarray:
        """A map (h, w) of the input as a map (H, W) of the picture, bilinear.

        The map may be of any grid that covers the input evenly. Outside the part that reached the
        network it is 0.
        """
        rows, columns = (self._weights(axis, heat.shape[axis]) for axis in (0, 1))
        laid: np.ndarray = rows @ heat.astype(np.float32) @ columns.T
        top, left, bottom, right = self.seen()
        outside = np.ones(self.picture, dtype=bool)
        outside[top:bottom, left:right] = False
        laid[outside] = 0
        return laid

    def _weights(self, axis: int, cells: int) -> np.ndarray:
        """(picture pixels, cells) float32: how much each cell adds to each pixel, by distance."""
        pixels = np.arange(self.picture[axis])
        point = (self.scale[axis] * (pixels + 0.5) + self.shift[axis]) * cells / self.size[axis]
        place = np.clip(point - 0.5, 0, cells - 1)
        lower = np.minimum(place.astype(int), max(cells - 2, 0))
        share = (place - lower).astype(np.float32)
        weights = np.zeros((len(pixels), cells), dtype=np.float32)
        weights[pixels, lower] = 1 - share
        weights[pixels, np.minimum(lower + 1, cells - 1)] += share
        return weights
