"""Rendered scenes of one to four objects, with a mask and a box for every object."""

from xaihelpers.datasets.rendered.scenes.layout import COLOURS, HELD_OUT, SIZES, TEXTURES
from xaihelpers.datasets.rendered.scenes.renderer import (
    CLASSES,
    COUNTS,
    MASKS,
    SIZE,
    VERSION,
    Thing,
    compose,
    render,
    things,
    things_of,
)
from xaihelpers.datasets.rendered.scenes.shapes import SHAPES

__all__ = [
    "CLASSES",
    "COLOURS",
    "COUNTS",
    "HELD_OUT",
    "MASKS",
    "SHAPES",
    "SIZE",
    "SIZES",
    "TEXTURES",
    "VERSION",
    "Thing",
    "compose",
    "render",
    "things",
    "things_of",
]
