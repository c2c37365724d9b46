"""What can be explored: the trained networks on disk, and pictures of their kind."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from xaihelpers import datasets, files, networks
from xaihelpers.datasets import images
from xaihelpers.datasets.registry import RENDERED, SIZE
from xaihelpers.networks import checkpoints
from xaihelpers.show.explorer.upload import read_upload

SPLIT = "test"
GALLERY_SIZE = 12  # pictures of a gallery
ORGANS = ("retina", "disc", "macula", "vessels", "lung", "marker")  # masks of no finding


@dataclass(frozen=True)
class Entry:
    """A trained network: where it lies and what its card says."""

    path: Path
    card: dict[str, Any]

    @property
    def title(self) -> str:
        data, arch = self.card["data"]["name"], self.card["arch"]
        return f"{data} · {arch}" if self.path.stem == f"{data}_{arch}" else self.path.stem

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.card["classes"])

    @property
    def size(self) -> int:
        """Side in pixels of the images that training ended with."""
        return int(self.card["recipe"]["cycles"][-1]["sizes"][-1])

    @property
    def layers(self) -> dict[str, str]:
        """Role -> dotted name of every named layer."""
        return networks.LAYERS[self.card["arch"]]


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture to explain.

    image: (H, W, 3) uint8, of the network's size unless the file is the learner's own.
    truth: its class in words; "" if nobody knows.
    masks: what a map may be measured against, (H, W) bool by name; empty if nothing is known.
    note: what was done to an uploaded file.
    """

    key: str
    title: str
    image: np.ndarray
    truth: str
    origin: str
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    note: str = ""


def find_networks(data_root: str = "") -> dict[str, Entry]:
    """Every classifier with named layers among the checkpoints; real ones only with a data root.

    Raises:
        CheckpointError: there is none.
    """
    folders = [files.checkpoints_dir()]
    if data_root:
        folders.append(files.results_dir() / "real" / "checkpoints")
    entries = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.safetensors"))):
        card = checkpoints.read_card(path)
        if card["arch"] in networks.LAYERS and "data" in card and "recipe" in card:
            entries[path.stem] = Entry(path, card)
    if not entries:
        raise networks.CheckpointError(
            f"no trained classifier in {folders[0]}; `make train` makes them"
        )
    return entries


def data_sets(entry: Entry, data_root: str = "") -> list[str]:
    """Names of the sets whose classes are the network's: the rendered one first, then real ones."""
    rendered = [n for n, s in RENDERED.items() if entry.classes == s.CLASSES]
    if not data_root:
        return rendered
    real = datasets.available(data_root)
    return rendered + [n for n in real if _real(n, data_root, entry).classes == entry.classes]


def _real(name: str, data_root: str, entry: Entry) -> datasets.ImageDataset:
    """Divided as when the network was trained, so that no test picture was trained on."""
    seed = entry.card["seed"]
    return datasets.load(name, SPLIT, entry.size, seed, root=data_root, cache=False, skip_bad=True)


def gallery(entry: Entry, data_root: str = "", seed: int = 0) -> list[Sample]:
    """Test pictures for a network, at most twelve per set, as many of each class as of any other.

    seed: of the rendered pictures.

    Raises:
        DataError: real data that cannot be used.
    """
    samples = []
    for name in data_sets(entry, data_root):
        if name in RENDERED:
            data = datasets.load(name, SPLIT, entry.size, seed=seed, limit=GALLERY_SIZE)
        else:
            data = _real(name, data_root, entry)
        samples += [_sample(data, i) for i in balanced_indices(data.labels, GALLERY_SIZE)]
    return samples


def balanced_indices(labels: np.ndarray, most: int) -> list[int]:
    """Indices of at most `most` labels, in order, as evenly over the classes as they allow."""
    counts: dict[int, int] = {}
    ranked = []
    for index, label in enumerate(labels.tolist()):
        counts[label] = counts.get(label, 0) + 1
        ranked.append((counts[label], label, index))
    return sorted(index for _, _, index in sorted(ranked)[:most])


def _key(data: datasets.ImageDataset, index: int) -> str:
    """Name and number, and what else decides the pixels where that is not the usual."""
    usual = RENDERED[data.name].SIZE if data.name in RENDERED else SIZE
    size = "" if data.size == usual else f"@{data.size}"
    division = f"/seed{data.seed}" if data.origin == "real" and data.seed else ""
    return f"{data.name}:{index}{size}{division}"


def _sample(data: datasets.ImageDataset, index: int) -> Sample:
    record = data[index]
    findings = {n: mask for n, mask in record.masks.items() if n not in ORGANS}
    organs = {n: mask for n, mask in record.masks.items() if n in ("retina", "lung")}
    return Sample(
        key=_key(data, index),
        title=f"{data.name} {SPLIT} {index}",
        image=record.image,
        truth=data.classes[record.label],
        origin=data.origin,
        masks=findings or organs,
    )


def uploaded_sample(name: str, content: bytes) -> Sample:
    """The learner's own file as a sample without truth or masks.

    Raises:
        PictureError: it is no usable picture.
    """
    pixels, note = read_upload(name, content)
    key = f"upload:{hashlib.sha256(content).hexdigest()[:12]}"
    return Sample(key, name, pixels, "", "your own file", note=note)


def network_input(sample: Sample, entry: Entry) -> np.ndarray:
    """The pixels as the network was trained on them, (size, size, 3) uint8.

    Uploads are padded with black to a square; for fundus networks cut to the retina first.
    """
    image = sample.image
    if not sample.key.startswith("upload:"):
        return image
    if entry.card["data"]["name"] in ("fundus", "aptos"):
        image = images.crop_to_retina(image)
    return images.square(image, entry.size)
