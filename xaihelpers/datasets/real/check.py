"""What real data a folder holds, what is wrong with it, and what to do: `data check <folder>`."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xaihelpers.datasets.real import aptos, radiography
from xaihelpers.datasets.splits import CONFLICT, divide
from xaihelpers.errors import DataError

SHOWN = 5  # examples given of each trouble


@dataclass(frozen=True)
class Report:
    """What was found; `ok` if at least one set is there and every image of it can be used."""

    ok: bool
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _counts(table: pd.DataFrame, classes: tuple[str, ...], expected: dict[str, int]) -> list[str]:
    lines = [f"  {'class':18}{'found':>7}{'published':>11}"]
    for label, name in enumerate(classes):
        found = int((table["label"] == label).sum())
        if found or name in expected:
            lines.append(f"  {name:18}{found:7}{expected.get(name, 0):11}")
    return lines


def _sizes(table: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    seen = table[table["width"] > 0]
    by_size = seen.groupby(["width", "height"])["label"].agg(["size", "nunique", "first"])
    by_size = by_size.sort_values("size", ascending=False)
    common = [f"{w} x {h} ({n})" for (w, h), n in by_size["size"].head(SHOWN).items()]
    lines = [f"  sizes: {len(by_size)}; most common {', '.join(common) or 'none'}"]
    telling = by_size[(by_size["nunique"] == 1) & (by_size["size"] >= SHOWN)]
    for (width, height), row in telling.head(SHOWN).iterrows():
        lines.append(
            f"  note: all {row['size']} images of {width} x {height} are "
            f"{classes[int(row['first'])]}: the size gives the label away"
        )
    return lines


def _examples(title: str, files: pd.Series, remedy: str) -> list[str]:
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return [f"  {title}: {len(files)} ({', '.join(files.head(SHOWN))}{more}). {remedy}"]


def _troubles(table: pd.DataFrame) -> tuple[bool, list[str]]:
    """Whether all images can be used, and the lines on unusable images and duplicates."""
    table = divide(table, seed=0)
    conflicts = table[table["problem"] == CONFLICT]
    bad = table[(table["problem"] != "") & (table["problem"] != CONFLICT)]
    lines = []
    for file, problem in bad[["file", "problem"]].head(SHOWN).itertuples(index=False):
        lines.append(f"  unusable: {file}: {problem}")
    if len(bad):
        lines.append(
            f"  unusable images: {len(bad)} in all. Mend them, or load with skip_bad=True to "
            "leave them out."
        )
    copies = table[(table["problem"] == "") & table.duplicated("sha256", keep=False)]
    if len(copies):
        title = f"same picture more than once ({copies['sha256'].nunique()} pictures)"
        lines += _examples(title, copies["file"], "Each stays within one split.")
    if len(conflicts):
        title = f"same picture, different labels ({conflicts['sha256'].nunique()} pictures)"
        lines += _examples(title, conflicts["file"], "Left out of every split.")
    return bad.empty, lines


def _check_aptos(folder: Path) -> tuple[bool, list[str]]:
    table = aptos.index(folder)
    ok, troubles = _troubles(table)
    lines = [f"APTOS 2019 in {folder}: {len(table)} labelled images"]
    lines += _counts(table, aptos.GRADES, aptos.COUNTS) + _sizes(table, aptos.GRADES) + troubles
    return ok, lines


def _check_radiography(folder: Path) -> tuple[bool, list[str]]:
    table = radiography.index(folder)
    release = radiography.release(table)
    ok, troubles = _troubles(table)
    lines = [f"COVID-19 Radiography, {release} release, in {folder}: {len(table)} images"]
    lines += _counts(table, radiography.CLASSES, radiography.COUNTS[release])
    lines += _sizes(table, radiography.CLASSES)
    lines.append(f"  lung masks: {int((table['mask'] != '').sum())}")
    books = radiography.workbooks(folder)
    for label in radiography.class_folders(folder):
        if label not in books:
            lines.append(f"  no metadata workbook for {label}: its images have no source in `meta`")
            continue
        try:
            radiography.read_workbook(books[label])
        except DataError as error:
            lines.append(f"  metadata of {label} not used: {error}")
    return ok, lines + troubles


def check(folder: Path | str) -> Report:
    """Look through `folder` (a data root, or a set's own folder) for the real sets.

    Decodes every image on the first run, with a progress bar; what it finds is kept for `load`.

    Raises:
        StorageError: what was found cannot be kept under `data_dir()`.
    """
    root = Path(folder)
    ok, lines = True, []
    found = False
    for reader, look in ((aptos, _check_aptos), (radiography, _check_radiography)):
        place = reader.find(root)
        if place is None:
            continue
        found = True
        try:
            good, told = look(place)
        except DataError as error:
            good, told = False, [f"{place}: {error}"]
        ok = ok and good
        lines += told
    if not found:
        state = "holds neither set" if root.is_dir() else "is not a folder"
        lines = [
            f"{root.resolve()} {state}. Expected in it: aptos2019/ with train.csv and "
            "train_images/, or a radiography folder with COVID/, Normal/, Viral Pneumonia/ "
            "(see data/README.md).",
            "To fetch one: `python -m xaihelpers data get aptos` or `... data get radiography`.",
        ]
    lines.append("All images can be used." if ok and found else "Not ready: see above.")
    return Report(ok and found, tuple(lines))


def check_command(folder: Path | str) -> int:
    """Print the report on `folder`; exit code 0 if its data can be used as it is, else 1."""
    report = check(folder)
    print(report)
    return 0 if report.ok else 1
