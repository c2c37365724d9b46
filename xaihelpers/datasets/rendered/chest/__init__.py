"""Rendered chest radiographs with masks of opacity, lungs and burned-in text."""

from xaihelpers.datasets.rendered.chest.markers import MARKERS
from xaihelpers.datasets.rendered.chest.renderer import (
    CLASSES,
    COUNTS,
    MASKS,
    SIZE,
    VERSION,
    render,
)

__all__ = ["CLASSES", "COUNTS", "MARKERS", "MASKS", "SIZE", "VERSION", "render"]
