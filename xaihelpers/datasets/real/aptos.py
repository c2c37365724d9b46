"""APTOS 2019 Blindness Detection as Kaggle lays it out: `train.csv` and `train_images/`.

`test.csv` has no labels; all three splits are made from `train.csv`. Two traps are dealt with:
duplicates never straddle two splits, and images are cropped to the retina, because size and crop
leak the grade (every 2048 x 1536 training image is grade 0); the original size stays in `meta`, so
that a size-only baseline can be reported.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from xaihelpers.datasets import splits
from xaihelpers.datasets.duplicates import NEAR_RETINA
from xaihelpers.datasets.index import image_files
from xaihelpers.datasets.index import index as make_index
from xaihelpers.datasets.real.grades import GRADES
from xaihelpers.datasets.real.reader import read_table, refuse_incomplete, retina_record
from xaihelpers.datasets.records import Source
from xaihelpers.errors import DataError

TITLE = "APTOS 2019"
CLASSES = GRADES
COUNTS = dict(zip(GRADES, (1805, 370, 999, 193, 295), strict=True))  # published, of train.csv
VERSION = 1  # bump when the pixels change
NAMES = ("aptos2019", "aptos2019-blindness-detection")


def find(root: Path) -> Path | None:
    """The set's folder: `root` or one below it with `train.csv` or `train_images/`; else None."""
    for folder in (*(root / name for name in NAMES), root):
        if (folder / "train.csv").is_file() or (folder / "train_images").is_dir():
            return folder
    return None


def missing(folder: Path) -> list[str]:
    """Which of `train.csv` and `train_images/` the folder lacks."""
    parts = {
        "train.csv": (folder / "train.csv").is_file(),
        "train_images/ (unpack train_images.zip)": _images(folder) != {},
    }
    return [name for name, there in parts.items() if not there]


def published(table: pd.DataFrame) -> Mapping[str, int]:
    """The published number of images of each grade."""
    return COUNTS


def notes(folder: Path, table: pd.DataFrame) -> list[str]:
    """Nothing more to say."""
    return []


def _images(folder: Path) -> dict[str, Path]:
    """The images in `train_images`, by lower-case stem."""
    return {path.stem.lower(): path for path in image_files(folder / "train_images")}


def _listing(folder: Path, files: dict[str, Path]) -> pd.DataFrame:
    remedy = "Download it again: `python -m xaihelpers data get aptos`."
    table = read_table(folder / "train.csv", ("id_code", "diagnosis"), remedy)
    rows = []
    for code, diagnosis in (
        table[["id_code", "diagnosis"]].drop_duplicates().itertuples(index=False)
    ):
        path = files.get(code.lower(), folder / "train_images" / f"{code}.png")
        problem, label = "", -1
        if diagnosis in {"0", "1", "2", "3", "4"}:
            label = int(diagnosis)
        else:
            problem = f"label outside 0-4: train.csv gives diagnosis {diagnosis!r} to {code!r}."
        if not problem and code.lower() not in files:
            problem = "missing file. Restore it."
        file = path.relative_to(folder).as_posix()
        rows.append({"file": file, "mask": "", "name": code, "label": label, "problem": problem})
    return pd.DataFrame(rows, columns=["file", "mask", "name", "label", "problem"])


def index(folder: Path) -> pd.DataFrame:
    """Every row of `train.csv` with what its image shows, and its problem if it has one.

    Raises:
        DataError: a part of the set is missing, or `train.csv` is unusable.
    """
    refuse_incomplete(TITLE, folder, missing(folder))
    files = _images(folder)
    known = [*files.values(), folder / "train.csv"]
    return make_index("aptos", folder, known, partial(_listing, folder, files), NEAR_RETINA)


def source(root: Path, split: str, size: int, seed: int, skip_bad: bool = False) -> Source:
    """The records of a split, cropped to the retina, padded to a square and resized.

    masks: "retina", found by brightness. meta: `file`, `width`, `height` (original), `sha256`.

    Args:
        root: the set's folder or the one above it.
        split: "train", "val", "test" or "all".
        size: side of the images in pixels.
        seed: of the division.
        skip_bad: leave unusable images out and count them in `report`.

    Raises:
        DataError: the set is not under `root`, `train.csv` is unusable, or an image is.
    """
    folder = find(root)
    if folder is None:
        raise DataError(
            f"no APTOS 2019 images under {root.resolve()}. Accept the rules at https://www.kaggle"
            ".com/competitions/aptos2019-blindness-detection/rules, then run `python -m xaihelpers "
            "data get aptos`; or put train.csv and train_images/<id_code>.png into "
            f"{root.resolve() / NAMES[0]}. Without them, load('fundus') renders such images."
        )
    choice = splits.Choice(split, size, seed, skip_bad, CLASSES)
    return splits.choose("aptos", folder, index(folder), choice, retina_record, VERSION)
