"""Rendered scenes of one to four objects, with a mask and a box for every object."""

from xaihelpers.datasets.rendered.scenes.layout import COLOURS, HELD_OUT, SIZES, TEXTURES
from xaihelpers.datasets.rendered.scenes.renderer import (
    PIXELS,
    SPLITS,
    VERSION,
    Thing,
    compose,
    render,
    things,
    things_of,
)
from xaihelpers.datasets.rendered.scenes.shapes import SHAPES

__all__ = [
    "COLOURS",
    "HELD_OUT",
    "PIXELS",
    "SHAPES",
    "SIZES",
    "SPLITS",
    "TEXTURES",
    "VERSION",
    "Thing",
    "compose",
    "render",
    "things",
    "things_of",
]
