"""The networks that ship: recipes, and `train_shipped`, which trains, checks and saves one."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import accelerate
import torch
import torchvision
from torch import nn
from torch.utils.data import Dataset

from xaihelpers.errors import WeightsUnavailableError
from xaihelpers.files import data_dir
from xaihelpers.networks import checkpoints, imagenet
from xaihelpers.networks.classifiers import (
    TRAINED_WITH_NORM,
    VGG16,
    VGG19,
    build,
    copy_weights,
    fold_batch_norm,
)
from xaihelpers.networks.metrics import evaluate
from xaihelpers.networks.recipes import Augmentation, Cycle, Recipe, versions
from xaihelpers.networks.small import SMALL
from xaihelpers.networks.training import fit

FUNDUS = Augmentation(vertical_flip=0.5)
SCENES = Augmentation()
CHEST = Augmentation(horizontal_flip=0.0)  # a mirrored heart is another anatomy

# Small images first, where an epoch is cheap; then 224 px, where the last maps have 7 x 7 cells.
SHIPPED: dict[tuple[str, str], Recipe] = {
    ("fundus", "efficientnet_b0"): Recipe(
        cycles=(
            Cycle(2e-3, (96, 96, 128, 128, 128)),
            Cycle(1.5e-3, (128, 128, 224, 224, 224), warmup=0.2),
        ),
        batch_size=24,
        augmentation=FUNDUS,
    ),
    ("fundus", "vgg19"): Recipe(
        cycles=(
            Cycle(1e-3, (96, 96, 128, 128, 128)),
            Cycle(6e-4, (224, 224, 224), warmup=0.1),
            Cycle(4e-4, (224,), warmup=0.1),
        ),
        batch_size=24,
        low_precision=True,
        augmentation=FUNDUS,
    ),
    ("chest_xray", "densenet121"): Recipe(
        cycles=(Cycle(2e-3, (96, 96, 96, 96)), Cycle(6e-4, (224, 224), warmup=0.2)),
        batch_size=32,
        low_precision=True,
        augmentation=CHEST,
    ),
    ("chest_xray", "small_vgg_gap"): Recipe(
        cycles=(Cycle(2e-3, (128,) * 8),),
        low_precision=True,
        patience=None,
        augmentation=CHEST,
    ),
}
# The scenes' networks see objects large enough for small images. One recipe for both small ones: a
# comparison of the two is then one of their heads.
SHIPPED |= {
    ("scenes", arch): Recipe(
        cycles=(Cycle(lr, small), Cycle(1e-3, large, warmup=0.2)),
        low_precision=True,
        augmentation=SCENES,
    )
    for arch, lr, small, large in (
        ("resnet18", 2e-3, (64,) * 3, (128,) * 2),
        *((name, 1e-3, (64,) * 4, (128,)) for name in SMALL),
    )
}
# A real start for any setup: ImageNet weights out of a package, a short run at their own size.
FINE_TUNED: dict[str, Recipe] = {
    imagenet.ARCH: Recipe((Cycle(1e-3, (imagenet.SIZE,) * 6),), batch_size=16, patience=None)
}
FP16_POINTS = 0.2  # largest loss of accuracy or kappa, in points, that fp16 may cost


def train_shipped(
    setup_name: str,
    arch: str,
    train: Dataset[Any],
    validation: Dataset[Any],
    test: Dataset[Any],
    *,
    classes: Sequence[str],
    origin: str,
    data_version: int | str,
    seed: int = 0,
    recipe: Recipe | None = None,
    weights: str | None = None,
    start: Path | None = None,
    output: Path | None = None,
    work: Path | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train the network of a setup, test it, save it with its card; return the card.

    Finished work is not done again: a checkpoint with the same recipe, data and seed is kept, and
    an interrupted training goes on from its last save. VGGs are trained with batch norm, which is
    folded away before testing. The card's "metrics" are those of the fp16 weights that are saved,
    "metrics_fp32" those before rounding.

    Args:
        setup_name: name of the setup; with `arch` it selects the recipe of `SHIPPED`.
        arch: name of the network.
        train: map-style data set of (uint8 image (3, H, W), int label).
        validation: the same.
        test: the same.
        classes: names of the classes, for the card.
        origin: "rendered" or "real", for the card.
        data_version: what the data are, for the card.
        seed: of the network's start and of every draw.
        recipe: another recipe than that of `SHIPPED`, or of `FINE_TUNED` where the setup has none.
        weights: "imagenet" starts from ImageNet weights, for "efficientnet_lite0" those of a
            package; where they cannot be had, a notice is printed and `start`, or a fresh network,
            is used.
        start: a checkpoint of this project to start from.
        output: checkpoint to write; by default where `load_shipped` looks for it.
        work: folder for resumable state, removed at the end; by default under `data_dir()`.
        progress: whether to show progress bars.

    Raises:
        KeyError: no recipe for this setup, and none given.
        TrainingError, StorageError, CheckpointError: as `fit` and `checkpoints.save`.
    """
    recipe = recipe or _recipe(setup_name, arch)
    output = output or checkpoints.shipped_path(setup_name, arch)
    data = {"name": setup_name, "origin": origin, "version": data_version}
    card: dict[str, Any] = {"study": setup_name, "arch": arch, "classes": list(classes)}
    card |= {"data": data, "seed": seed, "recipe": recipe.as_dict()}
    if (done := checkpoints.finished(output, card)) is not None:
        return done
    work = work or data_dir() / "training" / f"{setup_name}_{arch}-{origin}-seed{seed}"
    model, card["start"] = _start(arch, len(classes), seed, weights, start)
    card["history"] = fit(
        model,
        train,
        validation,
        recipe=recipe,
        num_classes=len(classes),
        output=work,
        seed=seed,
        progress=progress,
    )
    if isinstance(model, VGG19 | VGG16):
        model = fold_batch_norm(model)
    card |= _tested(model, test, recipe.final_size)
    card["versions"] = versions(recipe.low_precision, accelerate, torchvision)
    card = checkpoints.save(model, output, card)
    shutil.rmtree(work, ignore_errors=True)
    return card


def _recipe(setup_name: str, arch: str) -> Recipe:
    if (setup_name, arch) not in SHIPPED and arch in FINE_TUNED:
        return FINE_TUNED[arch]
    if (setup_name, arch) not in SHIPPED:
        known = ", ".join(" ".join(pair) for pair in SHIPPED)
        raise KeyError(f"no recipe for {setup_name} {arch}; there are: {known}. Or pass a recipe")
    return SHIPPED[setup_name, arch]


def _start(
    arch: str, num_classes: int, seed: int, weights: str | None, start: Path | None
) -> tuple[nn.Module, str]:
    """The network as training begins, and in words where it comes from."""
    form = f"{arch}_bn" if arch in TRAINED_WITH_NORM and start is None else arch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if weights is not None:
            try:
                return build(form, num_classes, weights), weights
            except WeightsUnavailableError as error:
                print(f"{error}\nGoing on without them.")
        model = build(form, num_classes)
    if start is None:
        return model, "random"
    source, card = checkpoints.load(start)
    copy_weights(source, model)
    return model, f"{start.name} ({card['sha256'][:12]})"


def _tested(model: nn.Module, test: Dataset[Any], size: int) -> dict[str, Any]:
    """Test metrics in fp32, and of the weights as fp16 leaves them; the model keeps the latter."""
    before = evaluate(model, test, size=size)
    model.load_state_dict(checkpoints.half(model))
    after = evaluate(model, test, size=size)
    lost = max(
        100 * abs((before[key] or 0.0) - (after[key] or 0.0)) for key in ("accuracy", "kappa")
    )
    if lost > FP16_POINTS:
        print(f"fp16 changes the test figures by {lost:.2f} points, more than {FP16_POINTS}")
    return {"metrics": after, "metrics_fp32": before, "fp16_points": lost}
