"""A folder of one's own pictures with class names: `<class name>/<any name>.jpg`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from xaihelpers.datasets.images import EXTENSIONS, read_rgb
from xaihelpers.datasets.real.photographs import central_crop
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError


def _record(size: int, root: Path, item: tuple[Path, int]) -> Record:
    path, label = item
    image = central_crop(read_rgb(path), size)
    return Record(image, label, {}, path.stem, {"file": path.relative_to(root).as_posix()})


def source(
    root: Path | str, classes: Sequence[str], index_of: Callable[[str], int], size: int = 224
) -> Source:
    """The pictures in the subfolders of a folder, as one test set of records.

    Args:
        root: holds one folder per class, named as the class; other files in it are left alone.
        classes: the names of all classes, in the order of the logits.
        index_of: class name -> index into `classes`; raises an error for a name it does not know.
        size: side of the central squares in px.

    Raises:
        DataError: no folder, or no picture in its subfolders.
    """
    folder = Path(root)
    if not folder.is_dir():
        raise DataError(f"{folder.resolve()} is not a folder; pass one with a folder per class")
    items = [
        (path, index_of(part.name))
        for part in sorted(folder.iterdir())
        if part.is_dir() and not part.name.startswith(".")
        for path in sorted(part.iterdir())
        if path.suffix.lower() in EXTENSIONS
    ]
    if not items:
        raise DataError(
            f"no pictures in {folder.resolve()}: expected <class name>/<picture>.jpg or .png"
        )
    return Source(
        name=folder.name,
        origin="real",
        classes=tuple(classes),
        split="test",
        size=size,
        seed=0,
        labels=np.array([label for _, label in items], dtype=np.int64),
        items=items,
        make=partial(_record, size, folder),
        version=1,
    )
