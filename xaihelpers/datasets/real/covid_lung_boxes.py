"""Chest radiographs with two lung boxes each, drawn by radiologists.

Two layouts are read: the publisher's (`annotations.json` in COCO form, here or in `annotations/`,
and `images/`), and one table instead (`labels.csv`). Boxes are in pixels of the width and height
that stand beside them, and are scaled to the stored picture. The pictures are those of
ieee8023/covid-chestxray-dataset, each under its own licence; some are copies of pictures in
`covid_3class`: never train on one and test on the other without `apart_from`.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xaihelpers.datasets import splits
from xaihelpers.datasets.duplicates import NEAR, near_pairs
from xaihelpers.datasets.images import fit_box, read_rgb, square
from xaihelpers.datasets.index import image_files
from xaihelpers.datasets.index import index as make_index
from xaihelpers.datasets.real import covid_3class, radiography
from xaihelpers.datasets.real.reader import (
    Reader,
    folders,
    header,
    meta_of,
    read_table,
    refuse_incomplete,
)
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError

TITLE = "COVID lung boxes"
CLASSES = ("No finding", "Other finding", "COVID-19", "Not stated")
VERSION = 1  # bump when the pixels change
NAME = "covid_lung_boxes"
COUNT = 609  # radiographs that carry two boxes and are there
BOXES = ("right", "left")
EDGES = ("x", "y", "w", "h")
COLUMNS = [f"{box}_{edge}" for box in BOXES for edge in EDGES]
OTHERS: dict[str, Reader] = {"covid_3class": covid_3class, "radiography": radiography}


def find(root: Path) -> Path | None:
    """The set's folder: one of that name, or one with the boxes' table or annotations."""
    for folder in folders(root, 1):
        named = folder.name == NAME and any(folder.glob("*"))
        listed = {"filename", "right_x", "left_x"} <= header(folder / "labels.csv")
        if named or listed or annotations(folder) is not None:
            return folder
    return None


def annotations(folder: Path) -> Path | None:
    """The publisher's file of boxes, if it is there."""
    paths = (folder / "annotations.json", folder / "annotations" / "annotations.json")
    return next((path for path in paths if path.is_file()), None)


def missing(folder: Path) -> list[str]:
    """Which of the boxes and the pictures the folder lacks."""
    boxes = (folder / "labels.csv").is_file() or annotations(folder) is not None
    parts = {"labels.csv or annotations.json": boxes, "images/": bool(_images(folder))}
    return [name for name, there in parts.items() if not there]


def published(table: pd.DataFrame) -> Mapping[str, int]:
    """The classes; only the number of all radiographs is known (see `notes`)."""
    return {}


def notes(folder: Path, table: pd.DataFrame) -> list[str]:
    """Counts of patients and licences."""
    stated = table["licence"].replace("", "not stated").value_counts()
    licences = ", ".join(f"{name} {count}" for name, count in stated.items())
    return [
        f"  radiographs with boxes: {len(table)} of {COUNT}; patients named: "
        f"{table.loc[table['group'] != '', 'group'].nunique()}",
        f"  licences of the pictures: {licences}",
    ]


def label_of(finding: str) -> int:
    """Index into `CLASSES` of a finding in the publisher's words.

    >>> [CLASSES[label_of(words)] for words in ("COVID-19, ARDS", "No Finding", "SARS", "todo")]
    ['COVID-19', 'No finding', 'Other finding', 'Not stated']
    """
    if "COVID-19" in finding:
        return 2
    words = finding.strip().lower()
    return {"no finding": 0, "": 3, "todo": 3, "unknown": 3}.get(words, 1)


def _images(folder: Path) -> dict[str, Path]:
    return {path.stem: path for path in image_files(folder / "images")}


def _from_coco(path: Path) -> Iterator[dict[str, Any]]:
    """Rows as in `labels.csv`, of the pictures that have both boxes."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        sides = {c["id"]: c["name"].split()[0].lower() for c in content["categories"]}
        boxes: dict[int, dict[str, list[float]]] = {}
        for one in content["annotations"]:
            boxes.setdefault(one["image_id"], {})[sides[one["category_id"]]] = one["bbox"]
        for image in content["images"]:
            found = boxes.get(image["id"], {})
            if found.keys() >= set(BOXES):
                known = image.get("metadata", {})
                row = {"filename": image["file_name"]} | {k: image[k] for k in ("width", "height")}
                row |= {"licence": known.get("license", "")}
                row |= {name: known.get(name, "") for name in ("finding", "view", "patientid")}
                values = [value for box in BOXES for value in found[box]]
                yield row | dict(zip(COLUMNS, values, strict=True))
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path} is not the COCO file expected ({error!r}).") from error


def _box_problem(row: Mapping[str, Any]) -> str:
    for box in BOXES:
        x, y, w, h = (float(row[f"{box}_{edge}"]) for edge in EDGES)
        if w <= 0 or h <= 0 or x + w <= 0 or y + h <= 0:
            return f"box: the {box} lung's box {x:g}, {y:g}, {w:g}, {h:g} has no area in it."
        if x >= float(row["width"]) or y >= float(row["height"]):
            return f"box: the {box} lung's box lies outside of the picture."
    return ""


def _listing(folder: Path) -> pd.DataFrame:
    path = annotations(folder)
    if (folder / "labels.csv").is_file():
        needed = ["filename", "width", "height", "finding", "patientid", *COLUMNS]
        remedy = f"Run `python -m xaihelpers data get {NAME}`."
        listed = read_table(folder / "labels.csv", needed, remedy).to_dict("records")
    else:
        assert path is not None  # `missing` was asked
        listed = list(_from_coco(path))
    files = _images(folder)
    rows = []
    for row in listed:
        name = Path(row["filename"]).stem
        file = files.get(name)
        problem = _box_problem(row) if file else "missing file. Restore it."
        kept: dict[str, Any] = {key: float(row[key]) for key in COLUMNS}
        kept |= {"box_width": float(row["width"]), "box_height": float(row["height"])}
        kept |= {key: row.get(key, "") for key in ("finding", "view", "licence")}
        shown = file.relative_to(folder).as_posix() if file else f"images/{row['filename']}"
        kept |= {"file": shown, "mask": "", "name": name, "problem": problem}
        rows.append(kept | {"label": label_of(row["finding"]), "group": row["patientid"]})
    return pd.DataFrame(rows)


def index(folder: Path) -> pd.DataFrame:
    """Every radiograph with its boxes, finding, patient, and its problem if it has one.

    Raises:
        DataError: the boxes or the pictures are missing or unusable.
    """
    refuse_incomplete(TITLE, folder, missing(folder))
    path = annotations(folder)
    known = [*_images(folder).values(), folder / "labels.csv", *([path] if path else [])]
    known = [file for file in known if file.is_file()]
    table = make_index(NAME, folder, known, partial(_listing, folder), NEAR)
    text = ["finding", "view", "licence"]
    return table.assign(**{name: table[name].astype(str) for name in text})


def _record(folder: Path, size: int, row: dict[str, Any]) -> Record:
    pixels = read_rgb(folder / row["file"])
    height, width = pixels.shape[:2]
    across, down = width / row["box_width"], height / row["box_height"]
    mask, boxes = np.zeros((size, size), bool), {}
    for name in BOXES:
        x, y, w, h = (row[f"{name}_{edge}"] for edge in EDGES)
        x0, x1 = (min(max(value, 0), row["box_width"]) * across for value in (x, x + w))
        y0, y1 = (min(max(value, 0), row["box_height"]) * down for value in (y, y + h))
        boxes[name] = fit_box((x0, y0, x1, y1), (height, width), size)
        left, top, right, bottom = (round(edge) for edge in boxes[name])
        mask[top:bottom, left:right] = True
    meta = meta_of(row, "finding", "view", "licence", "group") | {"boxes": boxes}
    masks = {"lung_boxes": mask}
    return Record(square(pixels, size), int(row["label"]), masks, row["name"], meta)


def _without_copies(table: pd.DataFrame, root: Path, other: str) -> pd.DataFrame:
    """The index with a problem at every cluster of which a picture has a copy in the other set."""
    if other not in OTHERS:
        raise DataError(f"apart_from={other!r}: use one of {', '.join(OTHERS)}, or nothing.")
    folder = OTHERS[other].find(root)
    if folder is None:
        raise DataError(f"apart_from={other!r}: that set is not under {root.resolve()}.")
    theirs = [code for code in OTHERS[other].index(folder)["hash"] if code]
    mine = table.loc[table["hash"] != "", ["hash", "cluster"]]
    copies, _ = near_pairs(mine["hash"].tolist(), theirs)
    shared = table["cluster"].isin(mine["cluster"].iloc[copies]) & (table["problem"] == "")
    return table.assign(problem=table["problem"].mask(shared, f"{splits.SET_ASIDE}in {other}"))


def source(
    root: Path,
    split: str,
    size: int,
    seed: int,
    skip_bad: bool = False,
    apart_from: str = "",
) -> Source:
    """The records of a split, padded to a square and resized.

    masks: "lung_boxes", the union of both. meta: `file`, `width`, `height` (stored), `sha256`,
    `finding`, `view`, `licence`, `group` (the patient), `boxes`: "right" and "left" (of the
    patient) -> (x0, y0, x1, y1) in pixels of the record's image.

    Args:
        root: the set's folder or the one above it.
        split: "train", "val", "test", or "all", the usual choice here.
        size: side of the images in pixels.
        seed: of the division.
        skip_bad: leave unusable images out and count them in `report`.
        apart_from: "covid_3class" or "radiography" leaves out every picture that has a copy there
            (under the same `root`), and all pictures of such a patient; they are counted.

    Raises:
        DataError: the set is not under `root` or incomplete, or an image cannot be used.
    """
    folder = find(root)
    if folder is None:
        raise DataError(
            f"no {TITLE} under {root.resolve()}. Run `python -m xaihelpers data get {NAME}`; or put"
            f" annotations.json and images/ into {root.resolve() / NAME}."
        )
    table = index(folder)
    if apart_from:
        table = _without_copies(table, root, apart_from)
    choice = splits.Choice(split, size, seed, skip_bad, CLASSES)
    return splits.choose(NAME, folder, table, choice, _record, VERSION)
