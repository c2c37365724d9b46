"""One photograph for each of ImageNet's 1,000 classes, in the layout of a public repository.

`<wnid>_<name>.JPEG`, all in one folder, as in https://github.com/EliSchwartz/imagenet-sample-images.
The wnid (WordNet id) decides the class, not the name: its order is that of ILSVRC 2012, which the
package timm carries. Nothing is downloaded: put the folder where you like and pass it.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache, partial
from pathlib import Path

import numpy as np
from torchvision import models

from xaihelpers.datasets.images import read_rgb
from xaihelpers.datasets.real.photographs import central_crop
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError
from xaihelpers.files import sha256

NAMES = ("imagenet_sample", "imagenet-sample-images")
TITLE = "ImageNet sample"
VERSION = 1  # bump when the pixels change
COUNT = 1000  # one photograph per class
_FILE = re.compile(r"(n\d{8})_.+\.jpe?g", re.IGNORECASE)


def find(root: Path) -> Path | None:
    """The folder with such files: `root` itself or one of `NAMES` below it; None if absent."""
    return next(
        (folder for folder in (*(root / name for name in NAMES), root) if files(folder)), None
    )


def missing(folder: Path) -> list[str]:
    """How many of the 1,000 photographs the folder lacks, in words; nothing if none."""
    lacking = COUNT - len(files(folder))
    return [f"{lacking} of {COUNT} photographs"] if lacking > 0 else []


def files(folder: Path) -> list[Path]:
    """The pictures `<wnid>_<name>.JPEG` in a folder, in the order of their names."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if _FILE.fullmatch(path.name))


@cache
def class_indices() -> dict[str, int]:
    """WordNet id -> class index of ILSVRC 2012, as timm has it.

    Raises:
        DataError: timm is not installed.
    """
    try:
        from timm.data import ImageNetInfo
    except ImportError as error:
        raise DataError(
            "the class ids of ImageNet come with timm, which is not installed: `pip install timm`"
        ) from error
    return {wnid: index for index, wnid in enumerate(ImageNetInfo().label_names())}


def class_names() -> tuple[str, ...]:
    """The 1,000 class names in the order of the indices, as torchvision has them."""
    return tuple(models.EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])


def _labels(pictures: list[Path]) -> np.ndarray:
    labels = []
    for path in pictures:
        wnid = path.name[:9].lower()
        if wnid not in class_indices():
            raise DataError(f"{path}: {wnid} is none of ImageNet's 1,000 classes. Remove the file.")
        labels.append(class_indices()[wnid])
    return np.array(labels, dtype=np.int64)


def digest(pictures: list[Path]) -> str:
    """12 hex digits of all names and contents: the same photographs, wherever they lie."""
    lines = [f"{path.name} {sha256(path)}" for path in pictures]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


def _record(size: int, names: tuple[str, ...], path: Path) -> Record:
    image = read_rgb(path)
    label = class_indices()[path.name[:9].lower()]
    meta: dict[str, object] = {"file": path.name, "class": names[label]}
    meta |= {"height": image.shape[0], "width": image.shape[1]}
    return Record(central_crop(image, size), label, {}, path.stem, meta)


def _readable(path: Path) -> bool:
    try:
        read_rgb(path)
    except DataError:
        return False
    return True


def source(root: Path | str, size: int = 224, skip_bad: bool = False) -> Source:
    """The photographs as one test set of records, cut to their central squares.

    Args:
        root: the folder, or the one that holds it under a name of `NAMES`.
        size: side of the images in px.
        skip_bad: leave files out that cannot be decoded, and count them in the set's `report`;
            otherwise such a file raises an error when its record is asked for.

    Raises:
        DataError: no such folder, a wnid outside ImageNet's 1,000 classes, or timm is missing.
    """
    folder = find(Path(root))
    if folder is None:
        raise DataError(
            f"no photographs named <wnid>_<name>.JPEG in {Path(root).resolve()} or in a folder "
            f"{' or '.join(NAMES)} below it; fetch "
            "https://github.com/EliSchwartz/imagenet-sample-images and pass its folder"
        )
    pictures, report = files(folder), ""
    if skip_bad:
        good = [path for path in pictures if _readable(path)]
        if len(good) < len(pictures):
            left = len(pictures) - len(good)
            report = f"imagenet_sample: {left} of {len(pictures)} images left out: unreadable."
        pictures = good
    names = class_names()
    return Source(
        name="imagenet_sample",
        origin="real",
        classes=names,
        split="test",
        size=size,
        seed=0,
        labels=_labels(pictures),
        items=pictures,
        make=partial(_record, size, names),
        version=VERSION,
        options=digest(pictures),
        report=report,
    )
