"""COVID-19 Radiography Database in its three releases, told apart by what is in the folder.

first    COVID-19/, NORMAL/, Viral Pneumonia/ with files such as `COVID-19 (1).png`, 1024 px
interim  the same with more COVID images, 1024 and 256 px mixed
2021     COVID/, Lung_Opacity/, Normal/, Viral Pneumonia/, each with images/ (299 px) and masks/
         (lungs, 256 px), files such as `COVID-1.png`
Beside the folders there may be a workbook per class, `<class>.metadata.xlsx` (`matadata` in the
first release). The pixels are believed rather than its SIZE column.
"""

import re
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from xaihelpers.datasets import splits
from xaihelpers.datasets.duplicates import NEAR
from xaihelpers.datasets.images import fit_mask, read_mask, read_rgb, square
from xaihelpers.datasets.index import image_files
from xaihelpers.datasets.index import index as make_index
from xaihelpers.datasets.real.reader import PARTS, folders, meta_of, refuse_incomplete
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError

TITLE = "COVID-19 Radiography"
CLASSES = ("Normal", "Viral Pneumonia", "COVID", "Lung Opacity")
FOLDERS = {  # folder or workbook name, lower case and without separators, to its class
    "normal": "Normal",
    "viralpneumonia": "Viral Pneumonia",
    "covid": "COVID",
    "covid19": "COVID",
    "lungopacity": "Lung Opacity",
}
COUNTS = {  # published images per class of each release
    "first": {"Normal": 1341, "Viral Pneumonia": 1345, "COVID": 219},
    "interim": {"Normal": 1341, "Viral Pneumonia": 1345, "COVID": 1200},
    "2021": {"Normal": 10192, "Viral Pneumonia": 1345, "COVID": 3616, "Lung Opacity": 6012},
}
VERSION = 2  # bump when the pixels change
NAMES = {"covid19radiographydataset", "covid19radiographydatabase"}  # without separators
COLUMNS = ["file", "mask", "name", "label", "problem", "url"]


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]", "", name.lower())


def _class_of(name: str) -> str | None:
    return FOLDERS.get(_plain(name))


def class_folders(folder: Path) -> dict[str, Path]:
    """The folders of the classes directly below `folder`, by class."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.is_dir() and (label := _class_of(path.name)):
            found[label] = path
    return {label: found[label] for label in CLASSES if label in found}


def find(root: Path) -> Path | None:
    """The set's folder, `root` or up to two levels below it, complete or not.

    It is a folder that bears the set's name and holds something, or else one with two class
    folders or one of the 2021 release's; never a `train` or `val` folder, which is another set's.
    """
    named = [
        folder
        for folder in folders(root, 2)
        if _plain(folder.name) in NAMES and (class_folders(folder) or workbooks(folder))
    ]
    if named:
        return named[0]
    for folder in folders(root, 2):
        held = {} if folder.name.lower() in PARTS else class_folders(folder)
        if len(held) >= 2 or any((path / "images").is_dir() for path in held.values()):
            return folder
    return None


def missing(folder: Path) -> list[str]:
    """The class folders that are not there or hold no image.

    Lung_Opacity is asked for where `masks/` folders show that this is the 2021 release.
    """
    held = class_folders(folder)
    recent = any((path / "masks").is_dir() for path in held.values())
    lacking = []
    for label in CLASSES if recent else CLASSES[:3]:
        path = held.get(label, folder / label.replace("Lung Opacity", "Lung_Opacity"))
        if not _class_images(path):
            lacking.append(f"{path.name}/")
    return lacking


def published(table: pd.DataFrame) -> Mapping[str, int]:
    """The published number of images of each class of the release that the index shows."""
    return COUNTS[release(table)]


def notes(folder: Path, table: pd.DataFrame) -> list[str]:
    """The release, the lung masks, and the workbooks that are missing or unreadable."""
    lines = [f"  {release(table)} release", f"  lung masks: {int((table['mask'] != '').sum())}"]
    books = workbooks(folder)
    for label in class_folders(folder):
        if label not in books:
            lines.append(f"  no metadata workbook for {label}: its images have no source in `meta`")
            continue
        try:
            read_workbook(books[label])
        except DataError as error:
            lines.append(f"  metadata of {label} not used: {error}")
    return lines


def _class_images(path: Path) -> list[Path]:
    """The images of a class folder: in `images/` in the 2021 release, else directly in it."""
    return image_files(path / "images" if (path / "images").is_dir() else path)


def workbooks(folder: Path) -> dict[str, Path]:
    """The metadata workbooks beside the class folders, by class; either spelling."""
    found = {}
    for path in sorted(folder.glob("*.xlsx")):
        name = re.sub(r"[.\s_-]*m[ae]tadata$", "", path.stem, flags=re.IGNORECASE)
        if label := _class_of(name):
            found[label] = path
    return found


def _number(name: str) -> int:
    """The n of `NAME (n)` or `NAME-n`, which images and workbook rows share; -1 if none."""
    digits = re.search(r"(\d+)\)?$", name.strip())
    return int(digits[1]) if digits else -1


def read_workbook(path: Path) -> pd.DataFrame:
    """A metadata workbook: columns `number` (of the image within its class) and `url`.

    Raises:
        DataError: it is not a workbook or lacks FILE NAME or URL.
    """
    try:
        table = pd.read_excel(path, dtype=str)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a readable workbook ({error}). Download it again.") from error
    table.columns = [" ".join(str(column).upper().split()) for column in table.columns]
    if not {"FILE NAME", "URL"} <= set(table.columns):
        raise DataError(f"{path}: no column FILE NAME or URL; it has {', '.join(table.columns)}.")
    table = table.dropna(subset=["FILE NAME"])
    numbers = table["FILE NAME"].str.replace(r"\.\w+$", "", regex=True).map(_number)
    return pd.DataFrame({"number": numbers, "url": table["URL"].fillna("")})


def _rows(folder: Path, label: str, path: Path) -> list[dict[str, Any]]:
    masks = {mask.stem.lower(): mask for mask in image_files(path / "masks")}
    rows = []
    for image in _class_images(path):
        mask = masks.get(image.stem.lower())
        rows.append(
            {
                "file": image.relative_to(folder).as_posix(),
                "mask": mask.relative_to(folder).as_posix() if mask else "",
                "name": image.stem,
                "label": CLASSES.index(label),
                "number": _number(image.stem),
            }
        )
    return rows


def _urls(folder: Path) -> dict[tuple[str, int], str]:
    """(class, number) -> url, from the workbooks that can be read (`data check` names the rest)."""
    urls = {}
    for label, path in workbooks(folder).items():
        try:
            table = read_workbook(path)
        except DataError:
            continue
        urls.update({(label, number): url for number, url in table.itertuples(index=False)})
    return urls


def _listing(folder: Path) -> pd.DataFrame:
    found = class_folders(folder).items()
    rows = [row for label, path in found for row in _rows(folder, label, path)]
    masked = any(row["mask"] for row in rows)
    urls = _urls(folder)
    for row in rows:
        row["url"] = urls.get((CLASSES[row["label"]], row.pop("number")), "")
        row["problem"] = "no lung mask. Restore it." if masked and not row["mask"] else ""
    return pd.DataFrame(rows, columns=COLUMNS)


def index(folder: Path) -> pd.DataFrame:
    """Every image of all classes with its mask, source, what it shows, and its problem if any."""
    files = [path for part in class_folders(folder).values() for path in part.rglob("*.*")]
    known = [path for path in [*files, *workbooks(folder).values()] if path.is_file()]
    return make_index("radiography", folder, known, partial(_listing, folder), NEAR)


def release(table: pd.DataFrame) -> str:
    """Which release an index shows: "first", "interim" or "2021"."""
    if (table["mask"] != "").any() or (table["label"] == CLASSES.index("Lung Opacity")).any():
        return "2021"
    covid = table[table["label"] == CLASSES.index("COVID")]
    mixed = covid.loc[covid["width"] > 0, "width"].nunique() > 1
    return "interim" if mixed or len(covid) > COUNTS["first"]["COVID"] else "first"


def _record(folder: Path, size: int, row: dict[str, Any]) -> Record:
    pixels = read_rgb(folder / row["file"])
    masks = {}
    if row["mask"]:
        shape = (pixels.shape[0], pixels.shape[1])
        masks["lung"] = fit_mask(read_mask(folder / row["mask"]), shape, size)
    meta = meta_of(row, "url")
    return Record(square(pixels, size), int(row["label"]), masks, row["name"], meta)


def source(
    root: Path, split: str, size: int, seed: int, skip_bad: bool = False, classes: int = 3
) -> Source:
    """The records of a split, padded to a square and resized.

    masks: "lung" in the 2021 release. meta: `file`, `width`, `height` (original), `sha256`, `url`
    (where the image comes from, "" if unknown: the source all but determines the class).

    Args:
        root: the set's folder or one above it.
        split: "train", "val", "test" or "all".
        size: side of the images in pixels.
        seed: of the division.
        skip_bad: leave unusable images out and count them in `report`.
        classes: 3 (Normal, Viral Pneumonia, COVID) or 4 (and Lung Opacity); an image is in the
            same split either way.

    Raises:
        DataError: the set is not under `root` or incomplete, or an image cannot be used.
    """
    if classes not in (3, 4):
        raise DataError(f"classes={classes!r}: radiography has 3 or 4 (with Lung Opacity).")
    folder = find(root)
    if folder is None:
        raise DataError(
            f"no COVID-19 Radiography folder under {root.resolve()}. Run `python -m xaihelpers "
            "data get radiography`, or unpack https://www.kaggle.com/datasets/tawsifurrahman/"
            "covid19-radiography-database there (folders COVID, Normal, Viral Pneumonia ...). "
            "Without it, load('chest_xray') renders such images."
        )
    refuse_incomplete(TITLE, folder, [p for p in missing(folder) if p != "Lung_Opacity/"])
    if classes == 4 and "Lung Opacity" not in class_folders(folder):
        raise DataError(f"{folder} has no Lung_Opacity; only the 2021 release has. Use classes=3.")
    choice = splits.Choice(split, size, seed, skip_bad, CLASSES[:classes])
    return splits.choose("radiography", folder, index(folder), choice, _record, VERSION)
