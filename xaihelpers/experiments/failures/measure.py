"""Measure failures and attacks over whole test sets, a row per image.

    python -m xaihelpers measure failures
    python -m xaihelpers measure attacks

write results/tables/c15_failures.csv and c13_attacks.csv; rows of these networks that are there are
not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from xaihelpers import datasets, files, networks
from xaihelpers.experiments.failures import tables
from xaihelpers.experiments.failures.attacked import attack_rows, least_likely
from xaihelpers.experiments.failures.repair import failure_rows
from xaihelpers.setups import FINDINGS, Setup, open_setup
from xaihelpers.study import finding_mask

#: Attacked networks: how many images, how many steps.
ATTACKED = {
    ("scenes", "resnet18"): (60, 20),
    ("chest_xray", "densenet121"): (30, 20),
    ("fundus", "efficientnet_b0"): (40, 20),
}
#: Networks whose wrong answers are measured.
FAILING = (("chest_xray", "densenet121"), ("fundus", "efficientnet_b0"))


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure failures` and `measure attacks`."""
    parser.add_argument("--limit", type=int, help="so many images only")


def measure_attacks(options: argparse.Namespace) -> None:
    """Attack the first images that are answered rightly and show their finding or object."""
    for (name, arch), (count, steps) in ATTACKED.items():
        if not files.checkpoints_dir().joinpath(f"{name}_{arch}.safetensors").exists():
            print(f"{name}_{arch} does not exist; left out", flush=True)
            continue
        setup = open_setup(name, arch)
        table = tables.measured_table("c13_attacks", setup, {"study": name})
        chosen = _right_and_visible(setup, options.limit or count)
        table.measure(chosen, partial(_attack_rows, setup, steps), 10, f"attacks {name}")


def attack_setup(setup: Setup, indices: Sequence[int], steps: int) -> pd.DataFrame:
    """`attack_rows` of a setup's images, towards the least likely class that is not in them."""
    images, labels, masks = datasets.batch(setup.data, indices)
    logits = networks.predict(setup.model, images)
    present = objects_of(setup, masks).flatten(2).any(dim=2) if setup.name == "scenes" else None
    rows = attack_rows(
        setup.model,
        networks.LAYERS[setup.arch]["last"],
        images,
        labels,
        least_likely(logits, present),
        truth_mask(setup, labels, masks),
        steps=steps,
    )
    return rows.assign(index=list(indices))


def _attack_rows(setup: Setup, steps: int, indices: Sequence[int]) -> pd.DataFrame:
    return tables.rounded(attack_setup(setup, indices, steps))


def objects_of(setup: Setup, masks: dict[str, Tensor]) -> Tensor:
    """Masks of the classes' objects in a scene, (N, C, H, W) bool."""
    return torch.stack([masks[name] for name in setup.data.classes], dim=1)


def truth_mask(setup: Setup, labels: Tensor, masks: dict[str, Tensor]) -> Tensor:
    """What the true class is about: its object in a scene, else the findings; (N, H, W) bool."""
    if setup.name == "scenes":
        return objects_of(setup, masks)[torch.arange(len(labels)), labels]
    return finding_mask(masks, FINDINGS[setup.data.name])


def _right_and_visible(setup: Setup, count: int) -> list[int]:
    chosen: list[int] = []
    for part in torch.arange(len(setup.data)).split(15):
        images, labels, masks = datasets.batch(setup.data, part.tolist())
        right = networks.predict(setup.model, images).argmax(dim=1) == labels
        visible = truth_mask(setup, labels, masks).flatten(1).any(dim=1)
        chosen += part[right & visible].tolist()
        if len(chosen) >= count:
            break
    return chosen[:count]


def measure(options: argparse.Namespace) -> None:
    """Every wrong answer of the shipped networks; a set is searched once, or again for more."""
    for name, arch in FAILING:
        setup = open_setup(name, arch, limit=options.limit)
        table = tables.measured_table("c15_failures", setup, {"study": name, "network": arch})
        done = table.rows()
        if len(done) and done["searched"].max() >= len(setup.data):
            continue
        wrong = _wrong(setup)
        images, labels, _ = datasets.batch(setup.data, wrong)
        rows = failure_rows(setup.model, networks.LAYERS[arch]["last"], images, labels)
        table.append(tables.rounded(rows.assign(index=wrong, searched=len(setup.data))))


def _wrong(setup: Setup) -> list[int]:
    wrong: list[int] = []
    for part in tqdm(torch.arange(len(setup.data)).split(30), desc=f"failures {setup.name}"):
        images, labels, _ = datasets.batch(setup.data, part.tolist())
        wrong += part[networks.predict(setup.model, images).argmax(dim=1) != labels].tolist()
    return wrong
