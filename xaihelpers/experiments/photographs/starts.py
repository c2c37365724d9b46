"""Does a start from ImageNet weights help, where the budget is small? Five trainings of each.

EfficientNet-Lite0 on rendered images, from the package's ImageNet weights and from scratch: the
same images, recipe, epochs and seeds.

    python -m xaihelpers measure starts

writes `tables/starts.csv`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from xaihelpers import datasets, files, networks
from xaihelpers.datasets.registry import RENDERED
from xaihelpers.errors import EvaluationError
from xaihelpers.files import save_table
from xaihelpers.metrics.intervals import Interval
from xaihelpers.networks import Augmentation, Cycle, Recipe, imagenet
from xaihelpers.networks.metrics import score
from xaihelpers.study.digests import key
from xaihelpers.study.table import Parts

STARTS: dict[str, str | None] = {"imagenet": "imagenet", "scratch": None}


@dataclass(frozen=True)
class Order:
    """What is trained.

    Attributes:
        data: a rendered set. size: side of its images in px.
        train, validation, test: how many images of each split.
        epochs: of every training; lr: highest learning rate of its one cycle.
        seeds: one training of each start per seed.
    """

    data: str = "fundus"
    size: int = 128
    train: int = 500
    validation: int = 100
    test: int = 400
    epochs: int = 4
    lr: float = 1e-3
    batch_size: int = 20
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def recipe(self) -> Recipe:
        """The recipe of both starts."""
        cycle = Cycle(self.lr, (self.size,) * self.epochs)
        flips = Augmentation(vertical_flip=0.5)
        return Recipe((cycle,), self.batch_size, patience=None, augmentation=flips)


def train_once(order: Order, start: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Train one network; its logits (N, C) on the test images, and their labels (N,)."""
    counts = {"train": order.train, "val": order.validation, "test": order.test}
    parts = {
        split: datasets.load(order.data, split, order.size, limit=count)
        for split, count in counts.items()
    }
    train, validation, test = (datasets.to_tensors(part) for part in parts.values())
    classes = len(parts["test"].classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = networks.build(imagenet.ARCH, classes, STARTS[start])
    networks.fit(model, train, validation, recipe=order.recipe(), num_classes=classes, seed=seed)
    logits, labels = [], []
    for images, truth in DataLoader(test, batch_size=32):
        logits.append(networks.predict(model, images).cpu())
        labels.append(truth)
    return torch.cat(logits), torch.cat(labels)


def predictions(order: Order, keep: Path | None = None) -> pd.DataFrame:
    """Every test image under every training: start, seed, image, label, predicted, kappa (of all).

    Args:
        keep: a folder for finished trainings, from which a stopped run goes on.
    """

    def rows(start: str, seed: int) -> pd.DataFrame:
        logits, labels = train_once(order, start, seed)
        columns = {"image": range(len(labels)), "label": labels.numpy()}
        columns |= {"predicted": logits.argmax(dim=1).numpy()}
        kappa = score(logits, labels)["kappa"]
        return pd.DataFrame(columns).assign(start=start, seed=seed, kappa=kappa)

    jobs = [(start, seed) for seed in order.seeds for start in STARTS]
    parts = []
    for number, job in enumerate(tqdm(jobs, desc="trainings", disable=None)):
        make = partial(rows, *job)
        parts.append(make() if keep is None else Parts(keep).rows(number, make))
    return pd.concat(parts, ignore_index=True)


def over_trainings_and_images(values: np.ndarray, resamples: int = 2000, seed: int = 0) -> Interval:
    """Mean of one value per training and image, with a two-level bootstrap 95 % interval.

    Trainings are drawn with replacement, then images, the same ones for every training drawn.

    Args:
        values: (trainings, images), at least 2 of each.

    Raises:
        EvaluationError: fewer.
    """
    if values.ndim != 2 or min(values.shape) < 2:
        raise EvaluationError(
            f"an interval over trainings and images needs 2 of each, not {values.shape}"
        )
    rng, (trainings, images) = np.random.default_rng(seed), values.shape
    means = [
        values[rng.integers(trainings, size=trainings)][:, rng.integers(images, size=images)].mean()
        for _ in range(resamples)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high), 0.95, trainings)


def table(rows: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy of each start and their difference, with intervals over trainings and images.

    Args:
        rows: from `predictions`.
    """
    right = rows.assign(right=(rows["label"] == rows["predicted"]).astype(float))
    hits = {
        start: right[right["start"] == start].pivot(index="seed", columns="image", values="right")
        for start in STARTS
    }
    values = {start: part.to_numpy() for start, part in hits.items()}
    values["imagenet - scratch"] = values["imagenet"] - values["scratch"]
    kappas = rows.groupby(["start", "seed"])["kappa"].first()
    found = []
    for start, part in values.items():
        interval = over_trainings_and_images(part)
        row = {"start": start, "score": "accuracy", "trainings": len(part)}
        row |= {"images": part.shape[1], "mean": interval.estimate}
        row |= {"low": interval.low, "high": interval.high, "each": _each(part.mean(axis=1))}
        row["kappas"] = _each(kappas[start]) if start in STARTS else ""
        found.append(row)
    return pd.DataFrame(found)


def _each(values: Sequence[float] | np.ndarray | pd.Series) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def measured_table(order: Order | None = None) -> pd.DataFrame:
    """Train every network that is not yet trained, and compare the starts.

    Args:
        order: what to train; None for the stored table's order.
    """
    order = order or Order()
    version = RENDERED[order.data].VERSION
    rests_on = {**asdict(order), "version": version, "torch": torch.__version__}
    rests_on |= {"timm": metadata.version("timm"), "checkpoint": imagenet.SHA256[:12]}
    kept = files.data_dir() / "cache" / "photographs" / f"starts_{key(rests_on)}"
    rows = predictions(order, kept)
    told = {"data": f"{order.data} v{version} (rendered)", "network": imagenet.ARCH}
    told |= {name: rests_on[name] for name in ("size", "train", "epochs", "lr", "batch_size")}
    told |= {name: rests_on[name] for name in ("checkpoint", "torch", "timm")}
    return table(rows).assign(**told)


def write(found: pd.DataFrame) -> Path:
    """Write the table under `results_dir()`; return its path."""
    path = files.results_dir() / "tables" / "starts.csv"
    save_table(found, path)
    return path


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure`."""
    usual = Order()
    parser.add_argument("--data", default=usual.data, help="a rendered set")
    parser.add_argument("--train", type=int, default=usual.train, help="training images")
    parser.add_argument("--epochs", type=int, default=usual.epochs, help="of every training")


def measure(options: argparse.Namespace) -> None:
    """Compare the starts and print; write the table if this is the stored table's order.

    Args:
        options: those of `add_options`.
    """
    order = Order(options.data, train=options.train, epochs=options.epochs)
    found = measured_table(order)
    print(found.to_string(index=False))
    print(f"wrote {write(found)}" if order == Order() else "not written: another order")
