"""Free places for lesions: inside the field of view, off the disc, mostly off the vessels."""

from __future__ import annotations

import cv2
import numpy as np

from xaihelpers.datasets.rendered.outlines import fixed_point

_SIDE = 128


class Places:
    """Hands out lesion centres that keep clear of structures and of each other.

    The map of free ground has one fixed resolution, so the places do not depend on the size at
    which the picture is drawn.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        field: np.ndarray,
        vessels: list[np.ndarray],
        closed: list[np.ndarray],
    ) -> None:
        """field, vessels, closed: outlines (n, 2), image-relative; closed ground is never used."""
        free = np.zeros((_SIDE, _SIDE), np.uint8)
        cv2.fillPoly(free, [fixed_point(field, _SIDE)], 1, shift=4)
        for outline in vessels + closed:
            cv2.fillPoly(free, [fixed_point(outline, _SIDE)], 0, shift=4)
        free[:1], free[-1:], free[:, :1], free[:, -1:] = 0, 0, 0, 0
        clearance = cv2.distanceTransform(free, cv2.DIST_L2, 3).ravel() / _SIDE
        order = rng.permutation(np.flatnonzero(clearance > 0.008))
        self._points = (np.stack([order % _SIDE, order // _SIDE], axis=1) + 0.5) / _SIDE
        self._x, self._y = self._points.T.astype(np.float32).copy()
        self._room = clearance[order].astype(np.float32)
        self._rng = rng

    def take(self, radius: float) -> np.ndarray:
        """A centre (2,) with `radius` clear around it, or the roomiest place that is left."""
        best = int((self._room >= radius).argmax())
        if self._room[best] < radius:
            best = int(self._room.argmax())
        centre = self._points[best] + self._rng.uniform(-0.4, 0.4, 2) / _SIDE
        self.close(centre, radius)
        return centre

    def close(self, centre: np.ndarray, radius: float) -> None:
        """Keep later lesions off the disc of `radius` around `centre`."""
        x, y = centre.astype(np.float32)
        away = np.sqrt((self._x - x) ** 2 + (self._y - y) ** 2)
        np.minimum(self._room, away - np.float32(radius), out=self._room)
