"""IDRiD, the segmentation part in its official layout: photographs and pixel masks of lesions.

`A. Segmentation/1. Original Images/{a. Training Set,b. Testing Set}/IDRiD_<n>.jpg` and
`A. Segmentation/2. All Segmentation Groundtruths/<set>/<type>/IDRiD_<n>_<code>.tif`. Every
photograph shows diabetic retinopathy; the part carries no grades, so the set is for measuring maps,
not for training. Porwal et al. 2018, "Indian Diabetic Retinopathy Image Dataset", CC BY 4.0.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xaihelpers.datasets import splits
from xaihelpers.datasets.duplicates import NEAR_RETINA
from xaihelpers.datasets.images import (
    fit_mask,
    read_mask,
    read_rgb,
    retina_box,
    retina_mask,
    square,
)
from xaihelpers.datasets.index import image_files
from xaihelpers.datasets.index import index as make_index
from xaihelpers.datasets.real.reader import folders, meta_of, refuse_incomplete
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError

TITLE = "IDRiD"
CLASSES = ("Diabetic retinopathy",)
COUNTS = {"Diabetic retinopathy": 81}  # published: 54 for training, 27 for testing
VERSION = 1  # bump when the pixels change
IMAGES, MASKS = "1. Original Images", "2. All Segmentation Groundtruths"
PARTS = {"a. Training Set": "train", "b. Testing Set": "test"}
#: Name of the mask, folder of its files, code at the end of their names.
TYPES = {
    "microaneurysm": ("1. Microaneurysms", "MA"),
    "haemorrhage": ("2. Haemorrhages", "HE"),
    "hard_exudate": ("3. Hard Exudates", "EX"),
    "soft_exudate": ("4. Soft Exudates", "SE"),
    "disc": ("5. Optic Disc", "OD"),
}
LESIONS = ("microaneurysm", "haemorrhage", "hard_exudate", "soft_exudate")


_ABOVE = ("A. Segmentation", IMAGES, MASKS)


def find(root: Path) -> Path | None:
    """The folder that holds the photographs' and the masks' folder: up to two levels below."""
    for folder in folders(root, 2):
        if (folder / IMAGES).is_dir() or (folder / MASKS).is_dir():
            return folder
        if folder.name.lower() == "idrid" and not any((folder / part).is_dir() for part in _ABOVE):
            return folder
    return None


def missing(folder: Path) -> list[str]:
    """Which of the photographs' and the masks' folders are not there."""
    return [f"{name}/" for name in (IMAGES, MASKS) if not (folder / name).is_dir()]


def published(table: pd.DataFrame) -> Mapping[str, int]:
    """The published number of photographs."""
    return COUNTS


def notes(folder: Path, table: pd.DataFrame) -> list[str]:
    """How many photographs have a mask of each type."""
    counts = {
        name: int(table["mask"].str.contains(f"_{code}.", regex=False).sum())
        for name, (_, code) in TYPES.items()
    }
    return ["  masks: " + ", ".join(f"{name} {count}" for name, count in counts.items())]


def _masks_of(folder: Path, part: str, stem: str) -> Iterator[Path]:
    for place, code in TYPES.values():
        for suffix in (".tif", ".tiff", ".png"):
            path = folder / MASKS / part / place / f"{stem}_{code}{suffix}"
            if path.is_file():
                yield path
                break


def _listing(folder: Path) -> pd.DataFrame:
    rows = []
    for part, split in PARTS.items():
        for path in image_files(folder / IMAGES / part):
            masks = [m.relative_to(folder).as_posix() for m in _masks_of(folder, part, path.stem)]
            row: dict[str, Any] = {"file": path.relative_to(folder).as_posix(), "label": 0}
            row |= {"mask": "|".join(masks), "name": path.stem, "part": split}
            rows.append(row | {"problem": "" if masks else "no masks. Restore them."})
    return pd.DataFrame(rows, columns=["file", "mask", "name", "label", "problem", "part"])


def index(folder: Path) -> pd.DataFrame:
    """Every photograph with its masks' files and what it shows, and its problem if it has one.

    Raises:
        DataError: the photographs or the masks are missing.
    """
    refuse_incomplete(TITLE, folder, missing(folder))
    known = [path for name in (IMAGES, MASKS) for path in (folder / name).rglob("*.*")]
    known = [path for path in known if path.is_file()]
    return make_index("idrid", folder, known, partial(_listing, folder), NEAR_RETINA)


def _record(folder: Path, size: int, row: dict[str, Any]) -> Record:
    pixels = read_rgb(folder / row["file"])
    box = top, bottom, left, right = retina_box(pixels)
    image = square(pixels[top:bottom, left:right], size)
    files = row["mask"].split("|")
    masks = {"retina": retina_mask(image)}
    for name, (_, code) in TYPES.items():
        file = next((f for f in files if Path(f).stem.endswith(f"_{code}")), None)
        masks[name] = np.zeros((size, size), bool)
        if file is not None:
            share = 0.0 if name in LESIONS else 0.5
            shape = (pixels.shape[0], pixels.shape[1])
            masks[name] = fit_mask(read_mask(folder / file), shape, size, box, share)
    return Record(image, 0, masks, row["name"], meta_of(row, "part"))


def source(root: Path, split: str, size: int, seed: int, skip_bad: bool = False) -> Source:
    """The records of a split, cropped to the retina, padded to a square and resized.

    masks: those of `TYPES`, empty where a photograph has none of a type, and "retina". A pixel is
    part of a lesion however little of it the lesion covers, so that lesions smaller than a pixel
    stay; of the disc where more than half of it is covered. meta: `file`, `width`, `height`
    (original), `sha256`, `part` (the publisher's own).

    Args:
        root: the set's folder or one above it.
        split: "train", "val", "test", or "all", the usual choice here.
        size: side of the images in pixels.
        seed: of the division.
        skip_bad: leave unusable images out and count them in `report`.

    Raises:
        DataError: the set is not under `root` or incomplete, or an image cannot be used.
    """
    folder = find(root)
    if folder is None:
        raise DataError(
            f"no IDRiD folder under {root.resolve()}. Download `A. Segmentation.zip` from "
            "https://ieee-dataport.org/open-access/indian-diabetic-retinopathy-image-dataset-idrid "
            f"(free account, CC BY 4.0) and unpack it as {root.resolve() / 'idrid'}."
        )
    choice = splits.Choice(split, size, seed, skip_bad, CLASSES)
    return splits.choose("idrid", folder, index(folder), choice, _record, VERSION)
