"""Train, validation and test parts of a folder of real images, decided by what the images show.

Every image is decoded once; the index (content hash, original size, what is wrong with it) is kept
under `data_dir()/splits` until a file of the set changes, and the split is written beside it.
Equal pictures always fall in the same part; equal pictures with different labels are left out.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from xaihelpers.datasets.images import content_hash, read_mask, read_rgb
from xaihelpers.datasets.parallel import in_order, workers_for
from xaihelpers.datasets.records import SPLITS, Record, Source
from xaihelpers.errors import DataError
from xaihelpers.files import atomic_path, data_dir

VERSION = 1  # of the index: bump when `_inspect` or a reader's listing changes
BOUNDS = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0)}
UNSEEN: dict[str, Any] = {"sha256": "", "width": 0, "height": 0}
CONFLICT = "conflict: the same picture stands under different labels"


def fingerprint(folder: Path, files: Iterable[Path]) -> str:
    """12 hex digits that change when a file is added, removed, renamed or written again."""
    digest = hashlib.sha256(str(VERSION).encode())
    for path in sorted(files):
        stat = path.stat()
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}|{stat.st_size}|{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:12]


def _inspect(folder: Path, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row with the `sha256`, `width` and `height` of its image, or the `problem` with it."""
    return [row | (_look(folder, row) if not row["problem"] else UNSEEN) for row in rows]


def _look(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    path = folder / row["file"]
    try:
        image = read_rgb(path)
        if row["mask"]:
            path = folder / row["mask"]
            read_mask(path)
    except DataError as error:
        what = str(error).removeprefix(f"{path}: ")
        return UNSEEN | {"problem": what if path == folder / row["file"] else f"mask {what}"}
    height, width = image.shape[:2]
    return {"sha256": content_hash(image), "width": width, "height": height}


def index(
    name: str, folder: Path, files: Sequence[Path], listing: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """What is known of every image of a set, decoded once and then kept on disk.

    name: of the set. files: all that the set consists of; a change in one makes the index again.
    listing: gives one row per image: `file` and `mask` (paths below `folder`, "" for no mask),
        `name`, `label` (int), `problem` ("" if none is known yet), and columns of its own.
    Returns the listing with columns `sha256`, `width`, `height` (original pixels) added.
    """
    saved = data_dir() / "splits" / f"{name}-{fingerprint(folder, files)}-index.csv"
    if not saved.exists():
        rows = listing().to_dict("records")
        inspected: list[dict[str, Any]] = []
        with tqdm(total=len(rows), desc=f"{name}: reading", unit="image", disable=None) as bar:
            inspect = partial(_inspect, folder)
            for part in in_order(inspect, rows, 16, workers_for(len(rows), None)):
                inspected += part
                bar.update(len(part))
        with atomic_path(saved) as path:
            pd.DataFrame(inspected).to_csv(path, index=False)
    text = dict.fromkeys(("file", "mask", "name", "problem", "sha256"), str)
    return pd.read_csv(saved, dtype=text, keep_default_na=False)


def divide(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The index with a column `split` ("" where left out), its rows in the order of use.

    Within each label the pictures are put in a random order that depends on the seed and on their
    content alone; the first 70 % are train, the next 10 % val, the last 20 % test. Each part is in
    that order with the labels mixed, so that its first n records are a small stratified sample.
    """
    table = table.assign(split="", position=np.nan)
    good = table["problem"] == ""
    labels = table[good].groupby("sha256")["label"].transform("nunique")
    table.loc[labels.index[labels > 1], "problem"] = CONFLICT
    good = table["problem"] == ""
    keys = {
        content: hashlib.sha256(f"{seed}/{content}".encode()).hexdigest()
        for content in table.loc[good, "sha256"].unique()
    }
    pictures = table[good].drop_duplicates("sha256")[["sha256", "label"]]
    pictures["key"] = pictures["sha256"].map(keys)
    pictures = pictures.sort_values("key")
    of_label = pictures.groupby("label")["key"]
    pictures["position"] = (of_label.cumcount() + 0.5) / of_label.transform("size")
    position = table["sha256"].map(pictures.set_index("sha256")["position"])
    table.loc[good, "position"] = position[good]
    for split, (start, stop) in BOUNDS.items():
        table.loc[(table["position"] >= start) & (table["position"] < stop), "split"] = split
    return table.sort_values(["position", "file"]).drop(columns="position").reset_index(drop=True)


def summary(name: str, table: pd.DataFrame) -> str:
    """What `divide` left out and why, counted; "" if nothing was."""
    problems = table.loc[table["problem"] != "", "problem"]
    if problems.empty:
        return ""
    counts = problems.str.split(r"[:(.]", regex=True).str[0].str.strip().value_counts()
    reasons = ", ".join(f"{count} {kind}" for kind, count in counts.items())
    return f"{name}: {len(problems)} of {len(table)} images left out: {reasons}."


def contents(rows: pd.DataFrame) -> str:
    """12 hex digits of all that decides a split's records, for the key of its cache."""
    return hashlib.sha256(rows.to_csv(index=False).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Choice:
    """Which records are asked for: a split under a seed, of the labels named, and at what size."""

    split: str
    size: int
    seed: int
    skip_bad: bool
    classes: tuple[str, ...]


def choose(
    name: str,
    folder: Path,
    table: pd.DataFrame,
    choice: Choice,
    make: Callable[[Path, int, dict[str, Any]], Record],
    version: int,
) -> Source:
    """The chosen records, with a report of what was left out; writes the whole split to a file.

    table: from `index`. make: folder, size and row of the table -> record. The file is
    `data_dir()/splits/<name>-seed<seed>-<content>.csv`.

    Raises:
        DataError: an image cannot be used and `skip_bad` is False, or the split has no image.
        StorageError: the file cannot be written.
    """
    table = divide(table, choice.seed)
    table = table[table["label"] < len(choice.classes)]
    bad = table[(table["problem"] != "") & (table["problem"] != CONFLICT)]
    if len(bad) and not choice.skip_bad:
        first = bad.iloc[0]
        raise DataError(
            f"{name}: {len(bad)} of {len(table)} images cannot be used. The first is "
            f"{folder / first['file']}: {first['problem']} Mend or remove what "
            f"`python -m xaihelpers data check {folder}` lists, or leave such images out: "
            "`--skip-bad`, `make ... SKIP_BAD=1`, or skip_bad=True."
        )
    rows = table[table["split"] == choice.split]
    if rows.empty:
        raise DataError(
            f"{name}: no {choice.split} images in {folder}; a label needs at least five different "
            f"pictures to give some to each of {', '.join(SPLITS)}."
        )
    saved = data_dir() / "splits" / f"{name}-seed{choice.seed}-{contents(table)}.csv"
    if not saved.exists():
        with atomic_path(saved) as path:
            table.to_csv(path, index=False)
    return Source(
        name=name,
        origin="real",
        classes=choice.classes,
        split=choice.split,
        size=choice.size,
        seed=choice.seed,
        labels=rows["label"].to_numpy(dtype=np.int64),
        items=rows.to_dict("records"),
        make=partial(make, folder, choice.size),
        version=version,
        options=contents(rows),
        report=summary(name, table),
    )
