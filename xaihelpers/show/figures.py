"""Every figure of the project, with one look.

Each function returns a matplotlib `Figure` that pyplot does not know of, so a notebook shows it
exactly once: as the last expression of a cell, or with `display(figure)`. Images are `(H, W, 3)`,
`(3, H, W)`, `(H, W)` or `(1, H, W)`, uint8 or float in [0, 1]; maps `(h, w)`, not negative, are
brought to the image's size; numpy or torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from xaihelpers.errors import FigureError
from xaihelpers.show.charts import bars, confusion_matrix, learning_curves
from xaihelpers.show.panels import (
    CMAP,
    COLOURS,
    Array,
    as_heat,
    as_picture,
    draw_contours,
    draw_heat,
    draw_image,
    known_cmap,
)
from xaihelpers.show.style import new_figure, use_style

__all__ = [
    "COLOURS",
    "bars",
    "confusion_matrix",
    "contact_sheet",
    "grid",
    "heat_map",
    "learning_curves",
    "new_figure",
    "overlay",
    "signed_map",
    "use_style",
]


class Picture(Protocol):
    """What a contact sheet needs of a record."""

    @property
    def image(self) -> np.ndarray: ...
    @property
    def label(self) -> int: ...
    @property
    def masks(self) -> Mapping[str, np.ndarray]: ...


def _on(ax: Axes | None, width: float, height: float) -> tuple[Figure, Axes]:
    if ax is None:
        figure, axes = new_figure(1, 1, (width, height))
        return figure, axes[0, 0]
    owner = ax.get_figure(root=True)
    if owner is None:
        raise FigureError("the axis belongs to no figure any more; pass one that does")
    return owner, ax


def overlay(
    image: Array,
    heat: Array,
    ax: Axes | None = None,
    contours: Mapping[str, Array] | None = None,
    cmap: str = CMAP,
    colorbar: bool = True,
    title: str = "",
    opacity: float = 0.6,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Figure:
    """One map over its image, with colour bar and range, and masks outlined on top.

    Args:
        image: any size, (H, W, 3), (3, H, W), (H, W) or (1, H, W); uint8, floats in [0, 1], or
            normalised by `mean` and `std`.
        heat: (h, w), not negative; drawn from 0 to its maximum, bilinearly at the image's size.
        ax: where to draw; None for a figure of its own.
        contours: name -> (H, W) bool; one colour per name, empty masks are left out.
        cmap: perceptually uniform by default; "jet" where a source is to be imitated.
        colorbar: whether one is drawn.
        title: above the image.
        opacity: of the map where it is at least half of its maximum.
        mean: of each colour, which a normalised image has lost.
        std: of each colour, by which a normalised image was divided.

    Raises:
        FigureError: an image, map or mask that cannot be drawn.

    Example:
        >>> import torch
        >>> figure = overlay(torch.rand(1, 60, 80), torch.rand(7, 7))
    """
    figure, ax = _on(ax, 3.6, 3.0)
    ax.set_title(title)
    image = as_picture(image, mean, std)
    artist = draw_heat(ax, heat, image, known_cmap(cmap), opacity)
    if colorbar:
        bar = figure.colorbar(artist, ax=ax, fraction=0.045, pad=0.02)
        if bar.solids is not None:
            bar.solids.set(alpha=1)
    if contours:
        _legend(figure, draw_contours(ax, contours, image.shape[:2]), columns=2)
    return figure


def signed_map(heat: Array, ax: Axes | None = None, title: str = "") -> Figure:
    """A raw map (H, W) before ReLU: red speaks for the class, blue against it, white is 0.

    Args:
        heat: finite, at its own grid.
        ax: where to draw; None for a figure of its own.
        title: above the map.
    """
    values = as_heat(heat, signed=True)
    figure, ax = _on(ax, 3.4, 2.8)
    limit = float(np.abs(values).max()) or 1.0
    artist = ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
    figure.colorbar(artist, ax=ax, fraction=0.045, pad=0.02)
    ax.set_title(title)
    ax.set_axis_off()
    return figure


def heat_map(heat: Array, ax: Axes | None = None, cmap: str = CMAP, title: str = "") -> Figure:
    """A map (H, W) alone, at its own grid, with colour bar.

    Args:
        heat: not negative.
        ax: where to draw; None for a figure of its own.
        cmap: name of a colour map.
        title: above the map.
    """
    figure, ax = _on(ax, 3.4, 2.8)
    ax.set_title(title)
    artist = draw_heat(ax, heat, cmap=known_cmap(cmap))
    figure.colorbar(artist, ax=ax, fraction=0.045, pad=0.02)
    return figure


def grid(
    images: Sequence[Array] | Array,
    heats: Mapping[str, Sequence[Array] | Array],
    columns: Sequence[str] = (),
    contours: Sequence[Mapping[str, Array]] | None = None,
    cmap: str = CMAP,
    cell: float = 1.7,
    opacity: float = 0.6,
) -> Figure:
    """Methods x images: the images in the first row, then one row of overlays per method.

    Each map is drawn from 0 to its own maximum, which is what the one colour bar says.

    Args:
        images: N images.
        heats: row title -> N maps (N, h, w), not negative.
        columns: N column titles, or none.
        contours: N dicts of masks, outlined in every row.
        cmap: name of a colour map.
        cell: inches a panel.
        opacity: of a map where it is at least half of its maximum.
    """
    count = len(images)
    for name, maps in heats.items():
        if len(maps) != count:
            raise FigureError(f"{count} images but {len(maps)} maps of {name!r}")
    if count == 0 or (columns and len(columns) != count):
        raise FigureError(f"{count} images but {len(columns)} column titles")
    figure, axes = new_figure(1 + len(heats), count, (cell, cell * 1.02))
    for column, image in enumerate(images):
        axes[0, column].set_title(columns[column] if columns else "")
        draw_image(axes[0, column], image)
        for row, maps in enumerate(heats.values(), start=1):
            draw_heat(axes[row, column], maps[column], image, known_cmap(cmap), opacity)
    for row, name in enumerate(["image", *heats]):
        _row_title(axes[row, 0], name)
    if heats:
        shade = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), cmap)
        bar = figure.colorbar(shade, ax=axes, fraction=0.02, pad=0.01, aspect=40)
        bar.set_label("share of each map's maximum")
    if contours is not None:
        _outline_all(figure, axes, images, contours)
    return figure


def _legend(figure: Figure, entries: list[Line2D], columns: int = 4) -> None:
    if entries:
        place: Any = (
            "lower center" if figure.get_layout_engine() is None else "outside lower center"
        )
        figure.legend(handles=entries, loc=place, ncols=min(len(entries), columns))


def _row_title(ax: Axes, name: str) -> None:
    ax.text(-0.06, 0.5, name, rotation=90, ha="right", va="center", transform=ax.transAxes)


def _outline_all(
    figure: Figure,
    axes: np.ndarray,
    images: Sequence[Array] | Array,
    contours: Sequence[Mapping[str, Array]],
) -> None:
    if len(contours) != len(images):
        raise FigureError(f"{len(images)} images but contours for {len(contours)}")
    entries: dict[str, Line2D] = {}
    for column, (image, masks) in enumerate(zip(images, contours, strict=True)):
        for ax in axes[:, column]:
            for entry in draw_contours(ax, masks, as_picture(image).shape[:2]):
                entries.setdefault(str(entry.get_label()), entry)
    _legend(figure, list(entries.values()))


def contact_sheet(
    records: Sequence[Picture],
    columns: int = 5,
    classes: Sequence[str] = (),
    contours: Sequence[str] = (),
    cell: float = 1.7,
) -> Figure:
    """Many records side by side, each under the name of its class.

    Args:
        records: with `image`, `label`, `masks` (see `datasets.records.Record`).
        columns: pictures in a row.
        classes: names to title by; without them the label's number.
        contours: names of the masks to outline.
        cell: inches a panel.
    """
    if not records:
        raise FigureError("a contact sheet needs at least one record")
    columns = min(columns, len(records))
    rows = -(-len(records) // columns)
    figure, axes = new_figure(rows, columns, (cell, cell * 1.12))
    entries: dict[str, Line2D] = {}
    for ax, record in zip(axes.flat, records, strict=False):
        ax.set_title(classes[record.label] if classes else str(record.label))
        draw_image(ax, record.image)
        masks = {name: record.masks[name] for name in contours if name in record.masks}
        for entry in draw_contours(ax, masks, record.image.shape[:2]):
            entries.setdefault(str(entry.get_label()), entry)
    for ax in axes.flat[len(records) :]:
        ax.set_visible(False)
    _legend(figure, list(entries.values()))
    return figure
