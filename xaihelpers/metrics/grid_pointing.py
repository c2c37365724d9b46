"""The grid pointing game: is the heat in the photograph that was asked about?

Boehle, Fritz & Schiele 2021, arXiv 2104.00032: n x n pictures of different classes become one;
asked for the class of one of them, a map scores the share of its positive heat in that cell. A map
that knows nothing scores 1/n^2. No box and no mask is needed, so any folder of pictures with class
names will do: `study.grid_game` plays it over one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.intervals import bootstrap_interval
from xaihelpers.metrics.localization import check_maps, is_empty


@dataclass(frozen=True)
class Grid:
    """n x n pictures, by their index in a data set in reading order, and the cells asked about."""

    pictures: tuple[int, ...]
    asked: tuple[int, ...]


def positive_share(heat: Tensor, cells: Sequence[int] | Tensor, n: int) -> Tensor:
    """Share of each map's heat that lies in one cell of an n x n grid.

    Args:
        heat: (N, H, W) float, not negative (rectified, at the picture's size); n divides H and W.
        cells: (N,) the asked cell of each map, 0 .. n^2 - 1 in reading order.
        n: cells a side, at least 1.

    Returns:
        (N,) in [0, 1], dtype of `heat`; NaN for an empty map, which points nowhere. Chance: 1/n^2.

    Raises:
        EvaluationError: heat is no batch of maps, n does not divide it, or a cell does not exist.

    Example:
        >>> heat = torch.tensor([[[3.0, 1.0], [0.0, 0.0]]])
        >>> positive_share(heat, [0], n=2)
        tensor([0.7500])
    """
    check_maps(heat)
    count, height, width = heat.shape
    index = torch.as_tensor(cells, device=heat.device)
    if n < 1 or height % n or width % n:
        raise EvaluationError(f"{n} x {n} cells do not divide a map of {height} x {width} px")
    if index.shape != (count,) or index.min() < 0 or index.max() >= n * n:
        raise EvaluationError(
            f"each of the {count} maps needs one cell of 0 .. {n * n - 1}, got {index.tolist()}"
        )
    parts = heat.reshape(count, n, height // n, n, width // n).sum(dim=(2, 4)).flatten(1)
    inside = parts.gather(1, index[:, None])[:, 0]
    return torch.where(is_empty(heat), math.nan, inside / parts.sum(dim=1))


def arrange(pictures: Tensor) -> Tensor:
    """n^2 pictures (n^2, C, H, W) as one, (1, C, n H, n W), in reading order; any dtype.

    Raises:
        EvaluationError: their number is no square.
    """
    n = math.isqrt(len(pictures))
    if n == 0 or n * n != len(pictures):
        raise EvaluationError(f"a grid takes 1, 4, 9 ... pictures, not {len(pictures)}")
    rows = [torch.cat(list(row), dim=-1) for row in pictures.split(n)]
    return torch.cat(rows, dim=-2)[None]


def deal(
    labels: Sequence[int] | np.ndarray, n: int, grids: int, questions: int = 2, seed: int = 0
) -> list[Grid]:
    """Deal pictures into grids at random: classes differ within a grid.

    Every picture is used once before any is used again; what is left over and fills no grid of
    different classes waits for the next round.

    Args:
        labels: (N,) class of every picture.
        n: pictures a side. grids: how many. questions: cells asked about in each grid.
        seed: of the draw.

    Raises:
        EvaluationError: fewer than n^2 classes, or more questions than cells.
    """
    labels = np.asarray(labels)
    if len(set(labels.tolist())) < n * n or not 1 <= questions <= n * n:
        raise EvaluationError(
            f"{n} x {n} grids need {n * n} classes (there are {len(set(labels.tolist()))}) and "
            f"1 to {n * n} questions (asked: {questions})"
        )
    rng = np.random.default_rng(seed)
    dealt: list[Grid] = []
    stock: list[int] = []
    while len(dealt) < grids:
        chosen = _different(stock, labels, n * n)
        if len(chosen) < n * n:
            stock = rng.permutation(len(labels)).tolist()
            continue
        stock = [place for place in stock if place not in chosen]
        asked = sorted(rng.choice(n * n, questions, replace=False).tolist())
        dealt.append(Grid(tuple(chosen), tuple(asked)))
    return dealt


def _different(stock: Iterable[int], labels: np.ndarray, count: int) -> list[int]:
    """The first `count` pictures of the stock whose classes differ, or fewer."""
    first: dict[int, int] = {}
    for place in stock:
        first.setdefault(int(labels[place]), place)
        if len(first) == count:
            break
    return list(first.values())


def summary(rows: pd.DataFrame, n: int, seed: int = 0) -> pd.DataFrame:
    """Mean share per layer and method, with a 95 % interval over grids.

    The questions of one grid are averaged first, since they share their pictures. Empty maps are
    left out of the mean and counted.

    Args:
        rows: from `study.grid_game.play`. n: pictures a side. seed: of the bootstrap.

    Returns:
        Columns layer, method, n (grids with a map that is not empty), questions, mean, low, high,
        empty (maps), chance.
    """
    found = []
    for (layer, method), part in rows.groupby(["layer", "method"], sort=False):
        values = part.groupby("grid")["share"].mean().dropna().to_numpy()
        row = {"layer": layer, "method": method, "n": len(values), "questions": len(part)}
        row |= {"mean": values.mean() if len(values) else math.nan, "low": math.nan}
        row |= {"high": math.nan, "empty": int(part["share"].isna().sum()), "chance": 1 / n**2}
        if len(values) > 1:
            interval = bootstrap_interval(values, seed=seed)
            row |= {"low": interval.low, "high": interval.high}
        found.append(row)
    return pd.DataFrame(found)
