"""A part of EyePACS (Kaggle 2015, "Diabetic Retinopathy Detection"): `labels.csv` and `images/`.

1,097 fundus photographs of 549 patients, both eyes of most (`<patient>_left`, `<patient>_right`),
with their official grades. The repository they come from keeps them in a folder that says
"diabetic_retinopathy", which is wrong for three in four: the grades are used, never the folder.
Both eyes of a patient always fall in the same part.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from xaihelpers.datasets import splits
from xaihelpers.datasets.index import image_files
from xaihelpers.datasets.index import index as make_index
from xaihelpers.datasets.real.grades import GRADES, REFERABLE, is_referable
from xaihelpers.datasets.real.reader import (
    folders,
    header,
    read_table,
    refuse_incomplete,
    retina_record,
)
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError

TITLE = "EyePACS (part)"
CLASSES = GRADES
COUNTS = dict(zip(GRADES, (815, 65, 167, 30, 20), strict=True))
VERSION = 1  # bump when the pixels change
NAME = "eyepacs_part"
SIDES = ("left", "right")


def find(root: Path) -> Path | None:
    """The set's folder: one of that name, or one whose `labels.csv` has `image` and `level`."""
    for folder in folders(root, 1):
        named = folder.name == NAME and any(folder.glob("*"))
        if named or {"image", "level"} <= header(folder / "labels.csv"):
            return folder
    return None


def missing(folder: Path) -> list[str]:
    """Which of `labels.csv` and `images/` the folder lacks."""
    parts = {
        "labels.csv": (folder / "labels.csv").is_file(),
        "images/": bool(image_files(folder / "images")),
    }
    return [name for name, there in parts.items() if not there]


def published(table: pd.DataFrame) -> Mapping[str, int]:
    """The number of images of each grade in the pinned part."""
    return COUNTS


def notes(folder: Path, table: pd.DataFrame) -> list[str]:
    """How many patients there are, and whether a picture is without a grade."""
    lines = [f"  patients: {table['group'].nunique()}; both eyes of one always stay together"]
    listed = set(table["file"])
    images = [f"images/{path.name}" for path in image_files(folder / "images")]
    if extra := [name for name in images if name not in listed]:
        lines.append(f"  without a grade in labels.csv, not used: {len(extra)} ({extra[0]} ...)")
    return lines


def patient_of(name: str) -> str:
    """The patient of an image name; "" if the name does not follow `<patient>_left|right`.

    >>> patient_of("10003_right")
    '10003'
    """
    patient, _, side = name.rpartition("_")
    return patient if side in SIDES else ""


def _listing(folder: Path, files: dict[str, Path]) -> pd.DataFrame:
    remedy = f"Run `python -m xaihelpers data get {NAME}`."
    table = read_table(folder / "labels.csv", ("image", "level"), remedy)
    rows: list[dict[str, Any]] = []
    for name, level in table[["image", "level"]].drop_duplicates().itertuples(index=False):
        path = files.get(name, folder / "images" / f"{name}.jpeg")
        problem, label = "", -1
        if level in {"0", "1", "2", "3", "4"}:
            label = int(level)
        else:
            problem = f"label outside 0-4: labels.csv gives level {level!r} to {name!r}."
        if not problem and not patient_of(name):
            problem = f"no patient: {name!r} does not end in _left or _right."
        if not problem and name not in files:
            problem = "missing file. Restore it."
        row = {"file": path.relative_to(folder).as_posix(), "mask": "", "name": name}
        rows.append(row | {"label": label, "problem": problem, "group": patient_of(name)})
    return pd.DataFrame(rows, columns=["file", "mask", "name", "label", "problem", "group"])


def index(folder: Path) -> pd.DataFrame:
    """Every row of `labels.csv` with what its image shows, and its problem if it has one.

    Raises:
        DataError: a part of the set is missing, or `labels.csv` is unusable.
    """
    refuse_incomplete(TITLE, folder, missing(folder))
    files = {path.stem: path for path in image_files(folder / "images")}
    known = [*files.values(), folder / "labels.csv"]
    return make_index(NAME, folder, known, partial(_listing, folder, files), near=0)


def _record(folder: Path, size: int, row: dict[str, Any]) -> Record:
    return retina_record(folder, size, row, "group", "grade")


def source(
    root: Path, split: str, size: int, seed: int, skip_bad: bool = False, classes: int = 5
) -> Source:
    """The records of a split, cropped to the retina, padded to a square and resized.

    masks: "retina", found by brightness. meta: `file`, `width`, `height`, `sha256`, `group` (the
    patient), `grade` (0 to 4).

    Args:
        root: the set's folder or the one above it.
        split: "train", "val", "test" or "all".
        size: side of the images in pixels.
        seed: of the division.
        skip_bad: leave unusable images out and count them in `report`.
        classes: 5 grades, or 2: referable (grade 2 and more) or not. The split is the same.

    Raises:
        DataError: the set is not under `root` or incomplete, or an image cannot be used.
    """
    if classes not in (2, 5):
        raise DataError(f"classes={classes!r}: {NAME} has 5 grades, or 2 (referable or not).")
    folder = find(root)
    if folder is None:
        raise DataError(
            f"no {TITLE} images under {root.resolve()}. Run `python -m xaihelpers data get {NAME}`;"
            f" or put labels.csv (image,level) and images/ into {root.resolve() / NAME}. Without "
            "them, load('fundus') renders such images."
        )
    table = index(folder).assign(grade=lambda rows: rows["label"])
    choice = splits.Choice(split, size, seed, skip_bad, CLASSES if classes == 5 else REFERABLE)
    merge = None if classes == 5 else dict(enumerate(is_referable(range(len(GRADES)))))
    return splits.choose(NAME, folder, table, choice, _record, VERSION, merge)
