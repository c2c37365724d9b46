"""The grid pointing game over a whole data set, or over a folder of pictures with class names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from xaihelpers.cams import explain_layers
from xaihelpers.cams.engine.modes import evaluating
from xaihelpers.cams.maps import rectify, upsample
from xaihelpers.datasets.real import class_folders
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.metrics.grid_pointing import Grid, arrange, deal, positive_share, summary
from xaihelpers.networks import class_index, imagenet
from xaihelpers.study.table import Parts

Prepare = Callable[[Tensor], Tensor]
AT_ONCE = 4  # grids in one batch


@torch.no_grad()
def ranks(
    model: nn.Module, data: ImageDataset, prepare: Prepare = imagenet.normalize, batch: int = 16
) -> tuple[np.ndarray, np.ndarray]:
    """How sure the network is of each picture's own class.

    Args:
        prepare: uint8 (N, 3, H, W) -> what the network takes.

    Returns:
        (N,) probability of the own class, and (N,) its rank, 0 where it is the predicted one.
    """
    probabilities, places = [], []
    with evaluating(model):
        for start in tqdm(range(0, len(data), batch), desc="classifying", disable=None):
            chosen = range(start, min(start + batch, len(data)))
            logits = model(prepare(_tensor(data, chosen)))
            index = torch.as_tensor(data.labels[np.asarray(chosen)])[:, None]
            probabilities.append(logits.softmax(dim=1).gather(1, index)[:, 0])
            places.append((logits > logits.gather(1, index)).sum(dim=1))
    return torch.cat(probabilities).numpy(), torch.cat(places).numpy()


def _tensor(data: ImageDataset, chosen: Sequence[int]) -> Tensor:
    images = np.stack([data[place].image for place in chosen])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


def play(
    model: nn.Module,
    data: ImageDataset,
    grids: Sequence[Grid],
    layers: Sequence[str],
    methods: Sequence[str],
    prepare: Prepare = imagenet.normalize,
    keep: Path | None = None,
) -> pd.DataFrame:
    """Ask a network about grids of pictures, and score every map.

    The score of a map is that of its class logit's map, rectified and upsampled to the picture.

    Args:
        model: gives (N, C) logits; its classes are those of `data`.
        data: pictures of one size with their labels.
        grids: from `deal`.
        layers, methods: as for `cams.explain_layers`.
        prepare: uint8 (N, 3, H, W) -> what the network takes.
        keep: a folder for finished batches, from which a stopped game goes on. It must belong to
            this very game: name it after all that decides the rows.

    Returns:
        Columns grid, cell, target (class index), layer, method, share (NaN for an empty map).
    """
    starts = range(0, len(grids), AT_ONCE)
    parts = []
    for number, start in enumerate(tqdm(starts, desc="grids", unit=f"x{AT_ONCE}", disable=None)):
        chosen = list(enumerate(grids))[start : start + AT_ONCE]
        make = partial(_scored, model, data, chosen, layers, methods, prepare)
        parts.append(make() if keep is None else Parts(keep).rows(number, make))
    return pd.concat(parts, ignore_index=True)


def _scored(
    model: nn.Module,
    data: ImageDataset,
    grids: Sequence[tuple[int, Grid]],
    layers: Sequence[str],
    methods: Sequence[str],
    prepare: Prepare,
) -> pd.DataFrame:
    questions = [(number, grid, cell) for number, grid in grids for cell in grid.asked]
    pictures = {number: prepare(arrange(_tensor(data, grid.pictures))) for number, grid in grids}
    images = torch.cat([pictures[number] for number, _, _ in questions])
    targets = [int(data.labels[grid.pictures[cell]]) for _, grid, cell in questions]
    cells = [cell for _, _, cell in questions]
    n = math.isqrt(len(grids[0][1].pictures))
    found = explain_layers(model, images, layers, target=targets, methods=methods)
    rows: list[dict[str, object]] = []
    for layer, explanation in found.items():
        for method, raw in explanation.raw.items():
            shares = positive_share(upsample(rectify(raw), images.shape[-2:]), cells, n)
            for (number, _, cell), target, share in zip(
                questions, targets, shares.tolist(), strict=True
            ):
                about = {"grid": number, "cell": cell, "target": target}
                rows.append(about | {"layer": layer, "method": method, "share": share})
    return pd.DataFrame(rows)


def play_folder(
    model: nn.Module,
    folder: Path | str,
    layers: Sequence[str],
    methods: Sequence[str] = ("grad_cam",),
    *,
    classes: Sequence[str] = (),
    prepare: Prepare = imagenet.normalize,
    n: int = 2,
    grids: int = 100,
    questions: int = 2,
    size: int = 224,
    seed: int = 0,
    keep: Path | None = None,
) -> pd.DataFrame:
    """The whole game over a folder with one subfolder of pictures per class name.

    Only pictures whose class the network predicts when it sees them alone take part: of others
    nobody knows where the heat should be.

    Args:
        model, layers, methods, prepare, keep: see `play`.
        folder: `<class name>/<picture>.jpg`.
        classes: names of the network's classes in the order of its logits; empty for ImageNet's.
        n: pictures a side. grids, questions: how many, and how many cells of each are asked about.
        size: side of one picture in px. seed: of the draw.

    Returns:
        See `summary`.

    Raises:
        DataError, TargetError: no pictures, or a folder named like no class.
        EvaluationError: too few classes are recognised for a grid.
    """
    names = tuple(classes) or imagenet.class_names()
    data = class_folders.source(folder, names, partial(class_index, classes=names), size)
    recognised = np.flatnonzero(ranks(model, data, prepare)[1] == 0)
    dealt = deal(data.labels[recognised], n, grids, questions, seed)
    games = [Grid(tuple(int(recognised[p]) for p in g.pictures), g.asked) for g in dealt]
    return summary(play(model, data, games, layers, methods, prepare, keep), n, seed)
