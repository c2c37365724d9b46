"""Which things a scene holds and where they lie, drawn before any pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xaihelpers.datasets.rendered.scenes.shapes import SHAPES, Contours, coverage, placed_outline

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "white")
TEXTURES = ("plain", "striped", "dotted", "checked")
SIZES = ("small", "large")

#: Shape and colour never meet in "train" and "val", only in "test": for what a model makes of
#: combinations it has not seen. One colour per shape, each of the seven at least once.
HELD_OUT: frozenset[tuple[str, str]] = frozenset(
    {
        ("circle", "green"),
        ("square", "yellow"),
        ("triangle", "purple"),
        ("star", "red"),
        ("heart", "blue"),
        ("cross", "orange"),
        ("moon", "white"),
        ("ring", "green"),
    }
)

# Square roots of the areas, as shares of the image's side. The main object is the largest.
MAIN_SIDE = (0.30, 0.37)
LARGE_SIDE = (0.22, 0.265)
SMALL_SIDE = (0.12, 0.16)
_COUNTS = (0.15, 0.35, 0.3, 0.2)  # of scenes with 1, 2, 3, 4 things, if all find a place
_LARGE = 0.45  # chance of a further thing to be large
_TURN = np.deg2rad(28)
_MARGIN = 0.02
_TRIES = 40
_GRID = 64  # px of the rough raster in which places are tried
_MAIN_VISIBLE, _VISIBLE = 0.86, 0.62  # shares that must stay in sight


@dataclass(frozen=True)
class Placed:
    """A thing as it is drawn: what it is, and where, in shares of the image's side.

    side: square root of its area. angle: radians. phase: where its texture begins.
    """

    shape: str
    colour: str
    texture: str
    size: str
    centre: tuple[float, float]
    side: float
    angle: float
    phase: tuple[float, float]

    @property
    def outline(self) -> Contours:
        return placed_outline(self.shape, self.centre, self.side, self.angle)


def draw_layout(rng: np.random.Generator, main: str, new_pairs: bool) -> tuple[Placed, ...]:
    """One to four things of distinct shapes, back to front; `main` is the largest in sight.

    new_pairs: whether the pairs of `HELD_OUT` may occur.
    """
    count = 1 + int(rng.choice(len(_COUNTS), p=_COUNTS))
    others = rng.permutation([shape for shape in SHAPES if shape != main])[: count - 1]
    first = _place(rng, _draw(rng, main, "large", MAIN_SIDE, new_pairs))
    layout = [first]
    for shape in others:
        size = "large" if rng.random() < _LARGE else "small"
        sides = LARGE_SIDE if size == "large" else SMALL_SIDE
        drawn = _draw(rng, str(shape), size, sides, new_pairs)
        depth = int(rng.integers(len(layout) + 1))
        for _ in range(_TRIES):
            tried = [*layout[:depth], _place(rng, drawn), *layout[depth:]]
            if _all_in_sight(tried, main):
                layout = tried
                break
    return tuple(layout)


def _draw(
    rng: np.random.Generator, shape: str, size: str, sides: tuple[float, float], new_pairs: bool
) -> Placed:
    """A thing not placed yet, at the image's origin."""
    colours = [c for c in COLOURS if new_pairs or (shape, c) not in HELD_OUT]
    return Placed(
        shape,
        colour=colours[rng.integers(len(colours))],
        texture=TEXTURES[rng.integers(len(TEXTURES))],
        size=size,
        centre=(0.0, 0.0),
        side=float(rng.uniform(*sides)),
        angle=float(rng.uniform(-_TURN, _TURN)),
        phase=(float(rng.random()), float(rng.random())),
    )


def _place(rng: np.random.Generator, drawn: Placed) -> Placed:
    """The thing moved to a random place where it lies inside the image."""
    points = placed_outline(drawn.shape, (0, 0), drawn.side, drawn.angle)[0]
    low, high = _MARGIN - points.min(axis=0), 1 - _MARGIN - points.max(axis=0)
    x, y = rng.uniform(low, high)
    return Placed(**{**vars(drawn), "centre": (float(x), float(y))})


def _all_in_sight(layout: Sequence[Placed], main: str) -> bool:
    """Whether nothing is hidden too much by what lies in front of it."""
    taken = np.zeros((_GRID, _GRID), bool)
    for thing in reversed(layout):
        own = coverage(thing.outline, _GRID, oversampling=1) > 0
        seen = np.count_nonzero(own & ~taken) / np.count_nonzero(own)
        if seen < (_MAIN_VISIBLE if thing.shape == main else _VISIBLE):
            return False
        taken |= own
    return True
