"""What is in a folder of real images: each is decoded once, and what it shows is kept on disk.

The index is a table with one row per image, kept under `data_dir()/splits` until a file of the set
changes. Beside it lie the thumbnails that the shortcut baselines of `data check` use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from tqdm import tqdm

from xaihelpers.datasets.duplicates import cluster, perceptual_hash
from xaihelpers.datasets.images import EXTENSIONS, content_hash, read, read_mask
from xaihelpers.datasets.parallel import in_order, workers_for
from xaihelpers.errors import DataError
from xaihelpers.files import atomic_path, data_dir

VERSION = 2  # bump when `inspect` or a reader's listing changes
THUMBNAIL = 32  # px
UNREAD: dict[str, Any] = dict.fromkeys(("sha256", "hash", "format", "mode"), "") | dict.fromkeys(
    ("width", "height", "bytes"), 0
)
_TEXT = ("file", "mask", "name", "problem", "sha256", "hash", "format", "mode", "group", "part")


def image_files(folder: Path) -> list[Path]:
    """The image files directly in a folder, by name; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")
    ]


def fingerprint(folder: Path, files: Iterable[Path]) -> str:
    """12 hex digits that change when a file is added, removed, renamed or written again."""
    digest = hashlib.sha256(str(VERSION).encode())
    for path in sorted(files):
        stat = path.stat()
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


Row = dict[str, Any]


def inspect(folder: Path, row: Row) -> tuple[Row, np.ndarray]:
    """A row of the listing with what its image shows, and the image's thumbnail.

    Args:
        folder: the set's folder.
        row: `file` and `mask` (paths below `folder`; several masks are joined by "|"), `problem`.

    Returns:
        The row with `sha256` (of the decoded pixels), `hash` (see `duplicates`), `width`, `height`
        (pixels), `format`, `mode`, `bytes` (of the file) and, where the image or a mask cannot be
        read, the `problem`; and (32, 32, 3) uint8 RGB.
    """
    thumbnail = np.zeros((THUMBNAIL, THUMBNAIL, 3), np.uint8)
    path = folder / row["file"]
    if row["problem"]:
        return row | UNREAD, thumbnail
    try:
        picture = read(path)
        for name in filter(None, row["mask"].split("|")):
            path = folder / name
            read_mask(path)
    except DataError as error:
        what = str(error).removeprefix(f"{path}: ")
        if path != folder / row["file"]:
            what = f"mask {what}"
        return row | UNREAD | {"problem": what}, thumbnail
    height, width = picture.pixels.shape[:2]
    seen = {
        "sha256": content_hash(picture.pixels),
        "hash": perceptual_hash(picture.pixels),
        "width": width,
        "height": height,
        "format": picture.format,
        "mode": picture.mode,
        "bytes": (folder / row["file"]).stat().st_size,
    }
    shape = (THUMBNAIL, THUMBNAIL)
    return row | seen, cv2.resize(picture.pixels, shape, interpolation=cv2.INTER_AREA)


def _inspect_all(folder: Path, rows: Sequence[Row]) -> list[tuple[Row, np.ndarray]]:
    return [inspect(folder, row) for row in rows]


def index(
    name: str,
    folder: Path,
    files: Sequence[Path],
    listing: Callable[[], pd.DataFrame],
    near: int,
) -> pd.DataFrame:
    """What is known of every image of a set, decoded once and then kept on disk.

    Args:
        name: of the set.
        folder: the set's folder.
        files: all files that the set consists of; a change in one makes the index again.
        listing: gives one row per image: `file`, `mask`, `name`, `label` (int), `problem` ("" if
            none is known yet), and columns of its own. `group` (the patient, "" if unknown) and
            `part` (the publisher's own split, "" if there is none) are added where they lack.
        near: images whose hashes differ in at most so many bits fall into one cluster.

    Returns:
        The listing with the columns of `inspect` added, and `cluster`: a number that images of one
        patient share, and near-duplicates.

    Raises:
        DataError: there is no image.
        StorageError: the index cannot be kept under `data_dir()`.
    """
    saved = _saved(name, folder, files)
    if not saved.exists():
        rows = listing().to_dict("records")
        if not rows:
            raise DataError(f"{name}: there is no image in {folder}.")
        inspected: list[tuple[Row, np.ndarray]] = []
        with tqdm(total=len(rows), desc=f"{name}: reading", unit="image", disable=None) as bar:
            for part in in_order(
                partial(_inspect_all, folder), rows, 16, workers_for(len(rows), None)
            ):
                inspected += part
                bar.update(len(part))
        _save(saved, inspected, near)
    table = pd.read_csv(saved, dtype=dict.fromkeys(_TEXT, str), keep_default_na=False)
    table.attrs["thumbnails"] = str(saved.with_suffix(".npy"))
    return table


def _saved(name: str, folder: Path, files: Sequence[Path]) -> Path:
    return data_dir() / "splits" / f"{name}-{fingerprint(folder, files)}-index.csv"


def _save(saved: Path, inspected: Sequence[tuple[Row, np.ndarray]], near: int) -> None:
    table = pd.DataFrame([row for row, _ in inspected])
    for column in ("group", "part"):
        if column not in table:
            table[column] = ""
    table["cluster"] = cluster(table["hash"].tolist(), table["group"].tolist(), near)
    thumbnails = np.stack([thumbnail for _, thumbnail in inspected])
    with atomic_path(saved.with_suffix(".npy")) as path:
        np.save(path, thumbnails)
    with atomic_path(saved) as path:
        table.to_csv(path, index=False)


def thumbnails(table: pd.DataFrame) -> np.ndarray:
    """The thumbnails (N, 32, 32, 3) uint8 RGB of the rows of an index, black where unreadable."""
    return np.load(table.attrs["thumbnails"])


def crossing(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of the clusters that lie in more than one part of the publisher's own split."""
    parts = table[table["problem"] == ""].groupby("cluster")["part"].nunique()
    return table[table["cluster"].isin(parts.index[parts > 1]) & (table["problem"] == "")]
