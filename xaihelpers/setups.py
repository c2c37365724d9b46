"""Setups: a data set (rendered, or real where present) and a network trained on it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from xaihelpers import datasets, files, networks
from xaihelpers.datasets.records import SPLITS, ImageDataset, Source
from xaihelpers.datasets.registry import RENDERED
from xaihelpers.datasets.rendered.fundus import LESIONS
from xaihelpers.datasets.rendered.scenes import SHAPES
from xaihelpers.errors import SetupError

#: The networks of each setup, in the order in which they are shown.
SETUPS: dict[str, tuple[str, ...]] = {
    "fundus": ("efficientnet_b0", "vgg19"),
    "chest_xray": ("densenet121",),
    "scenes": ("resnet18", "small_vgg", "small_vgg_gap"),
}

#: The real set that takes the place of a rendered one; classes agree in name and order. Scenes
#: have none.
REAL: dict[str, str] = {"fundus": "aptos", "chest_xray": "radiography"}


#: The masks a map is measured against: lesions where they are known, else the organ.
FINDINGS: dict[str, tuple[str, ...]] = {
    "fundus": LESIONS,
    "chest_xray": ("opacity",),
    "scenes": SHAPES,
    "aptos": ("retina",),
    "radiography": ("lung",),
}
ORDERED = ("fundus", "aptos")  # sets whose classes are grades, so that a kappa may weigh distances


@dataclass(frozen=True)
class Variant:
    """Networks of one chapter: those of `base`, by its recipes, on data changed by `options`."""

    base: str
    options: dict[str, Any]
    archs: tuple[str, ...]


#: In `chest_marker` the text follows the class; all else is the same as in chest_xray, pixel by
#: pixel. In the two small ones half of the COVID patients have lungs that show nothing; the text
#: follows the class (`marker`) or is drawn by lot (`lot`). No part of the main measurement.
VARIANTS: dict[str, Variant] = {
    "chest_marker": Variant("chest_xray", {"marker_correlation": 1.0}, ("densenet121",)),
    "chest_marker_small": Variant(
        "chest_xray",
        {"marker_correlation": 1.0, "hidden": 0.5, "size": 128},
        ("small_vgg_gap",),
    ),
    "chest_lot_small": Variant("chest_xray", {"hidden": 0.5, "size": 128}, ("small_vgg_gap",)),
}


@dataclass(frozen=True)
class Setup:
    """A trained network and the data it is asked about."""

    name: str
    arch: str
    data: ImageDataset
    model: nn.Module
    card: dict[str, Any]


def data_name(setup_name: str, data_root: str = "") -> str:
    """The data set of a setup: the real one if `data_root` holds it, else the rendered one.

    Raises:
        SetupError: `setup_name` is in neither `SETUPS` nor `VARIANTS`, or `data_root` is no folder
            with a real set.
    """
    if setup_name not in SETUPS and setup_name not in VARIANTS:
        known = ", ".join((*SETUPS, *VARIANTS))
        raise SetupError(f"unknown setup {setup_name!r}: expected one of {known}")
    if not data_root:
        return setup_name
    found = datasets.available(data_root)
    if not found:
        what = "holds no real data" if Path(data_root).is_dir() else "is not a folder"
        raise SetupError(
            f"DATA_ROOT={data_root} {what}: give the folder that holds aptos2019/ or one of the "
            "radiography folders (see data/README.md), or leave it empty for rendered data"
        )
    real = REAL.get(setup_name, setup_name)
    return real if real in found else setup_name


def present(data_root: str = "") -> tuple[str, ...]:
    """The setups whose data are there: all of the rendered ones; under a data root the real ones.

    Raises:
        SetupError: as `data_name`.
    """
    return tuple(name for name in SETUPS if not data_root or data_name(name, data_root) != name)


def base(setup_name: str) -> str:
    """The setup whose recipes and renderer this one shares: itself, unless it is a variant."""
    return VARIANTS[setup_name].base if setup_name in VARIANTS else setup_name


def archs_of(setup_name: str) -> tuple[str, ...]:
    """The networks of a setup or a variant; none of an unknown one."""
    if setup_name in VARIANTS:
        return VARIANTS[setup_name].archs
    return SETUPS.get(setup_name, ())


def load_data(
    setup_name: str,
    split: str,
    data_root: str = "",
    skip_bad: bool | None = None,
    **options: Any,
) -> ImageDataset:
    """One split of the setup's data.

    Args:
        setup_name: a key of `SETUPS` or `VARIANTS`.
        split: "train", "val" or "test".
        data_root: folder with the real set; "" for rendered images.
        skip_bad: leave unusable real files out instead of raising an error; None does as was done
            when the stored networks of this set were trained.
        options: as in `datasets.load`.

    >>> load_data("chest_marker", "test", size=64, limit=3)[2].meta["marker"]
    'AP PORTABLE'
    """
    name = data_name(setup_name, data_root)
    if name == setup_name:
        changed = VARIANTS[setup_name].options if setup_name in VARIANTS else {}
        return datasets.load(base(setup_name), split=split, **(changed | options))
    if skip_bad is None:
        skip_bad = _skipped_bad(setup_name, data_root)
    return datasets.load(name, split=split, root=data_root, skip_bad=skip_bad, **options)


def _skipped_bad(setup_name: str, data_root: str) -> bool:
    paths = [checkpoint_path(setup_name, arch, data_root) for arch in SETUPS[setup_name]]
    cards = [networks.checkpoints.read_card(path) for path in paths if path.exists()]
    return any(card.get("skip_bad", False) for card in cards)


def data_version(
    setup_name: str, data_root: str = "", seed: int = 0, skip_bad: bool | None = None
) -> int | str:
    """What the images, labels and splits are: the renderer's version, or a digest of the real ones.

    The digest is made from content hashes; it does not depend on where the folder stands.
    """
    name = data_name(setup_name, data_root)
    if name == setup_name:
        version: int = RENDERED[base(setup_name)].VERSION
        return version
    digest = hashlib.sha256()
    for split in SPLITS:
        data = load_data(setup_name, split, data_root, skip_bad, seed=seed, cache=False)
        assert isinstance(data, Source)  # uncached
        digest.update(f"{split} {data.options}\n".encode())
    return digest.hexdigest()[:12]


def checkpoint_path(setup_name: str, arch: str, data_root: str = "") -> Path:
    """Where the checkpoint lies: shipped for rendered data, under `results/real/` for real data."""
    name = data_name(setup_name, data_root)
    folder = files.checkpoints_dir()
    if name != setup_name:
        folder = files.results_dir() / "real" / "checkpoints"
    return folder / f"{name}_{arch}.safetensors"


def open_setup(
    setup_name: str,
    arch: str,
    data_root: str = "",
    split: str = "test",
    seed: int = 0,
    limit: int | None = None,
) -> Setup:
    """Load the trained network of a setup and one split of its data.

    Args:
        setup_name: a key of `SETUPS` or `VARIANTS`, for example "fundus".
        arch: one of its networks, for example "vgg19".
        data_root: folder with the real set; "" for rendered images.
        split: "train", "val" or "test".
        seed: of rendered images. Real data are always divided as when the network was trained, so
            that no test image was trained on.
        limit: the first so many images; None for all.

    Raises:
        SetupError: the setup or network is unknown, `data_root` holds no real set, or its images
            are not those that the stored network was trained on.
        CheckpointError: the checkpoint is missing or does not match its card.
    """
    if arch not in (archs_of(setup_name) or (arch,)):
        raise SetupError(
            f"setup {setup_name!r} has {', '.join(archs_of(setup_name))}, not {arch!r}"
        )
    path = checkpoint_path(setup_name, arch, data_root)
    real = data_name(setup_name, data_root) != setup_name
    command = f"python -m xaihelpers train {setup_name} {arch} --data-root {data_root}"
    if real and not path.exists():
        raise SetupError(f"no network has been trained on {data_root} yet: run `{command}`")
    model, card = networks.checkpoints.load(path)
    model.to(memory_format=torch.channels_last)  # VGGs take a fifth less time on a CPU
    if real:
        seed = card["seed"]
        if data_version(setup_name, data_root, seed) != card["data"]["version"]:
            raise SetupError(
                f"{path.name} was trained on other images than {data_root} holds: run `{command}`"
            )
    data = load_data(setup_name, split, data_root, seed=seed, limit=limit)
    return Setup(setup_name, arch, data, model, card)
