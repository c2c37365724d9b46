"""Estimates with their intervals, side by side: dots and whiskers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import matplotlib as mpl
from matplotlib.figure import Figure

from xaihelpers.errors import FigureError
from xaihelpers.show.style import new_figure

GROUP_COLOURS = ("#2f6db5", "#c0392b", "#2e8b57", "#8e5bb5", "#b8860b")


class Estimate(Protocol):
    """What is drawn of a figure: `metrics.intervals.Interval` has it."""

    @property
    def estimate(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def dots(
    groups: Mapping[str, Mapping[str, Estimate]],
    xlabel: str,
    reference: float | None = None,
    title: str = "",
    note: str = "",
) -> Figure:
    """One row per label, one dot with its interval per group, in the group's colour.

    Args:
        groups: name in the legend -> label of the row -> estimate. Rows appear in the order in
            which labels first occur; a group may lack some.
        xlabel: what the estimates are.
        reference: where a dashed line is drawn (chance, no difference).
        title: above the rows.
        note: name of the dashed line.
    """
    labels = list(dict.fromkeys(label for rows in groups.values() for label in rows))
    if not labels or len(groups) > len(GROUP_COLOURS):
        raise FigureError(
            f"dots draws 1 to {len(GROUP_COLOURS)} groups with at least one estimate, "
            f"not {len(groups)} groups with {len(labels)}"
        )
    height = 0.75 + 0.17 * len(labels) * max(1.4, len(groups)) + (0.15 * bool(title))
    figure, axes = new_figure(1, 1, (5.6, height), "constrained")
    ax = axes[0, 0]
    if reference is not None:
        ax.axvline(reference, color="0.45", linestyle="--", linewidth=1, label=note or None)
    for number, (name, rows) in enumerate(groups.items()):
        shift = (number - (len(groups) - 1) / 2) * 0.7 / max(len(groups), 2)
        places = [labels.index(label) + shift for label in rows]
        values = list(rows.values())
        middle = [value.estimate for value in values]
        ends = [[v.estimate - v.low for v in values], [v.high - v.estimate for v in values]]
        style = {"fmt": "o", "markersize": 4, "linewidth": 1.4, "color": GROUP_COLOURS[number]}
        ax.errorbar(middle, places, xerr=ends, label=name, **style)
    ax.set_yticks(range(len(labels)), labels)
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.locator_params(axis="x", nbins=6)  # labels of small numbers are long
    ax.grid(axis="y", color="0.93")
    ax.set_axisbelow(True)
    ax.set(xlabel=xlabel, title=title)
    if len(groups) > 1 or note:
        with mpl.rc_context({"legend.fontsize": 8}):
            figure.legend(loc="outside lower center", ncols=3)
    return figure
