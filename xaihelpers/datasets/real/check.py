"""What real data a folder holds, what is wrong with it, and what to do: `data check <folder>`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from xaihelpers.datasets.images import read_rgb
from xaihelpers.datasets.index import crossing, image_files, thumbnails
from xaihelpers.datasets.real import imagenet_sample
from xaihelpers.datasets.real.grades import GRADES, is_referable
from xaihelpers.datasets.real.reader import Reader, folders
from xaihelpers.datasets.real.shortcuts import shortcuts
from xaihelpers.datasets.registry import REAL
from xaihelpers.datasets.splits import CONFLICT, divide
from xaihelpers.errors import DataError

SHOWN = 5  # examples given of each trouble
GREY = {"1", "L", "LA", "I", "I;16", "I;16B", "F"}  # modes of files that hold no colour


@dataclass(frozen=True)
class Report:
    """What was found; `ok` if at least one set is there and every image of each can be used."""

    ok: bool
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _counts(
    table: pd.DataFrame, classes: tuple[str, ...], published: Mapping[str, int]
) -> list[str]:
    lines = [f"  {'class':22}{'found':>7}{'published':>11}"]
    for label, name in enumerate(classes):
        found = int((table["label"] == label).sum())
        if found or name in published:
            lines.append(f"  {name:22}{found:7}{published.get(name, '-'):>11}")
    labels = table["label"]
    absent = sum(
        max(0, published.get(n, 0) - int((labels == k).sum())) for k, n in enumerate(classes)
    )
    if absent:
        lines.append(f"  note: {absent} of the {sum(published.values())} published are not here")
    return lines


def _telling(groups: pd.core.groupby.DataFrameGroupBy, classes: tuple[str, ...]) -> Iterator[str]:
    """A note for each group of at least `SHOWN` images that all bear one label."""
    counts = groups["label"].agg(["size", "nunique", "first"])
    for name, row in counts[(counts["nunique"] == 1) & (counts["size"] >= SHOWN)].iterrows():
        what = name if isinstance(name, str) else "{} x {}".format(*name)
        yield f"all {row['size']} images of {what} are {classes[int(row['first'])]}"


def _sizes(table: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    by_size = table.groupby(["width", "height"])
    counts = by_size.size().sort_values(ascending=False)
    common = [f"{w} x {h} ({n})" for (w, h), n in counts.head(SHOWN).items()]
    lines = [f"  sizes: {len(counts)}; most common {', '.join(common) or 'none'}"]
    if table["label"].nunique() > 1:
        notes = list(_telling(by_size, classes))[:SHOWN]
        lines += [f"  note: {note}: the size gives the label away" for note in notes]
    return lines


def _kinds(table: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    colour = table["mode"].map(lambda mode: "grey" if mode in GREY else "colour")
    kinds = table.assign(kind=table["format"] + " " + colour)
    counts = ", ".join(f"{kind} {n}" for kind, n in kinds["kind"].value_counts().items())
    lines = [f"  files: {counts or 'none'}"]
    if table["label"].nunique() > 1:
        notes = _telling(kinds.groupby("kind"), classes)
        lines += [f"  note: {note}: the kind of file gives the label away" for note in notes]
    return lines


def _examples(title: str, files: pd.Series, remedy: str) -> list[str]:
    more = f" and {len(files) - SHOWN} more" if len(files) > SHOWN else ""
    return [f"  {title}: {len(files)} ({', '.join(files.head(SHOWN))}{more}). {remedy}"]


def _unusable(table: pd.DataFrame) -> list[str]:
    bad = table[(table["problem"] != "") & (table["problem"] != CONFLICT)]
    lines = [
        f"  unusable: {file}: {problem}"
        for file, problem in bad[["file", "problem"]].head(SHOWN).itertuples(index=False)
    ]
    if len(bad):
        lines.append(
            f"  unusable images: {len(bad)} in all. Mend them, or load with skip_bad=True to "
            "leave them out."
        )
    return lines


def _near_duplicates(rows: pd.DataFrame) -> bool:
    """Whether a cluster holds different pictures that are not simply one patient's."""
    one_patient = rows["group"].nunique() == 1 and rows["group"].iloc[0] != ""
    return rows["sha256"].nunique() > 1 and not one_patient


def _duplicates(table: pd.DataFrame) -> list[str]:
    good = table[table["problem"] == ""]
    conflicts = table[table["problem"] == CONFLICT]
    lines = []
    copies = good[good.duplicated("sha256", keep=False)]
    if len(copies):
        title = f"same picture more than once ({copies['sha256'].nunique()} pictures)"
        lines += _examples(title, copies["file"], "Each stays within one split.")
    if len(conflicts):
        title = f"same picture, different labels ({conflicts['sha256'].nunique()} pictures)"
        lines += _examples(title, conflicts["file"], "Left out of every split.")
    alike = good.groupby("cluster").filter(
        lambda rows: (
            rows["sha256"].nunique() > 1 and rows["group"].replace("", pd.NA).nunique() != 1
        )
    )
    if len(alike):
        title = f"near-duplicates ({alike['cluster'].nunique()} clusters)"
        lines += _examples(title, alike["file"], "Each cluster stays within one split.")
    across = crossing(good)
    if len(across):
        title = f"clusters on both sides of the publisher's split ({across['cluster'].nunique()})"
        lines += _examples(title, across["file"], "Our splits keep each together.")
    return lines


def _baselines(reader: Reader, table: pd.DataFrame) -> list[str]:
    """What a linear model tells from no finding, beside chance."""
    usable = (table["problem"] == "").to_numpy()
    rows = table[usable]
    graded = reader.CLASSES == GRADES
    labels = is_referable(rows["label"]) if graded else rows["label"].tolist()
    found = shortcuts(rows, thumbnails(table)[usable], labels)
    if not found:
        return []
    what = "whether the grade is referable" if graded else "the class"
    return [
        f"  shortcuts: a linear model tells {what} with a balanced accuracy (chance "
        f"{found[0].chance:.2f}, n = {found[0].n}) of",
        *(f"    {one.balanced_accuracy:.2f} from the {one.name}" for one in found),
    ]


def _check_set(reader: Reader, folder: Path) -> tuple[bool, list[str]]:
    """Whether every image of the set can be used, and the lines about it."""
    lines = [f"{reader.TITLE} in {folder}"]
    missing = reader.missing(folder)
    if missing:
        lines.append(f"  incomplete: it lacks {', '.join(missing)}. Restore what is missing.")
    try:
        table = reader.index(folder)
    except DataError as error:
        return False, lines if missing else [*lines, f"  {error}"]
    divided = divide(table, seed=0)
    lines[0] += f": {len(table)} images"
    read = table[table["width"] > 0]
    lines += _counts(table, reader.CLASSES, reader.published(table))
    lines += _sizes(read, reader.CLASSES) + _kinds(read, reader.CLASSES)
    lines += reader.notes(folder, table)
    unusable = _unusable(divided)
    lines += unusable + _duplicates(divided) + _baselines(reader, table)
    return not missing and not unusable, lines


def _unknown(root: Path, known: list[Path]) -> list[str]:
    """A line for each folder directly below `root` that holds images and belongs to no set."""
    lines = []
    for folder in folders(root, 1):
        if folder == root or any(folder == k or folder in k.parents for k in known):
            continue
        if any(k in folder.parents or k == root for k in known):
            continue
        if any(image_files(below) for below in folders(folder, 1)):
            lines.append(f"{folder} holds images and is no set known here: not looked at.")
    return lines


def _check_sample(folder: Path, lines: list[str]) -> bool:
    """Whether every photograph of the ImageNet sample can be used; adds to the lines."""
    pictures = imagenet_sample.files(folder)
    lines.append(f"{imagenet_sample.TITLE} in {folder}: {len(pictures)} photographs")
    missing = imagenet_sample.missing(folder)
    if missing:
        lines.append(f"  incomplete: it lacks {', '.join(missing)}. Restore what is missing.")
    bad = []
    for path in pictures:
        try:
            read_rgb(path)
        except DataError as error:
            bad.append(f"  unusable: {error}")
    lines += bad[:SHOWN]
    return not missing and not bad


def check(folder: Path | str) -> Report:
    """Look through `folder` (a data root, or a set's own folder) for the real sets.

    Decodes every image on the first run, with a progress bar; what it finds is kept for `load`.

    Raises:
        StorageError: what was found cannot be kept under `data_dir()`.
    """
    root = Path(folder)
    places = {name: reader.find(root) for name, reader in REAL.items()}
    known = {name: place for name, place in places.items() if place is not None}
    ok, lines = bool(known), []
    for name, place in known.items():
        good, said = _check_set(REAL[name], place)
        ok = ok and good
        lines += said
    sample = imagenet_sample.find(root)
    if sample is not None:
        ok = _check_sample(sample, lines) and (ok or not known)
    present = [*known.values(), *([sample] if sample else [])]
    lines += _unknown(root, present)
    if not present:
        state = "holds no set known here" if root.is_dir() else "is not a folder"
        lines += [
            f"{root.resolve()} {state}. Known are {', '.join(REAL)}; data/README.md says what "
            "their folders look like, for example aptos2019/ with train.csv and train_images/.",
            "To fetch one: `python -m xaihelpers data get aptos`.",
        ]
    lines.append("All images can be used." if ok else "Not ready: see above.")
    return Report(ok, tuple(lines))


def check_command(folder: Path | str) -> int:
    """Print the report on `folder`; exit code 0 if its data can be used as it is, else 1."""
    report = check(folder)
    print(report)
    return 0 if report.ok else 1
