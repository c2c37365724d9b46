"""What every data set gives: one record per image, and the interface of a set of them."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class Record:
    """One image with its label and, where they are known, the masks that tell what is where.

    image: (H, W, 3) uint8 RGB, 0..255.
    label: index into the data set's `classes`.
    masks: name -> (H, W) bool; empty where the set has none.
    name: unique within all sets, e.g. "fundus/test/seed0/00017", or the real file's stem.
    meta: camera, eye, marker text, original width and height, source file ...
    """

    image: np.ndarray
    label: int
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    name: str = ""
    meta: dict[str, object] = field(default_factory=dict)


class ImageDataset(Protocol):
    """What `registry.load` returns: a map-style data set of records, rendered or real.

    labels: (N,) int64, available without decoding an image.
    size: side of the square images in pixels.
    """

    name: str
    origin: str
    classes: tuple[str, ...]
    split: str
    size: int
    seed: int
    labels: np.ndarray

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Record: ...
