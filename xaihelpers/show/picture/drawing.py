"""Heat on pictures as pixels, figures and HTML."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from xaihelpers.files import atomic_path
from xaihelpers.show.panels import CMAP, blend, known_cmap
from xaihelpers.show.style import new_figure

UNSEEN = 0.35  # brightness of what a crop kept from the network
ROWS = 512  # rows blended at once, so that a large picture needs no more memory than itself
SHOWN_SIDE = 640  # px of a picture in a notebook
DRAWN_SIDE = 2400  # px of a picture in a figure, at most
PANEL = 4.0  # inches

Part = tuple[int, int, int, int]  # top, left, bottom, right


def overlay(
    pixels: np.ndarray, heat: np.ndarray, seen: Part, opacity: float = 0.6, cmap: str = CMAP
) -> np.ndarray:
    """A map over a picture; what the network did not see is darkened.

    Args:
        pixels: (H, W, 3) uint8.
        heat: (H, W) in [0, 1].
        seen: the part that reached the network.
        opacity: of the map where it is at least half of its maximum.
        cmap: name of a colour map.

    Returns:
        (H, W, 3) uint8.

    Raises:
        FigureError: there is no such colour map.
    """
    known_cmap(cmap)
    drawn = np.empty_like(pixels)
    for start in range(0, len(pixels), ROWS):
        rows = slice(start, start + ROWS)
        drawn[rows] = blend(pixels[rows], heat[rows], cmap, opacity)
    top, left, bottom, right = seen
    for part in (
        np.s_[:top],
        np.s_[bottom:],
        np.s_[top:bottom, :left],
        np.s_[top:bottom, right:],
    ):
        drawn[part] = (UNSEEN * pixels[part]).astype(np.uint8)
    return drawn


def percent(share: float) -> str:
    """A probability in words: "42 %", "0.3 %", "< 0.1 %"."""
    if share < 0.001:
        return "< 0.1 %"
    return f"{share:.0%}".replace("%", " %") if share >= 0.1 else f"{share:.1%}".replace("%", " %")


def figure(overlays: Sequence[np.ndarray], titles: Sequence[str], columns: int) -> Figure:
    """Drawn pictures in a grid, each with its title below, and one colour bar.

    Args:
        overlays: (H, W, 3) uint8, all of one size.
        titles: one per picture.
        columns: of the grid.
    """
    height, width = overlays[0].shape[:2]
    rows = -(-len(overlays) // columns)
    side = PANEL if len(overlays) > 1 else 1.5 * PANEL
    scale = side / max(height, width)
    cell = (max(width * scale, 0.5 * side), max(height * scale, 0.3 * side) + 0.5)
    made, axes = new_figure(rows, columns, cell)
    for ax, picture, title in zip(axes.flat, overlays, titles, strict=True):
        ax.imshow(shrunk(picture, DRAWN_SIDE))
        ax.set_xlabel(title)
        ax.set_xticks([])
        ax.set_yticks([])
        for spine in ax.spines.values():
            spine.set_visible(False)
    shade = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), CMAP)
    bar = made.colorbar(shade, ax=axes, fraction=0.03, pad=0.01, aspect=30, ticks=[0, 0.5, 1])
    bar.set_label("share of the map's maximum (0 is transparent)")
    return made


def save(made: Figure, path: Path, width: int) -> None:
    """Write a figure as PNG or SVG, atomically, so fine that the picture keeps its own pixels.

    Args:
        made: the figure.
        path: ends in .png or .svg.
        width: of the picture, in pixels.
    """
    dpi = min(400, max(180, width / PANEL))
    kind = path.suffix.lower().removeprefix(".")
    undated = {"png": {"Software": None}, "svg": {"Date": None}}[kind]
    with atomic_path(path) as partial, mpl.rc_context({"svg.hashsalt": path.stem}):
        made.savefig(partial, format=kind, dpi=dpi, bbox_inches="tight", metadata=undated)


def shrunk(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture whose longer side has at most so many pixels."""
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def html(drawn: Sequence[tuple[np.ndarray, str, str]], name: str) -> str:
    """Pictures side by side for a notebook, with words for those who do not see them.

    Args:
        drawn: picture (H, W, 3) uint8, title and layer of each panel.
        name: of the picture.
    """
    figures = "".join(
        f'<figure style="margin: 0"><img src="{_as_url(shrunk(picture, SHOWN_SIDE))}" '
        f'alt="heat map on {escape(name)}: {escape(title)}, layer {escape(layer)}" '
        'style="max-width: 100%; height: auto"/><figcaption style="font-size: 13px">'
        f"{escape(title)} · layer {escape(layer)}</figcaption></figure>"
        for picture, title, layer in drawn
    )
    return f'<div style="display: flex; flex-wrap: wrap; gap: 8px">{figures}</div>'


def _as_url(picture: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
