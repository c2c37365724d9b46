"""Train the networks of the setups: on rendered data by default, on real data where present."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from xaihelpers import datasets, files, networks
from xaihelpers.datasets.records import SPLITS, ImageDataset
from xaihelpers.errors import SetupError, WeightsUnavailableError
from xaihelpers.metrics.baselines import colour_size_baseline
from xaihelpers.setups import (
    VARIANTS,
    archs_of,
    base,
    checkpoint_path,
    data_name,
    data_version,
    load_data,
    present,
)

#: On real data training fine-tunes at the final image size: epochs by profile.
FINE_TUNING = {"quick": 1, "full": 8, "gpu": 20}
BASELINE_IMAGES = 1500


def run(
    name: str | None,
    arch: str | None,
    seed: int,
    data_root: str,
    profile: str,
    skip_bad: bool = False,
) -> int:
    """Train every network asked for; finished ones are kept. Returns 0.

    Args:
        name: a setup, "language" for the captioners and the question answerer of rendered images,
            or None for all whose data are there.
        arch: one network of the setup; None for all.
        seed: of the start weights, of the order of images, and of rendered images.
        data_root: folder of the real data, "" for rendered data.
        profile: "quick", "full" or "gpu": how long a network is tuned on real data.
        skip_bad: leave unusable real files out instead of raising an error.

    Raises:
        SetupError: an unknown setup or network, or data that are not under the data root.
        TrainingError, StorageError, DataError: as `networks.train_shipped` and `datasets.load`.
    """
    from xaihelpers.experiments.language import (
        train as language,  # here, lest every chapter's claims rest on it
    )

    if name == "language":
        return language.run(arch, seed)
    variants = () if data_root else tuple(VARIANTS)
    for chosen in (*present(data_root), *variants) if name is None else (name,):
        if data_name(chosen, data_root) == chosen and data_root:
            raise SetupError(f"{data_root} does not hold the real data of {chosen}: leave it out")
        for network in archs_of(chosen) if arch is None else (arch,):
            _say(train(chosen, network, seed, data_root, profile, skip_bad), network)
    if name is None and arch is None and not data_root:
        language.run(seed=seed)  # last: its captioner of radiographs stands on the chest network
    return 0


def _say(card: dict[str, Any], arch: str) -> None:
    metrics = card["metrics"]
    kappa = "undefined" if metrics["kappa"] is None else f"{metrics['kappa']:.3f}"
    accuracy = "{accuracy:.3f} [{accuracy_low:.3f}, {accuracy_high:.3f}]".format(**metrics)
    print(
        f"{card['study']} {arch}: accuracy {accuracy}, quadratic kappa {kappa} on "
        f"{metrics['n']} {card['data']['origin']} test images"
    )


def train(
    name: str, arch: str, seed: int, data_root: str, profile: str, skip_bad: bool = False
) -> dict[str, Any]:
    """Train one network, or keep the finished one; return its model card.

    On rendered data the recipe is that of the shipped network. On real data it fine-tunes at the
    final image size, from ImageNet weights where they can be had, else from the shipped network; a
    stored network is kept if it saw the same images for at least as many epochs.

    Args:
        name, arch: the setup and its network.
        seed, data_root, profile, skip_bad: as `run`.
    """
    if arch not in archs_of(name):
        known = ", ".join(archs_of(name))
        raise SetupError(f"no network {arch!r} in setup {name!r}; there are: {known}")
    data, path = data_name(name, data_root), checkpoint_path(name, arch, data_root)
    version = data_version(name, data_root, seed, skip_bad)
    real = data != name
    if real and (card := _usable(path, version, seed, FINE_TUNING[profile])) is not None:
        return card
    train_set, validation, test = (
        load_data(name, split, data_root, skip_bad, seed=seed) for split in SPLITS
    )
    options: dict[str, Any] = {"recipe": networks.SHIPPED[base(name), arch]}
    options |= _fine_tuning(name, arch, train_set, profile) if real else {}
    if real:
        folder = f"{data}_{arch}-{version}-{profile}-seed{seed}"
        options["work"] = files.data_dir() / "training" / folder
    card = networks.train_shipped(
        data,
        arch,
        *(datasets.to_tensors(part) for part in (train_set, validation, test)),
        classes=train_set.classes,
        origin=train_set.origin,
        data_version=version,
        seed=seed,
        output=path,
        **options,
    )
    card |= {"baseline": baseline(train_set, test)} | ({"skip_bad": skip_bad} if real else {})
    with files.atomic_path(networks.checkpoints.card_path(path)) as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def _usable(path: Path, version: int | str, seed: int, epochs: int) -> dict[str, Any] | None:
    """The card of a sound network trained on these images for `epochs` or more, else None."""
    try:
        _, card = networks.checkpoints.load(path)
    except networks.checkpoints.CheckpointError:
        return None
    asked = {
        "saw other images": card["data"]["version"] != version,
        "saw another split (seed)": card["seed"] != seed,
        "was trained for fewer epochs": len(card["recipe"]["cycles"][-1]["sizes"]) < epochs,
        "lacks its baseline": "baseline" not in card,
    }
    reasons = [reason for reason, given in asked.items() if given]
    if reasons:
        print(f"{path.stem}: the stored network {reasons[0]}, so it is made again")
    return None if reasons else card


def _fine_tuning(name: str, arch: str, train_set: ImageDataset, profile: str) -> dict[str, Any]:
    """Recipe and start on real data: balanced classes, the final size, ImageNet or our weights."""
    classes = len(train_set.classes)
    missing = sorted(set(range(classes)) - set(train_set.labels.tolist()))
    if len(missing) > classes - 2:
        raise SetupError(f"the training part of {train_set.name} shows one class only: add others")
    if missing:
        absent = ", ".join(train_set.classes[c] for c in missing)
        print(
            f"{train_set.name}: no training image of {absent}; such images will be answered wrong"
        )
    recipe = networks.SHIPPED[name, arch]
    last = recipe.cycles[-1]
    cycle = replace(last, sizes=(recipe.final_size,) * FINE_TUNING[profile])
    weights = networks.metrics.balanced_weights(torch.as_tensor(train_set.labels), classes)
    recipe = replace(recipe, cycles=(cycle,), class_weights=weights)
    start = checkpoint_path(name, arch)
    imagenet = _imagenet_available(arch)
    if not imagenet:
        print(f"{arch}: ImageNet weights cannot be downloaded; starting from {start.name}")
    return {"recipe": recipe, "weights": "imagenet" if imagenet else None, "start": start}


def _imagenet_available(arch: str) -> bool:
    try:
        networks.build(arch, 1, "imagenet")
    except WeightsUnavailableError:
        return False
    return True


def baseline(train_set: ImageDataset, test: ImageDataset) -> dict[str, float]:
    """Balanced accuracy of colour and size alone, fitted to at most `BASELINE_IMAGES` images."""
    count = min(BASELINE_IMAGES, len(train_set))
    with warnings.catch_warnings():  # a small test part may lack classes
        warnings.filterwarnings("ignore", "y_pred contains classes not in y_true|A single label")
        found = colour_size_baseline(
            _images(train_set, count),
            train_set.labels[:count],
            _images(test, len(test)),
            test.labels,
        )
    return {"balanced_accuracy": found.balanced_accuracy, "chance": found.chance}


def _images(data: ImageDataset, count: int) -> Iterator[np.ndarray]:
    for i in tqdm(range(count), f"{data.name} {data.split}: colour and size", leave=False):
        yield data[i].image
