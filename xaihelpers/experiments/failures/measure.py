"""Measure failures and attacks over whole test sets, a row per image.

    python -m xaihelpers.experiments.failures.measure [attacks failures]

writes results/tables/c13_attacks.csv and c15_failures.csv; rows of these networks that are there
are not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

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
#: Networks whose wrong answers are looked at.
FAILING = (("chest_xray", "densenet121"), ("fundus", "efficientnet_b0"))


def attacks(limit: int | None = None) -> None:
    """Attack the first images that are answered rightly and show their finding or object."""
    for (name, arch), (count, steps) in ATTACKED.items():
        if not files.checkpoints_dir().joinpath(f"{name}_{arch}.safetensors").exists():
            print(f"{name}_{arch} does not exist; left out", flush=True)
            continue
        study = open_setup(name, arch)
        done = tables.done("c13_attacks", study, {"study": name})
        for part in tables.parts(_right_and_visible(study, limit or count), 10):
            left = [i for i in part if i not in done]
            if left:
                rows = attack_study(study, left, steps).assign(study=name)
                tables.grow("c13_attacks", rows, study)


def attack_study(study: Setup, indices: Sequence[int], steps: int) -> pd.DataFrame:
    """`attack_rows` of a study's images, towards the least likely class that is not in them."""
    images, labels, masks = datasets.batch(study.data, indices)
    logits = networks.predict(study.model, images)
    present = objects_of(study, masks).flatten(2).any(dim=2) if study.name == "scenes" else None
    rows = attack_rows(
        study.model,
        networks.LAYERS[study.arch]["last"],
        images,
        labels,
        least_likely(logits, present),
        truth_mask(study, labels, masks),
        steps=steps,
    )
    return rows.assign(index=list(indices))


def objects_of(study: Setup, masks: dict[str, Tensor]) -> Tensor:
    """Masks of the classes' objects in a scene, (N, C, H, W) bool."""
    return torch.stack([masks[name] for name in study.data.classes], dim=1)


def truth_mask(study: Setup, labels: Tensor, masks: dict[str, Tensor]) -> Tensor:
    """What the true class is about: its object in a scene, else the findings; (N, H, W) bool."""
    if study.name == "scenes":
        return objects_of(study, masks)[torch.arange(len(labels)), labels]
    return finding_mask(masks, FINDINGS[study.data.name])


def _right_and_visible(study: Setup, count: int) -> list[int]:
    found: list[int] = []
    for part in tables.parts(range(len(study.data)), 15):
        images, labels, masks = datasets.batch(study.data, part)
        right = networks.predict(study.model, images).argmax(dim=1) == labels
        visible = truth_mask(study, labels, masks).flatten(1).any(dim=1)
        found += [i for i, good in zip(part, (right & visible).tolist(), strict=True) if good]
        if len(found) >= count:
            break
    return found[:count]


def failures(limit: int | None = None) -> None:
    """Every wrong answer of the shipped networks; a set is searched once, or again for more."""
    for name, arch in FAILING:
        study = open_setup(name, arch, limit=limit)
        keys = {"study": name, "network": arch}
        if tables.done("c15_failures", study, keys, len(study.data)):
            continue
        wrong = list(_wrong(study))
        images, labels, _ = datasets.batch(study.data, wrong)
        rows = failure_rows(study.model, networks.LAYERS[arch]["last"], images, labels)
        rows = rows.assign(index=wrong, **keys, searched=len(study.data))
        tables.grow("c15_failures", rows, study)


def _wrong(study: Setup) -> Iterator[int]:
    for part in tables.parts(range(len(study.data)), 30):
        images, labels, _ = datasets.batch(study.data, part)
        answers = networks.predict(study.model, images).argmax(dim=1)
        yield from np.asarray(part)[(answers != labels).numpy()].tolist()


PARTS: dict[str, Callable[[int | None], None]] = {
    "failures": failures,
    "attacks": attacks,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows that are missing, saving as it goes; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m xaihelpers.experiments.failures.measure")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--limit", type=int, help="so many images only")
    chosen = parser.parse_args(arguments)
    for part in chosen.parts or PARTS:
        PARTS[part](chosen.limit)
        print(f"{part}: done", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
