"""What every data set gives: one record per image, and the interface of a set of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Record:
    """One image with its label and, where they are known, the masks that tell what is where.

    Nothing in a record can be changed: its arrays are read-only. To change a picture, copy it and
    make a new record: `dataclasses.replace(record, image=changed)`. `torch.tensor(record.image)`
    copies too.

    image: (H, W, 3) uint8 RGB, 0..255.
    label: index into the data set's `classes`.
    masks: name -> (H, W) bool; empty where the set has none.
    name: unique within all sets, e.g. "fundus/test/seed0/00017", or the real file's stem.
    meta: camera, eye, marker text, original width and height, source file ...

    >>> record = Record(np.zeros((2, 2, 3), np.uint8), label=0)
    >>> record.image[0, 0] = 255
    Traceback (most recent call last):
        ...
    ValueError: assignment destination is read-only
    """

    image: np.ndarray
    label: int
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    name: str = ""
    meta: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", _read_only(self.image))
        masks = {name: _read_only(mask) for name, mask in self.masks.items()}
        object.__setattr__(self, "masks", masks)


def _read_only(array: np.ndarray) -> np.ndarray:
    """A view of the array that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


class ImageDataset(Protocol):
    """What `registry.load` returns: a map-style data set of records, rendered or real.

    origin: "rendered" or "real".
    labels: (N,) int64, available without decoding an image.
    size: side of the square images in pixels.
    report: what was left out and why (real data); empty if nothing was.
    """

    @property
    def name(self) -> str: ...

    @property
    def origin(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def split(self) -> str: ...

    @property
    def size(self) -> int: ...

    @property
    def seed(self) -> int: ...

    @property
    def labels(self) -> np.ndarray: ...

    @property
    def report(self) -> str: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Record: ...


@dataclass(frozen=True)
class Source:
    """How each record of a split is made: `make(items[i])`; itself an `ImageDataset`, uncached.

    version: changes whenever the pixels would; with `options` it is part of the cache's key.
    options: everything else that decides the pixels, in a form that prints the same in every run.
    make: picklable, so that several processes can share the work.
    """

    name: str
    origin: str
    classes: tuple[str, ...]
    split: str
    size: int
    seed: int
    labels: np.ndarray
    items: Sequence[Any]
    make: Callable[[Any], Record]
    version: int
    options: str = ""
    report: str = ""

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Record:
        return self.make(self.items[i])

    def first(self, n: int) -> "Source":
        """The same source, cut to its first n records."""
        return replace(self, items=self.items[:n], labels=self.labels[:n])
