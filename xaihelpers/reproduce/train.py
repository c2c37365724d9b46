"""Train the networks of the studies: on rendered data by default, on real data where present."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from xaihelpers import datasets, networks
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.evaluation.baselines import colour_size_baseline
from xaihelpers.reproduce.studies import (
    STUDIES,
    StudyError,
    checkpoint_path,
    data_name,
    data_version,
    load_data,
)

#: On real data training fine-tunes at the final image size: epochs by profile.
FINE_TUNING = {"quick": 1, "full": 8, "gpu": 20}
BASELINE_IMAGES = 1500


def run(study: str | None, arch: str | None, seed: int, data_root: str, profile: str) -> int:
    """Train every network asked for (None: all); finished ones are kept. Returns 0.

    Raises:
        StudyError: an unknown study or network, or a data root that is not a folder.
        TrainingError, StorageError, DataError: as `networks.train_study` and `datasets.load`.
    """
    for name in STUDIES if study is None else (study,):
        data_name(name, data_root)
        for network in STUDIES[name] if arch is None else (arch,):
            card = train(name, network, seed, data_root, profile)
            found = card["metrics"]
            print(
                f"{card['study']} {network}: accuracy {found['accuracy']:.3f} "
                f"[{found['accuracy_low']:.3f}, {found['accuracy_high']:.3f}], quadratic kappa "
                f"{found['kappa']} on {found['n']} {card['data']['origin']} test images"
            )
    return 0


def train(study: str, arch: str, seed: int, data_root: str, profile: str) -> dict[str, Any]:
    """Train one network, or keep the finished one; return its model card.

    On rendered data the recipe is that of the shipped network. On real data it fine-tunes at the
    final image size, from ImageNet weights where they can be had, else from the shipped network.
    """
    if arch not in STUDIES.get(study, ()):
        raise StudyError(f"no network {arch!r} in study {study!r}; there are {STUDIES}")
    train_set, validation, test = (
        load_data(study, split, data_root, seed=seed) for split in ("train", "val", "test")
    )
    recipe = networks.STUDIES[study, arch]
    real = train_set.origin == "real"
    if real:
        last = recipe.cycles[-1]
        cycle = replace(last, sizes=(recipe.final_size,) * FINE_TUNING[profile])
        labels = torch.as_tensor(train_set.labels)
        weights = networks.metrics.balanced_weights(labels, len(train_set.classes))
        recipe = replace(recipe, cycles=(cycle,), class_weights=weights)
    return networks.train_study(
        train_set.name,
        arch,
        *(datasets.to_tensors(split) for split in (train_set, validation, test)),
        classes=train_set.classes,
        origin=train_set.origin,
        data_version=data_version(train_set),
        seed=seed,
        recipe=recipe,
        weights="imagenet" if real else None,
        start=checkpoint_path(study, arch) if real else None,
        output=checkpoint_path(study, arch, data_root),
        notes={"baseline": baseline(train_set, test)},
    )


def baseline(train_set: ImageDataset, test: ImageDataset) -> dict[str, float]:
    """Balanced accuracy of colour and size alone, fitted to at most `BASELINE_IMAGES` images."""
    count = min(BASELINE_IMAGES, len(train_set))
    found = colour_size_baseline(
        (train_set[i].image for i in range(count)),
        train_set.labels[:count],
        (test[i].image for i in range(len(test))),
        test.labels,
    )
    return {"balanced_accuracy": found.balanced_accuracy, "chance": found.chance}
