"""Figures of numbers: neuron weights, learning curves, confusion matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from xaihelpers.errors import FigureError
from xaihelpers.show.panels import Array
from xaihelpers.show.style import new_figure

FOR, AGAINST = "#c0392b", "#2f6db5"


def bars(
    values: Array,
    labels: Sequence[str] = (),
    top: int = 20,
    title: str = "",
    xlabel: str = "weight",
) -> Figure:
    """The values largest in size as horizontal bars, red above zero and blue below.

    Args:
        values: (K,), for example the neuron weights alpha_k.
        labels: K names, else the index.
        top: how many at most.
        title: above the bars.
        xlabel: what the values are.
    """
    numbers = values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values
    numbers = np.asarray(numbers, dtype=float)
    if numbers.ndim != 1 or numbers.size == 0 or not np.isfinite(numbers).all():
        raise FigureError(f"bars needs (K,) finite values, not shape {tuple(numbers.shape)}")
    if labels and len(labels) != len(numbers):
        raise FigureError(f"{len(numbers)} values but {len(labels)} labels")
    chosen = np.argsort(-np.abs(numbers), kind="stable")[:top]
    figure, axes = new_figure(1, 1, (4.2, 0.6 + 0.17 * len(chosen)), "constrained")
    ax = axes[0, 0]
    shown = numbers[chosen]
    ax.barh(range(len(chosen)), shown, color=np.where(shown >= 0, FOR, AGAINST))
    ax.set_yticks(range(len(chosen)), [labels[k] if labels else str(k) for k in chosen])
    ax.invert_yaxis()
    ax.axvline(0, color="0.3", linewidth=0.8)
    ax.set_xlabel(xlabel)
    ax.set_title(title)
    return figure


def learning_curves(history: pd.DataFrame | Sequence[Mapping[str, float]]) -> Figure:
    """Loss and metrics per epoch; `train_x` and `val_x` share the panel of `x`.

    Args:
        history: one row per epoch, columns `epoch` (else counted from 1), `train_loss`,
            `val_loss`, `val_accuracy`, ...; columns that are no such figure are left out.
    """
    table = pd.DataFrame(history)
    epochs = table["epoch"] if "epoch" in table else np.arange(1, len(table) + 1)
    panels: dict[str, dict[str, pd.Series]] = {}
    for name in table.columns:
        split, _, quantity = str(name).partition("_")
        if split in ("train", "val") and quantity:
            panels.setdefault(quantity, {})[split] = table[name]
    if not panels or table.empty:
        raise FigureError(
            "history needs at least one row and columns such as 'train_loss' and 'val_loss', "
            f"not {len(table)} rows of {list(table.columns)}"
        )
    figure, axes = new_figure(1, len(panels), (3.0, 2.3), "constrained")
    for ax, (quantity, lines) in zip(axes[0], panels.items(), strict=True):
        for split, values in lines.items():
            label = {"train": "training", "val": "validation"}[split]
            colour = {"train": "0.55", "val": FOR}[split]
            ax.plot(epochs, values, marker="o", markersize=3, color=colour, label=label)
        ax.set_title(quantity.replace("_", " "))
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.legend()
    return figure


def confusion_matrix(matrix: Array, classes: Sequence[str], title: str = "") -> Figure:
    """Counts of true (rows) against predicted (columns) classes; the shade is the row's share.

    Args:
        matrix: (C, C) counts, row = true class.
        classes: C names.
        title: above the matrix.
    """
    counts = matrix.detach().cpu().numpy() if isinstance(matrix, torch.Tensor) else matrix
    counts = np.asarray(counts)
    if counts.shape != (len(classes), len(classes)):
        raise FigureError(
            f"{len(classes)} classes need a ({len(classes)}, {len(classes)}) matrix of counts, "
            f"not {tuple(counts.shape)}"
        )
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_figure(
        1, 1, (1.9 + 0.62 * len(classes), 1.3 + 0.5 * len(classes)), "constrained"
    )
    sns.heatmap(
        share,
        ax=axes[0, 0],
        annot=counts.astype(int),
        fmt="d",
        cmap="Blues",
        vmin=0,
        vmax=1,
        xticklabels=classes,
        yticklabels=classes,
        cbar_kws={"label": "share of the true class"},
    )
    axes[0, 0].set(xlabel="predicted", ylabel="true", title=title)
    axes[0, 0].tick_params(axis="x", rotation=30)
    return figure
