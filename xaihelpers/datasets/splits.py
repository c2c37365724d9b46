"""Train, validation and test parts of a folder of real images, decided by what the images show.

Images of one cluster (one patient, or near-duplicates of each other) always fall in the same part;
equal pictures with different labels are left out. The split is written to a file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xaihelpers.datasets.records import SPLITS, Record, Source
from xaihelpers.errors import DataError
from xaihelpers.files import atomic_path, data_dir

ALL = "all"  # the name of all three parts together
BOUNDS = {"train": (0.0, 0.7), "val": (0.7, 0.8), "test": (0.8, 1.0)}
CONFLICT = "conflict: the same picture stands under different labels"
SET_ASIDE = "set aside: a copy is "
#: Problems that are no fault of a file: such images are left out without a word, and counted.
INTENDED = (CONFLICT, SET_ASIDE)


def divide(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The index with a column `split` ("" where left out), its rows in the order of use.

    Clusters are put in a random order that depends on the seed and on their content alone, those of
    each label (the largest in the cluster) for themselves. The first 70 % of the pictures are
    train, the next 10 % val, the last 20 % test. Each part is in that order with the labels mixed,
    so that its first n records are a small stratified sample.

    Args:
        table: from `index.index`.
        seed: of the order.
    """
    table = table.assign(split="", position=np.nan)
    good = table["problem"] == ""
    labels = table[good].groupby("sha256")["label"].transform("nunique")
    table.loc[labels.index[labels > 1], "problem"] = CONFLICT
    pictures = table[table["problem"] == ""].drop_duplicates("sha256")
    clusters = pictures.groupby("cluster").agg(
        label=("label", "max"), content=("sha256", "min"), size=("sha256", "size")
    )
    clusters["key"] = [
        hashlib.sha256(f"{seed}/{content}".encode()).hexdigest() for content in clusters["content"]
    ]
    clusters = clusters.sort_values("key")
    sizes = clusters.groupby("label")["size"]
    clusters["position"] = (sizes.cumsum() - clusters["size"] / 2) / sizes.transform("sum")
    good = table["problem"] == ""
    table.loc[good, "position"] = table.loc[good, "cluster"].map(clusters["position"])
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
    """Which records are asked for.

    split: "train", "val", "test" or "all".
    size: side of the square images in pixels.
    seed: of the division.
    skip_bad: leave unusable images out instead of raising an error.
    classes: rows whose label is beyond them are left out.
    """

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
    merge: Mapping[int, int] | None = None,
) -> Source:
    """The chosen records, with a report of what was left out.

    The whole split is written to `data_dir()/splits/<name>-seed<seed>-<content>.csv`.

    Args:
        name: of the set.
        folder: the set's folder.
        table: from `index.index`.
        choice: which records.
        make: makes a record of the folder, the size and a row of the table.
        version: of the pixels.
        merge: label of the table -> label among `choice.classes`, where classes are joined. The
            division is that of the table's own labels.

    Raises:
        DataError: an image cannot be used and `skip_bad` is False, or the split has no image.
        StorageError: the file cannot be written.
    """
    table = divide(table, choice.seed)
    if merge is not None:
        table["label"] = table["label"].map(lambda label: merge.get(label, label))
    table = table[table["label"] < len(choice.classes)]
    _refuse_bad(name, folder, table, choice)
    used = table[table["split"] != ""]
    rows = used if choice.split == ALL else used[used["split"] == choice.split]
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


def _refuse_bad(name: str, folder: Path, table: pd.DataFrame, choice: Choice) -> None:
    bad = table[(table["problem"] != "") & ~table["problem"].str.startswith(INTENDED)]
    if choice.skip_bad or bad.empty:
        return
    first = bad.iloc[0]
    raise DataError(
        f"{name}: {len(bad)} of {len(table)} images cannot be used. The first is "
        f"{folder / first['file']}: {first['problem']} Mend or remove what "
        f"`python -m xaihelpers data check {folder}` lists, or leave such images out: "
        "`--skip-bad`, `make ... SKIP_BAD=1`, or skip_bad=True."
    )
