"""The networks of the explorer: ImageNet's, and the trained ones on disk."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from xaihelpers import files, networks
from xaihelpers.datasets import images
from xaihelpers.errors import CheckpointError, WeightsUnavailableError
from xaihelpers.networks import checkpoints, imagenet
from xaihelpers.show.explorer import sources
from xaihelpers.show.explorer.sources import Sample
from xaihelpers.show.picture.geometry import Geometry
from xaihelpers.show.picture.loading import Picture
from xaihelpers.show.picture.transforms import Transform, prepare


@dataclass(frozen=True, eq=False)
class Prepared:
    """A picture as a network takes it.

    Attributes:
        pixels: (h, w, 3) uint8, what is drawn.
        inputs: (1, 3, h, w), the same part of the picture, normalised.
    """

    pixels: np.ndarray
    inputs: Tensor


class Entry(Protocol):
    """A network that can be explored.

    Attributes:
        key: what it is chosen by.
        title: what it is called.
        classes: names in the order of the logits.
        layers: role -> dotted name.
        sha256: of the weights; "" if they lie in no file.
        gallery_key: equal for networks that share their pictures.
    """

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def layers(self) -> Mapping[str, str]: ...
    @property
    def sha256(self) -> str: ...
    @property
    def gallery_key(self) -> Hashable: ...

    def open(self) -> nn.Module:
        """The network, on the CPU."""

    def prepare(self, sample: Sample) -> Prepared:
        """A picture as the network takes it."""

    def gallery(self) -> list[Sample]:
        """Pictures to begin with."""

    def layer_labels(self) -> list[tuple[str, str]]:
        """A label and the role of every layer."""


@dataclass(frozen=True, eq=False)
class CheckpointEntry:
    """A network trained here: where it lies and what its card says.

    Attributes:
        path: of the checkpoint.
        card: its model card.
        data_root: folder of the real sets, "" for rendered pictures alone.
        seed: of the rendered pictures.
    """

    path: Path
    card: dict[str, Any]
    data_root: str = ""
    seed: int = 0

    @property
    def key(self) -> str:
        return self.path.stem

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
    def layers(self) -> Mapping[str, str]:
        return networks.LAYERS[self.card["arch"]]

    @property
    def sha256(self) -> str:
        return str(self.card["sha256"])

    @property
    def gallery_key(self) -> Hashable:
        return self.classes, self.size, self.card["seed"]

    def open(self) -> nn.Module:
        return checkpoints.load(self.path)[0]

    def prepare(self, sample: Sample) -> Prepared:
        """A picture of another size is padded with black to a square, fundus cut to the retina."""
        pixels = sample.image
        if not sample.ready:
            if self.card["data"]["name"] in ("fundus", "aptos"):
                pixels = images.crop_to_retina(pixels)
            pixels = images.square(pixels, self.size)
        return Prepared(pixels, networks.normalize(_batch(pixels)))

    def gallery(self) -> list[Sample]:
        return sources.data_gallery(
            self.classes, self.size, self.card["seed"], self.data_root, self.seed
        )

    def layer_labels(self) -> list[tuple[str, str]]:
        return _table_labels(self.card["arch"], self.size)


@dataclass(frozen=True, eq=False)
class ImageNetEntry:
    """The ImageNet network, on photographs that packages ship."""

    key: str = "imagenet"
    title: str = f"ImageNet · {imagenet.ARCH}"
    sha256: str = imagenet.SHA256
    gallery_key: str = "imagenet"

    @property
    def classes(self) -> tuple[str, ...]:
        return imagenet.class_names()

    @property
    def layers(self) -> Mapping[str, str]:
        return networks.LAYERS[imagenet.ARCH]

    def open(self) -> nn.Module:
        return imagenet.load()[0]

    def prepare(self, sample: Sample) -> Prepared:
        """The centre of a photograph, as in ImageNet's test; a made picture as it is."""
        if sample.ready:
            return Prepared(sample.image, imagenet.normalize(_batch(sample.image)))
        return transformed(sample, imagenet.transform())

    def gallery(self) -> list[Sample]:
        return sources.photograph_gallery()

    def layer_labels(self) -> list[tuple[str, str]]:
        return _table_labels(imagenet.ARCH, imagenet.SIZE)


def find_entries(data_root: str = "", seed: int = 0) -> dict[str, Entry]:
    """Every network that can be explored: ImageNet's first, then the trained ones on disk.

    Args:
        data_root: folder of the real sets; with one, networks trained on them are there, too.
        seed: of the rendered pictures.

    Raises:
        CheckpointError: there is none.
    """
    folders = [files.checkpoints_dir()]
    if data_root:
        folders.append(files.results_dir() / "real" / "checkpoints")
    entries: dict[str, Entry] = {}
    try:
        imagenet.weights_path()
        entries["imagenet"] = ImageNetEntry()
    except WeightsUnavailableError:
        pass  # an installation without that package has the others
    for path in (path for folder in folders for path in sorted(folder.glob("*.safetensors"))):
        card = checkpoints.read_card(path)
        if card["arch"] in networks.LAYERS and "data" in card and "recipe" in card:
            entries[path.stem] = CheckpointEntry(path, card, data_root, seed)
    if not entries:
        raise CheckpointError(f"no trained classifier in {folders[0]}; `make train` makes them")
    return entries


def transformed(sample: Sample, transform: Transform) -> Prepared:
    """A picture through a transform, and the same part of it as pixels."""
    inputs, geometry = prepare(Picture(sample.image).image, transform)
    return Prepared(_seen_pixels(sample.image, geometry), inputs)


def _seen_pixels(image: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The picture resampled to the input's pixels; padding is black."""
    (height, width), (sy, sx), (ty, tx) = geometry.size, geometry.scale, geometry.shift
    # cv2 counts from the centre of the first pixel, the geometry from its edge
    matrix = np.array([[sx, 0, tx + (sx - 1) / 2], [0, sy, ty + (sy - 1) / 2]])
    if max(sx, sy) < 1:
        smaller = (max(1, round(image.shape[1] * sx)), max(1, round(image.shape[0] * sy)))
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
        matrix = np.array([[1.0, 0, tx], [0, 1.0, ty]])
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR)


def _batch(pixels: np.ndarray) -> Tensor:
    return torch.tensor(pixels).permute(2, 0, 1)[None]  # a copy: records are read-only


def _table_labels(arch: str, size: int) -> list[tuple[str, str]]:
    table = networks.layer_table(arch, size)
    return [
        (f"{row.role} · {row.module} · {row.grid}", str(row.role)) for row in table.itertuples()
    ]
