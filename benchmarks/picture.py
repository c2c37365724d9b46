"""The picture of the table of times."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from xaihelpers.show.style import new_figure

SIDES = {"ours": "#c0392b", "captum": "#2f6db5", "torchcam": "#6aa66a", "grad-cam": "#8a7bb5"}
TICKS = (0.2, 0.5, 1, 2, 5, 10, 20)


def picture(times: pd.DataFrame, batch: int) -> Figure:
    """Every contestant at one batch size: a dot per network, as a multiple of a forward pass.

    Ours and each peer have a colour of their own; the line at 1 is the bare forward pass.
    """
    shown = times[(times["batch"] == batch)]
    shown = shown[shown["contestant"].str.split(",").str[0].isin(SIDES)]
    names = list(dict.fromkeys(shown["contestant"]))
    archs = list(dict.fromkeys(shown["network"]))
    size = (1.8 + 3 / len(archs), 0.8 + 0.2 * len(names))  # inches; 3 for the names
    figure, axes = new_figure(1, len(archs), size, "constrained")
    for ax, arch in zip(axes[0], archs, strict=True):
        _panel(ax, shown[shown["network"] == arch].set_index("contestant"), names)
        ax.set_title(arch)
    axes[0, 0].set_yticks(range(len(names)), names)
    for ax in axes[0, 1:]:
        ax.set_yticks(range(len(names)), [])
    images = "image" if batch == 1 else "images"
    figure.supxlabel(
        f"time as a multiple of the bare forward pass, {batch} {images} (1 = a prediction)",
        fontsize=9,
    )
    return figure


def _panel(ax: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    """Bars from 1 to each figure, its number at the end."""
    for place, name in enumerate(names):
        if name not in rows.index:
            ax.text(1.1, place, "has no ReLU", va="center", fontsize=7, color="0.5")
            continue
        ratio = float(rows.loc[name, "ratio"])
        colour = SIDES[name.split(",")[0]]
        ax.plot([1, ratio], [place, place], color=colour, linewidth=3, solid_capstyle="butt")
        ax.plot(ratio, place, "o", color=colour, markersize=4)
        side, step = ("left", 1.25) if ratio >= 1 else ("right", 1 / 1.25)
        ax.text(ratio * step, place, f"{ratio:.2f}", va="center", ha=side, fontsize=7)
    ax.axvline(1, color="0.3", linewidth=0.8)
    ax.set_xscale("log")
    ax.set_xlim(0.04, 60)
    ax.xaxis.set_major_locator(FixedLocator(TICKS))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.tick_params(axis="x", labelsize=7)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylim(len(names) - 0.5, -0.5)
