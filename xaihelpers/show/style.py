"""The one look of every figure."""

from __future__ import annotations

from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

Layout = Literal["compressed", "constrained"]

LOOK: dict[Any, Any] = {
    "figure.dpi": 90,
    "savefig.dpi": 90,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "image.interpolation": "nearest",
}

#: Names of the methods as they stand in titles.
METHOD_TITLES = {
    "cam": "CAM",
    "grad_cam": "Grad-CAM",
    "grad_cam_plus_plus": "Grad-CAM++",
    "xgrad_cam": "XGrad-CAM",
    "hires_cam": "HiResCAM",
    "layer_cam": "LayerCAM",
}


def method_title(name: str) -> str:
    """The name of a method as it stands in titles; an unknown one in words."""
    return METHOD_TITLES.get(name, name.replace("_", " "))


def use_style() -> None:
    """Give every figure made from now on the project's look."""
    mpl.rcParams.update(LOOK)


def new_figure(
    rows: int, columns: int, cell: tuple[float, float], layout: Layout = "compressed"
) -> tuple[Figure, np.ndarray]:
    """A figure of `rows` x `columns` panels, each `cell` (width, height) inches.

    `layout` is "compressed" for pictures, whose shape is fixed, and "constrained" for charts.
    """
    with mpl.rc_context(LOOK):
        figure = Figure(figsize=(columns * cell[0], rows * cell[1]), layout=layout)
        return figure, figure.subplots(rows, columns, squeeze=False)
