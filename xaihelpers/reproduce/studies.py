"""What a study stands on: its data (rendered, or real where present) and its trained network."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from xaihelpers import datasets, files, networks
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.datasets.registry import RENDERED

#: The networks of each study, in the order in which they are shown.
STUDIES: dict[str, tuple[str, ...]] = {
    "fundus": ("efficientnet_b0", "vgg19"),
    "chest_xray": ("densenet121",),
}

#: The real set that takes the place of each rendered one.
REAL: dict[str, str] = {"fundus": "aptos", "chest_xray": "radiography"}


class StudyError(ValueError):
    """A study, network or data folder that does not exist."""


@dataclass(frozen=True)
class Study:
    """A trained network and the data it is asked about."""

    name: str
    arch: str
    data: ImageDataset
    model: nn.Module
    card: dict[str, Any]


def data_name(study: str, data_root: str = "") -> str:
    """The data set a study uses: the real one if `data_root` holds it, else the rendered one.

    Raises:
        StudyError: `study` is not one of `STUDIES`, or `data_root` is not a folder.
    """
    if study not in STUDIES:
        raise StudyError(f"unknown study {study!r}: expected one of {', '.join(STUDIES)}")
    if not data_root:
        return study
    if not Path(data_root).is_dir():
        raise StudyError(
            f"DATA_ROOT={data_root} is not a folder: give the folder that holds aptos2019/ or one "
            "of the radiography folders (see data/README.md), or leave it empty for rendered data"
        )
    return REAL[study] if REAL[study] in datasets.available(data_root) else study


def load_data(study: str, split: str, data_root: str = "", **options: Any) -> ImageDataset:
    """One split of the study's data; options as in `datasets.load`."""
    name = data_name(study, data_root)
    root = data_root if name != study else None
    return datasets.load(name, split=split, root=root, **options)


def data_version(data: ImageDataset) -> str:
    """What the pixels and labels are: the renderer's version, or a digest of the real split."""
    if data.origin == "rendered":
        return str(RENDERED[data.name].load().VERSION)
    names = [str(data[i].meta["sha256"]) for i in range(len(data))]
    text = "\n".join(f"{n} {label}" for n, label in zip(names, data.labels, strict=True))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def checkpoint_path(study: str, arch: str, data_root: str = "") -> Path:
    """Where the checkpoint lies: shipped for rendered data, under `results/real/` for real data."""
    name = data_name(study, data_root)
    folder = files.checkpoints_dir()
    if name != study:
        folder = files.results_dir() / "real" / "checkpoints"
    return folder / f"{name}_{arch}.safetensors"


def open_study(
    study: str,
    arch: str,
    data_root: str = "",
    split: str = "test",
    seed: int = 0,
    limit: int | None = None,
) -> Study:
    """Load the trained network of a study and one split of its data at 224 px.

    Raises:
        StudyError: the study or network is unknown, or `data_root` is not a folder.
        CheckpointError: the checkpoint is missing or does not match its card.
    """
    if arch not in STUDIES.get(study, (arch,)):
        raise StudyError(f"study {study!r} has {', '.join(STUDIES[study])}, not {arch!r}")
    data = load_data(study, split, data_root, seed=seed, limit=limit)
    model, card = networks.checkpoints.load(checkpoint_path(study, arch, data_root))
    return Study(study, arch, data, model, card)
