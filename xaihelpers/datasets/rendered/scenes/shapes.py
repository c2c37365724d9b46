"""The outlines of the eight shapes, all of area 1, and their exact rasterisation."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from xaihelpers.datasets.rendered.outlines import ellipse, fixed_point

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "moon", "ring")
_OVERSAMPLING = 4
_FRACTION_BITS = 4

Contours = tuple[np.ndarray, ...]


@cache
def unit_outline(shape: str) -> Contours:
    """Closed contours (n, 2) of the upright shape: area 1, centroid at the origin, y down.

    A second contour is a hole. Equal areas make "larger" mean the same for every shape.

    Raises:
        ValueError: `shape` is not one of `SHAPES`.
    """
    if shape not in SHAPES:
        raise ValueError(f"shape is {shape!r}; use one of {', '.join(SHAPES)}")
    contours = _DRAWN[shape]()
    areas = [_area(contour) for contour in contours]
    area = areas[0] - sum(areas[1:])
    outer = contours[0]
    turned = np.roll(outer, -1, axis=0)
    cross = outer[:, 0] * turned[:, 1] - turned[:, 0] * outer[:, 1]
    centroid = ((outer + turned) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    return tuple((contour - centroid) / np.sqrt(area) for contour in contours)


def placed_outline(shape: str, centre: tuple[float, float], side: float, angle: float) -> Contours:
    """The outline of area side^2 turned by `angle` radians about `centre`, image-relative."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]])
    return tuple(side * contour @ turn + np.array(centre) for contour in unit_outline(shape))


def coverage(contours: Contours, size: int, oversampling: int = _OVERSAMPLING) -> np.ndarray:
    """Share of each pixel inside the outline: (size, size) uint8, 0..255, equal on any machine."""
    side = size * oversampling
    canvas = np.zeros((side, side), np.uint8)
    cv2.fillPoly(canvas, [fixed_point(c, side) for c in contours], 255, shift=_FRACTION_BITS)
    if oversampling == 1:
        return canvas
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)


def _area(contour: np.ndarray) -> float:
    x, y = contour.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _circle() -> Contours:
    return (ellipse(np.zeros(2), (1, 1), points=64),)


def _square() -> Contours:
    return (np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]]),)


def _triangle() -> Contours:
    return (ellipse(np.zeros(2), (1, 1), angle=-np.pi / 2, points=3),)


def _star() -> Contours:
    points = ellipse(np.zeros(2), (1, 1), angle=-np.pi / 2, points=10)
    points[1::2] *= 0.46
    return (points,)


def _heart() -> Contours:
    t = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return (np.stack([16 * np.sin(t) ** 3, -y], axis=1),)


def _cross() -> Contours:
    turned = [np.array([[0.36, -1], [0.36, -0.36], [1, -0.36]])]
    for _ in range(3):
        x, y = turned[-1].T
        turned.append(np.stack([-y, x], axis=1))
    return (np.concatenate(turned),)


def _moon() -> Contours:
    open_angle, shift = np.deg2rad(48), 0.62
    outer = np.linspace(open_angle, 2 * np.pi - open_angle, 56)
    tip = np.array([np.cos(open_angle), np.sin(open_angle)])
    bow = tip - np.array([shift, 0])
    radius, start = np.hypot(*bow), np.arctan2(bow[1], bow[0])
    inner = np.linspace(2 * np.pi - start, start, 40)[1:-1]
    return (
        np.concatenate(
            [
                np.stack([np.cos(outer), np.sin(outer)], axis=1),
                np.array([shift, 0]) + radius * np.stack([np.cos(inner), np.sin(inner)], axis=1),
            ]
        ),
    )


def _ring() -> Contours:
    return tuple(ellipse(np.zeros(2), (r, r), points=64) for r in (1.0, 0.58))


_DRAWN = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "cross": _cross,
    "moon": _moon,
    "ring": _ring,
}
