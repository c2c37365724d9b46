"""`xaihelpers explain`: overlays, raw maps and one JSON file for pictures and folders."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tqdm import tqdm

from xaihelpers.errors import PictureError, TargetError
from xaihelpers.files import sha256
from xaihelpers.show.picture import ExplainedImage, explain_image, read_picture
from xaihelpers.show.picture.layers import last_grid_layer
from xaihelpers.show.picture.loading import pictures_in
from xaihelpers.show.picture.models import NamedModel, open_model
from xaihelpers.show.picture.report import Report
from xaihelpers.show.picture.transforms import prepare

PACKAGES = ("xaihelpers", "torch", "torchvision", "timm", "numpy", "pillow")


@dataclass(frozen=True)
class Task:
    """One picture: its file, and where its results go, below the folder of results."""

    source: Path
    stem: str


def run(arguments: argparse.Namespace) -> int:
    """Explain every picture.

    Returns:
        0 if every picture was explained, now or before; 1 if some could not be.

    Raises:
        XaiError: a wrong request, or a folder that cannot be written.
    """
    tasks = find_tasks(arguments.pictures)
    opened = open_model(arguments.model, arguments.weights)
    classes = _class_names(arguments.classes) if arguments.classes else opened.classes
    targets = [int(word) if word.isdecimal() else word for word in arguments.target]
    layer = arguments.layer
    if layer == "auto":
        layer = _suggested(opened, tasks)
        print(f"layer: {layer}, the last with a grid of cells; --layer NAME for another")
    request = Request(opened, classes, targets, layer, arguments.methods.split(","))
    with Report(Path(arguments.save), request.settings()) as report:
        for task in tqdm(tasks, unit="picture", disable=len(tasks) < 2, file=sys.stderr):
            _explain(task, request, report)
    return _summary(tasks, report)


@dataclass(frozen=True)
class Request:
    """What is asked of every picture."""

    opened: NamedModel
    classes: tuple[str, ...]
    targets: list[int | str]
    layer: str
    methods: list[str]

    def settings(self) -> dict[str, Any]:
        """Everything that decides the maps but the picture."""
        return {
            "model": self.opened.name,
            "weights_sha256": self.opened.weights,
            "layer": self.layer,
            "methods": self.methods,
            "target": self.targets or "predicted class",
            "versions": versions(),
        }


def _explain(task: Task, request: Request, report: Report) -> None:
    """One picture, unless it was done before; a broken file is noted and left out."""
    digest = _digest(task.source)
    if report.has(task.stem, digest):
        return
    try:
        shown = explain_image(
            request.opened.model,
            task.source,
            request.targets or None,
            layer=request.layer,
            methods=request.methods,
            transform=request.opened.transform,
            classes=request.classes,
        )
    except PictureError as error:
        report.refuse(task.stem, task.source, digest, str(error))
    else:
        assert isinstance(shown, ExplainedImage)  # one picture was passed
        report.add(task.stem, task.source, digest, shown)


def _summary(tasks: Sequence[Task], report: Report) -> int:
    """Say what was done; the exit code."""
    broken = [report.pictures[t.stem]["error"] for t in tasks if report.is_broken(t.stem)]
    done = len(tasks) - len(broken)
    before = f", {report.resumed} of them before" if report.resumed else ""
    print(f"{done} of {len(tasks)} pictures explained{before}: {report.folder}/")
    if len(tasks) == 1 and not broken:
        for row in report.pictures[tasks[0].stem]["maps"]:
            share = "" if row["probability"] is None else f" ({row['probability']:.1%})"
            print(f"  {row['method']}: {row['target']}{share}")
    for reason in broken:
        print(f"left out: {reason}", file=sys.stderr)
    return 1 if broken else 0


def find_tasks(sources: Sequence[str]) -> list[Task]:
    """The pictures of files and folders, each with a name for its results that no other has.

    Raises:
        PictureError: a folder without pictures, or no such file.
    """
    pairs: list[tuple[Path, Path]] = []
    for source in map(Path, sources):
        if source.is_dir():
            pairs += [(path, path.relative_to(source)) for path in pictures_in(source)]
        elif source.exists():
            pairs.append((source, Path(source.name)))
        else:
            raise PictureError(f"there is no file or folder {source}; check its path")
    pairs = list(dict.fromkeys(pairs))
    shared = Counter(name.with_suffix("") for _, name in pairs)
    tasks, taken = [], set()
    for path, name in pairs:
        plain = shared[name.with_suffix("")] == 1
        stem = str(name.with_suffix("") if plain else name.with_name(name.name.replace(".", "_")))
        number = 2
        while stem in taken:
            stem = f"{stem.rsplit('~', 1)[0]}~{number}"
            number += 1
        taken.add(stem)
        tasks.append(Task(path, stem))
    return tasks


def versions() -> dict[str, str]:
    """Versions of the packages that decide the maps; those that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _class_names(path: str) -> tuple[str, ...]:
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TargetError(f"{path} cannot be read as a list of class names ({error})") from error
    return tuple(line.strip() for line in lines if line.strip())


def _suggested(opened: NamedModel, tasks: Sequence[Task]) -> str:
    """The last layer with a grid, found with the first picture that can be read."""
    for task in tasks:
        try:
            inputs, _ = prepare(read_picture(task.source).image, opened.transform)
        except PictureError:
            continue
        return last_grid_layer(opened.model, inputs)
    raise PictureError("none of the pictures can be read; the first: " + _reason(tasks[0]))


def _reason(task: Task) -> str:
    try:
        read_picture(task.source)
    except PictureError as error:
        return str(error)
    return ""


def _digest(path: Path) -> str:
    try:
        return sha256(path)
    except OSError:
        return ""
