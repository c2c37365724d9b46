"""What a reader of a published set offers, and what readers share."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from xaihelpers.datasets.images import read_rgb, retina_box, retina_mask, square
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError

#: Names of the folders into which sets divide; none of them is a set by itself.
PARTS = {"train", "val", "test", "valid", "validation"}


class Reader(Protocol):
    """A module that reads one published set in its publisher's layout."""

    @property
    def TITLE(self) -> str:
        """The set's name in a sentence."""

    @property
    def CLASSES(self) -> tuple[str, ...]:
        """Names of the classes; a label is an index into them."""

    @property
    def find(self) -> Callable[[Path], Path | None]:
        """`find(root)`: the set's folder, `root` itself or below it, complete or not; or None."""

    @property
    def index(self) -> Callable[[Path], pd.DataFrame]:
        """`index(folder)`: one row per image (see `datasets.index`)."""

    @property
    def source(self) -> Callable[..., Source]:
        """`source(root, split, size, seed, skip_bad=False, ...)`: the records of a split."""

    @property
    def missing(self) -> Callable[[Path], list[str]]:
        """`missing(folder)`: what the published set has and this folder lacks, in words."""

    @property
    def published(self) -> Callable[[pd.DataFrame], Mapping[str, int]]:
        """`published(table)`: the published number of images of each class."""

    @property
    def notes(self) -> Callable[[Path, pd.DataFrame], list[str]]:
        """`notes(folder, table)`: further lines for `data check`."""


def folders(root: Path, depth: int) -> Iterator[Path]:
    """`root` and the visible folders up to `depth` levels below it, level by level."""
    level = [root]
    for _ in range(depth + 1):
        yield from level
        level = [below for folder in level for below in _below(folder)]


def _below(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    return [folder / name for name in names]


def read_table(path: Path, columns: Collection[str], remedy: str) -> pd.DataFrame:
    """A csv file as text, its column names in lower case.

    Args:
        path: of the file.
        columns: those that must be there.
        remedy: what to do where the file cannot be used.

    Raises:
        DataError: the file is missing, is not a csv, or lacks a column.
    """
    try:
        # text, because a name such as 5e1234567890 would be read as a number
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. {remedy}") from error
    except (ValueError, OSError) as error:  # pandas' parser and decoding errors are ValueErrors
        raise DataError(f"{path} cannot be read as csv ({error}). {remedy}") from error
    table.columns = [str(column).strip().lower() for column in table.columns]
    if lacking := [name for name in columns if name not in table.columns]:
        raise DataError(
            f"{path} has no column {' and '.join(lacking)}; its columns are "
            f"{', '.join(table.columns)}. Expected: {','.join(columns)}."
        )
    return table.apply(lambda column: column.str.strip())


def header(path: Path) -> set[str]:
    """The column names of a csv file in lower case; none where there is no readable file."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return {name.strip().strip('"').lower() for name in file.readline().split(",")}
    except OSError:
        return set()


def refuse_incomplete(title: str, folder: Path, missing: list[str]) -> None:
    """Raise a DataError that names what a set's folder lacks, unless it lacks nothing."""
    if missing:
        raise DataError(
            f"the {title} folder {folder} is incomplete: it lacks {', '.join(missing)}. Restore "
            f"what is missing; `python -m xaihelpers data check {folder}` says what is there."
        )


def meta_of(row: Mapping[str, Any], *names: str) -> dict[str, object]:
    """What every real record says of its file, and further columns of the index by name."""
    return {name: row[name] for name in ("file", "width", "height", "sha256", *names)}


def retina_record(folder: Path, size: int, row: dict[str, Any], *names: str) -> Record:
    """A fundus photograph cropped to the retina, padded to a square and resized.

    Args:
        folder: the set's folder.
        size: side in pixels.
        row: of the index.
        names: further columns for `meta`.

    Returns:
        Record with the mask "retina", found by brightness.
    """
    pixels = read_rgb(folder / row["file"])
    top, bottom, left, right = retina_box(pixels)
    image = square(pixels[top:bottom, left:right], size)
    masks = {"retina": retina_mask(image)}
    return Record(image, int(row["label"]), masks, row["name"], meta_of(row, *names))
