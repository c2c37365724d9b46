"""Is DenseNet-121 better than VGG-16 and ResNet-18? The same images, recipe and steps for all.

    python -m xaihelpers measure networks [--seeds 2] [--network vgg16] [--data-root FOLDER]

writes results/tables/c17_networks.csv (real data: results/real/tables/), one row per network and
seed; a row of these images that is there is not made again, and a training that was stopped goes on
from its last epoch. VGG-16 is trained with batch norm, as plain VGGs do not start from random
weights, and at a fifth of the others' learning rate: at theirs it does not leave chance.

`--longer` trains on 1,500 images instead of 1,000, five epochs instead of four, in batches of 32
instead of 50, and writes c17_longer.csv; the shipped one was made with `--seeds 1 --network
densenet121 --network resnet18`.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader

from xaihelpers import datasets, files, networks
from xaihelpers.datasets.tensors import TensorSamples
from xaihelpers.experiments.heads.measure import hits
from xaihelpers.networks import recipes, training
from xaihelpers.setups import data_version, load_data
from xaihelpers.study import ResumableTable

#: Name in the claim -> what is trained.
NETWORKS = {"densenet121": "densenet121", "resnet18": "resnet18", "vgg16": "vgg16_bn"}
#: Highest learning rate of each.
RATES = {"densenet121": 1e-3, "resnet18": 1e-3, "vgg16": 2e-4}
COUNTS = {"train": 1000, "val": 150, "test": 900}
RECIPE = recipes.Recipe(
    cycles=(recipes.Cycle(1e-3, (64, 64, 64, 64)),),  # the rate is replaced by that of `RATES`
    batch_size=50,
    low_precision=True,
    patience=None,
    augmentation=recipes.Augmentation(horizontal_flip=0.0),
)
#: `--longer`: does the order stay with a larger budget?
LONGER = replace(RECIPE, cycles=(recipes.Cycle(1e-3, (64, 64, 64, 64, 64)),), batch_size=32)
LONGER_COUNTS = COUNTS | {"train": 1500}
#: Heads of the published counts: ImageNet's 1000 classes, this study's 3, none.
HEADS = {"1000 classes": 1000, "3 classes": 3, "no head": 0}


def parameters(arch: str, classes: int) -> int:
    """Exact count of a network's parameters, its head for so many classes; 0 leaves the head out.

    The head of VGG-16 is its three fully connected layers, that of the others their one.
    """
    with torch.device("meta"):
        model = networks.build(arch, max(classes, 1))
    head = model.get_submodule("fc" if arch == "resnet18" else "classifier")
    left_out = 0 if classes else sum(p.numel() for p in head.parameters())
    return sum(p.numel() for p in model.parameters()) - left_out


def table_path(results: Path | str | None = None, name: str = "c17_networks") -> Path:
    """Where a measured table lies, below `files.results_dir()` by default."""
    return Path(results or files.results_dir()) / "tables" / f"{name}.csv"


def train(
    name: str, seed: int, sets: dict[str, TensorSamples], recipe: recipes.Recipe
) -> dict[str, Any]:
    """Train and test one network; its row, without what it says of the data."""
    origin = sets["train"].records.origin
    folder = f"c17_{name}-{origin}-{recipe.epochs}epochs-seed{seed}"
    work = files.data_dir() / "training" / folder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = networks.build(NETWORKS[name], 3)
    cycles = tuple(replace(cycle, lr=RATES[name]) for cycle in recipe.cycles)
    recipe = replace(recipe, cycles=cycles)
    options: dict[str, Any] = {"recipe": recipe, "num_classes": 3, "seed": seed, "progress": False}
    options |= {"output": work, "save_minutes": 10.0}
    history = training.fit(model, sets["train"], sets["val"], **options)
    shutil.rmtree(work, ignore_errors=True)
    return _row(name, seed, recipe, tested(model, sets["test"]), history)


def tested(model: nn.Module, data: TensorSamples) -> str:
    """Right or wrong for every test image, as a text of ones and zeros."""
    parts = [hits(networks.predict(model, images), truth) for images, truth in DataLoader(data, 64)]
    return "".join(parts)


def _row(
    name: str, seed: int, recipe: recipes.Recipe, right: str, history: list[dict[str, Any]]
) -> dict[str, Any]:
    best = min(history, key=lambda record: record["val_loss"])
    return {
        "network": name,
        "trained_as": NETWORKS[name],
        "seed": seed,
        "test_images": len(right),
        "size": recipe.final_size,
        "epochs": recipe.epochs,
        "batch": recipe.batch_size,
        "lr": RATES[name],
        "val_accuracy": best["val_accuracy"],
        "accuracy": right.count("1") / len(right),
        "seconds": round(sum(record["seconds"] for record in history)),
        "torch": torch.__version__,
        "hits": right,
    }


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure networks`."""
    parser.add_argument("--seeds", type=int, default=2, help="trainings each (default: 2)")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="default: all")
    parser.add_argument("--data-root", default="", metavar="FOLDER", help="of real data")
    parser.add_argument("--longer", action="store_true", help="more images and epochs")


def measure(options: argparse.Namespace) -> None:
    """Make the rows that are missing, saving after each."""
    recipe, counts = (LONGER, LONGER_COUNTS) if options.longer else (RECIPE, COUNTS)
    version = str(data_version("chest_xray", options.data_root))

    @cache
    def sets() -> dict[str, TensorSamples]:
        return {
            split: datasets.to_tensors(
                load_data("chest_xray", split, options.data_root, size=recipe.final_size, limit=n)
            )
            for split, n in counts.items()
        }

    def make(keys: list[Any]) -> pd.DataFrame:
        data = sets()["train"].records
        about = {"data": f"{data.name} ({data.origin})", "data_version": version}
        rows = [train(name, seed, sets(), recipe) | about for name, seed in keys]
        return pd.DataFrame(rows).assign(train_images=len(data))

    table = ResumableTable(
        path=table_path(
            files.results_dir() / "real" if options.data_root else None,
            "c17_longer" if options.longer else "c17_networks",
        ),
        keys=("network", "seed"),
        stamp={"data_version": version},
        order=("network", "seed"),
    )
    pairs = itertools.product(range(options.seeds), options.network or NETWORKS)
    table.measure([(name, seed) for seed, name in pairs], make)
    for _, row in table.rows().iterrows():
        print(f"{row['network']} seed {row['seed']}: accuracy {row['accuracy']:.3f}")
