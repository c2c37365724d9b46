"""What a study stands on: its data (rendered, or real where present) and its trained network."""

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

#: The networks of each study, in the order in which they are shown.
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


def data_name(study: str, data_root: str = "") -> str:
    """The data set a study uses: the real one if `data_root` holds it, else the rendered one.

    Raises:
        SetupError: `study` is in neither `SETUPS` nor `VARIANTS`, or `data_root` is no folder
            with a real set.
    """
    if study not in SETUPS and study not in VARIANTS:
        known = ", ".join((*SETUPS, *VARIANTS))
        raise SetupError(f"unknown study {study!r}: expected one of {known}")
    if not data_root:
        return study
    found = datasets.available(data_root)
    if not found:
        what = "holds no real data" if Path(data_root).is_dir() else "is not a folder"
        raise SetupError(
            f"DATA_ROOT={data_root} {what}: give the folder that holds aptos2019/ or one of the "
            "radiography folders (see data/README.md), or leave it empty for rendered data"
        )
    real = REAL.get(study, study)
    return real if real in found else study


def present(data_root: str = "") -> tuple[str, ...]:
    """The studies whose data are there: all of the rendered ones; under a data root the real ones.

    Raises:
        SetupError: as `data_name`.
    """
    return tuple(name for name in SETUPS if not data_root or data_name(name, data_root) != name)


def base(study: str) -> str:
    """The study whose recipes and renderer this one shares: itself, unless it is an experiment."""
    return VARIANTS[study].base if study in VARIANTS else study


def archs_of(study: str) -> tuple[str, ...]:
    """The networks of a study or an experiment; none of an unknown one."""
    if study in VARIANTS:
        return VARIANTS[study].archs
    return SETUPS.get(study, ())


def load_data(
    study: str,
    split: str,
    data_root: str = "",
    skip_bad: bool | None = None,
    **options: Any,
) -> ImageDataset:
    """One split of the study's data; options as in `datasets.load`.

    skip_bad: leave unusable real files out instead of raising an error; None does as was done when
        the stored networks of this set were trained.
    """
    name = data_name(study, data_root)
    if name == study:
        changed = VARIANTS[study].options if study in VARIANTS else {}
        return datasets.load(base(study), split=split, **(changed | options))
    if skip_bad is None:
        skip_bad = _skipped_bad(study, data_root)
    return datasets.load(name, split=split, root=data_root, skip_bad=skip_bad, **options)


def _skipped_bad(study: str, data_root: str) -> bool:
    paths = [checkpoint_path(study, arch, data_root) for arch in SETUPS[study]]
    cards = [networks.checkpoints.read_card(path) for path in paths if path.exists()]
    return any(card.get("skip_bad", False) for card in cards)


def data_version(
    study: str, data_root: str = "", seed: int = 0, skip_bad: bool | None = None
) -> int | str:
    """What the images, labels and splits are: the renderer's version, or a digest of the real ones.

    The digest is made from content hashes; it does not depend on where the folder stands.
    """
    name = data_name(study, data_root)
    if name == study:
        version: int = RENDERED[base(study)].VERSION
        return version
    digest = hashlib.sha256()
    for split in SPLITS:
        data = load_data(study, split, data_root, skip_bad, seed=seed, cache=False)
        assert isinstance(data, Source)  # uncached
        digest.update(f"{split} {data.options}\n".encode())
    return digest.hexdigest()[:12]


def checkpoint_path(study: str, arch: str, data_root: str = "") -> Path:
    """Where the checkpoint lies: shipped for rendered data, under `results/real/` for real data."""
    name = data_name(study, data_root)
    folder = files.checkpoints_dir()
    if name != study:
        folder = files.results_dir() / "real" / "checkpoints"
    return folder / f"{name}_{arch}.safetensors"


def open_setup(
    study: str,
    arch: str,
    data_root: str = "",
    split: str = "test",
    seed: int = 0,
    limit: int | None = None,
) -> Setup:
    """Load the trained network of a study and one split of its data.

    seed: of rendered images. Real data are always divided as when the network was trained, so that
        no test image was trained on.

    Raises:
        SetupError: the study or network is unknown, `data_root` holds no real set, or its images
            are not those that the stored network was trained on.
        CheckpointError: the checkpoint is missing or does not match its card.
    """
    if arch not in (archs_of(study) or (arch,)):
        raise SetupError(f"study {study!r} has {', '.join(archs_of(study))}, not {arch!r}")
    path = checkpoint_path(study, arch, data_root)
    real = data_name(study, data_root) != study
    command = f"python -m xaihelpers train {study} {arch} --data-root {data_root}"
    if real and not path.exists():
        raise SetupError(f"no network has been trained on {data_root} yet: run `{command}`")
    model, card = networks.checkpoints.load(path)
    model.to(memory_format=torch.channels_last)  # VGGs take a fifth less time on a CPU
    if real:
        seed = card["seed"]
        if data_version(study, data_root, seed) != card["data"]["version"]:
            raise SetupError(
                f"{path.name} was trained on other images than {data_root} holds: run `{command}`"
            )
    data = load_data(study, split, data_root, seed=seed, limit=limit)
    return Setup(study, arch, data, model, card)
