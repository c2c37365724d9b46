"""APTOS 2019 Blindness Detection as Kaggle lays it out: `train.csv` and `train_images/`.

`test.csv` has no labels; all three splits are made from `train.csv`. Two traps are dealt with:
duplicates never straddle two splits, and images are cropped to the retina, because size and crop
leak the grade (every 2048 x 1536 training image is grade 0); the original size stays in `meta`, so
that a size-only baseline can be reported.
"""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from xaihelpers.datasets import splits
from xaihelpers.datasets.images import EXTENSIONS, crop_to_retina, read_rgb, retina_mask, square
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError

GRADES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")
COUNTS = dict(zip(GRADES, (1805, 370, 999, 193, 295), strict=True))  # published, of train.csv
VERSION = 1  # bump when the pixels change
NAMES = ("aptos2019", "aptos2019-blindness-detection")


def find(root: Path) -> Path | None:
    """The set's folder: `root` itself or one below it that holds `train.csv`; None if absent."""
    for folder in (*(root / name for name in NAMES), root):
        if (folder / "train.csv").is_file() or (folder / "train_images").is_dir():
            return folder
    return None


def read_labels(folder: Path) -> pd.DataFrame:
    """`train.csv` as read: columns `id_code` and `diagnosis`, both text.

    Raises:
        DataError: the file is missing, is not a csv, or lacks a column.
    """
    path = folder / "train.csv"
    try:
        # text, because an id_code such as 5e1234567890 would be read as a number
        table = pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing. Unpack it from the competition's zip.") from error
    except (ValueError, OSError) as error:  # pandas' parser and decoding errors are ValueErrors
        raise DataError(
            f"{path} cannot be read as csv ({error}). Download it again: "
            "`python -m xaihelpers data get aptos`."
        ) from error
    table.columns = [str(column).strip().lower() for column in table.columns]
    if missing := [name for name in ("id_code", "diagnosis") if name not in table.columns]:
        raise DataError(
            f"{path} has no column {' and '.join(missing)}; its columns are "
            f"{', '.join(table.columns)}. Expected: id_code,diagnosis."
        )
    return table[["id_code", "diagnosis"]].apply(lambda column: column.str.strip())


def image_files(folder: Path) -> dict[str, Path]:
    """The images in `train_images`, by lower-case stem."""
    images = folder / "train_images"
    if not images.is_dir():
        raise DataError(f"{images} is missing. Unpack train_images.zip of the competition there.")
    return {
        path.stem.lower(): path
        for path in sorted(images.iterdir())
        if path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")
    }


def _listing(folder: Path, files: dict[str, Path]) -> pd.DataFrame:
    rows = []
    for code, diagnosis in read_labels(folder).drop_duplicates().itertuples(index=False):
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
    """Every row of `train.csv` with its image's content hash, original size, and problem if any."""
    files = image_files(folder)
    labels = folder / "train.csv"
    known = [*files.values(), *([labels] if labels.exists() else [])]
    return splits.index("aptos", folder, known, partial(_listing, folder, files))


def _record(folder: Path, size: int, row: dict[str, Any]) -> Record:
    image = square(crop_to_retina(read_rgb(folder / row["file"])), size)
    meta = {key: row[key] for key in ("file", "width", "height", "sha256")}
    return Record(image, int(row["label"]), {"retina": retina_mask(image)}, row["name"], meta)


def source(root: Path, split: str, size: int, seed: int, skip_bad: bool = False) -> Source:
    """The records of a split, cropped to the retina, padded to a square and resized.

    masks: "retina", found by brightness. meta: `file`, `width`, `height` (original), `sha256`.
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
    choice = splits.Choice(split, size, seed, skip_bad, GRADES)
    return splits.choose("aptos", folder, index(folder), choice, _record, VERSION)
