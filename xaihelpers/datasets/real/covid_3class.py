"""Three classes of chest radiographs: `Covid19-dataset/{train,val}/{Covid,Normal,Viral Pneumonia}`.

317 pictures, squashed to squares by their publisher. Traps: near-duplicates cross the publisher's
own train and val, so our parts are made by cluster; all pictures that are stored grey or as PNG are
Covid; Normal and Viral Pneumonia look like children, with a large "R" and time stamps. What a
linear model gets from such things alone is printed by `data check`.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from xaihelpers.datasets import splits
from xaihelpers.datasets.duplicates import NEAR
from xaihelpers.datasets.images import read_rgb, square
from xaihelpers.datasets.index import image_files
from xaihelpers.datasets.index import index as make_index
from xaihelpers.datasets.real.reader import folders, meta_of, refuse_incomplete
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError

TITLE = "COVID three classes"
CLASSES = ("Normal", "Viral Pneumonia", "COVID")
FOLDERS = dict(zip(CLASSES, ("Normal", "Viral Pneumonia", "Covid"), strict=True))
COUNTS = dict(zip(CLASSES, (90, 90, 137), strict=True))
PARTS = ("train", "val")
VERSION = 1  # bump when the pixels change
NAME = "covid_3class"


def find(root: Path) -> Path | None:
    """The folder `Covid19-dataset`, or one with a class folder in `train/` or `val/`."""
    for folder in folders(root, 2):
        held = [folder / part / name for part in PARTS for name in FOLDERS.values()]
        if folder.name == "Covid19-dataset" or any(path.is_dir() for path in held):
            return folder
    return None


def missing(folder: Path) -> list[str]:
    """The class folders that are not there or hold no image."""
    return [
        f"{part}/{name}/"
        for part in PARTS
        for name in FOLDERS.values()
        if not image_files(folder / part / name)
    ]


def published(table: pd.DataFrame) -> Mapping[str, int]:
    """The published number of images of each class."""
    return COUNTS


def notes(folder: Path, table: pd.DataFrame) -> list[str]:
    """Nothing more to say."""
    return []


def _listing(folder: Path) -> pd.DataFrame:
    rows = [
        {
            "file": path.relative_to(folder).as_posix(),
            "mask": "",
            "name": f"{part}/{name}/{path.stem}",
            "label": label,
            "problem": "",
            "part": part,
        }
        for part in PARTS
        for label, name in enumerate(FOLDERS.values())
        for path in image_files(folder / part / name)
    ]
    return pd.DataFrame(rows, columns=["file", "mask", "name", "label", "problem", "part"])


def index(folder: Path) -> pd.DataFrame:
    """Every image with its class, the publisher's own part, what it shows, and its problem if any.

    Raises:
        DataError: a class folder is missing.
    """
    refuse_incomplete(TITLE, folder, missing(folder))
    known = [
        path
        for part in PARTS
        for name in FOLDERS.values()
        for path in image_files(folder / part / name)
    ]
    return make_index(NAME, folder, known, partial(_listing, folder), NEAR)


def _record(folder: Path, size: int, row: dict[str, Any]) -> Record:
    image = square(read_rgb(folder / row["file"]), size)
    return Record(image, int(row["label"]), {}, row["name"], meta_of(row, "part", "mode", "format"))


def source(root: Path, split: str, size: int, seed: int, skip_bad: bool = False) -> Source:
    """The records of a split, padded to a square and resized. There are no masks.

    meta: `file`, `width`, `height`, `sha256`, `part` (the publisher's own), `mode`, `format`.

    Args:
        root: the set's folder or one above it.
        split: "train", "val", "test" or "all"; not the publisher's own, which copies cross.
        size: side of the images in pixels.
        seed: of the division.
        skip_bad: leave unusable images out and count them in `report`.

    Raises:
        DataError: the set is not under `root` or incomplete, or an image cannot be used.
    """
    folder = find(root)
    if folder is None:
        raise DataError(
            f"no Covid19-dataset folder under {root.resolve()}. Run `python -m xaihelpers data get "
            f"{NAME}`. Without it, load('chest_xray') renders such images."
        )
    choice = splits.Choice(split, size, seed, skip_bad, CLASSES)
    return splits.choose(NAME, folder, index(folder), choice, _record, VERSION)
