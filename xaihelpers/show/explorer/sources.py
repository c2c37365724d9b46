"""The pictures of the explorer: rendered and real test images, photographs, one's own files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from xaihelpers import datasets
from xaihelpers.datasets.real import photographs
from xaihelpers.datasets.registry import RENDERED, SIZE
from xaihelpers.show.explorer.upload import read_upload
from xaihelpers.show.picture.loading import PictureSource, read_picture

SPLIT = "test"
GALLERY_SIZE = 12  # pictures of a gallery
FOUR = ("chelsea", "coffee", "rocket", "motorcycle")  # ImageNet has a class for each
ORGANS = ("retina", "disc", "macula", "vessels", "lung", "marker")  # masks of no finding


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture to explain.

    Attributes:
        key: what it is chosen by.
        title: what it is called.
        image: (H, W, 3) uint8.
        truth: its class in words; "" if nobody knows.
        origin: "rendered", "real", "photograph" with its licence, or "your own file".
        masks: what a map may be measured against, (H, W) bool by name; empty if nothing is known.
        note: what was done to an uploaded file.
        ready: whether the image has the network's size already.
        classes: classes worth asking for, the first of which is shown first; () for the network's
            own answer.
        by_class: whether a mask counts for the class of its own name alone.
    """

    key: str
    title: str
    image: np.ndarray
    truth: str
    origin: str
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)
    note: str = ""
    ready: bool = False
    classes: tuple[str, ...] = ()
    by_class: bool = False


def data_sets(classes: tuple[str, ...], size: int, seed: int, data_root: str = "") -> list[str]:
    """Names of the sets of these classes: the rendered one first, then real ones.

    Args:
        classes: of a network.
        size: side of the pictures in px.
        seed: of the network's training, by which real sets are divided.
        data_root: folder of the real sets, "" for none.
    """
    rendered = [name for name in RENDERED if classes == RENDERED[name].CLASSES]
    if not data_root:
        return rendered
    real = datasets.available(data_root)
    return rendered + [n for n in real if _real(n, data_root, size, seed).classes == classes]


def _real(name: str, data_root: str, size: int, seed: int) -> datasets.ImageDataset:
    """Divided as when the network was trained, so that no test picture was trained on."""
    return datasets.load(name, SPLIT, size, seed, root=data_root, cache=False, skip_bad=True)


def data_gallery(
    classes: tuple[str, ...], size: int, trained_seed: int, data_root: str = "", seed: int = 0
) -> list[Sample]:
    """Test pictures, at most twelve per set, as many of each class as of any other.

    Args:
        classes: of a network.
        size: side of the pictures in px.
        trained_seed: of the network's training, by which real sets are divided.
        data_root: folder of the real sets, "" for none.
        seed: of the rendered pictures.

    Raises:
        DataError: real data that cannot be used.
    """
    samples = []
    for name in data_sets(classes, size, trained_seed, data_root):
        if name in RENDERED:
            data = datasets.load(name, SPLIT, size, seed=seed, limit=GALLERY_SIZE)
        else:
            data = _real(name, data_root, size, trained_seed)
        samples += [_sample(data, i) for i in balanced_indices(data.labels, GALLERY_SIZE)]
    return samples


def photograph_gallery() -> list[Sample]:
    """A picture of four photographs, then each photograph alone.

    Raises:
        DataError: a package with photographs is not installed.
    """
    four = photographs.grid(FOUR)
    about = photographs.PHOTOGRAPHS
    asked = tuple(about[name].imagenet for name in FOUR)
    together = Sample(
        key="photographs:four",
        title="four photographs",
        image=four.image,
        truth=", ".join(about[name].shows for name in FOUR),
        origin="photographs",
        masks=dict(zip(asked, four.masks.values(), strict=True)),
        ready=True,
        classes=asked,
        by_class=True,
    )
    return [together, *photographs_alone()]


def photographs_alone() -> list[Sample]:
    """Every photograph that a package ships, at its own size."""
    return [
        Sample(
            key=f"photographs:{name}",
            title=name,
            image=photographs.read(name),
            truth=about.shows,
            origin=f"photograph, {about.licence}",
            classes=(about.imagenet,) if about.imagenet else (),
        )
        for name, about in photographs.PHOTOGRAPHS.items()
    ]


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
        ready=True,
    )


def uploaded_sample(name: str, content: bytes) -> Sample:
    """The learner's own file as a sample without truth or masks.

    Raises:
        PictureError: it is no usable picture.
    """
    pixels, note = read_upload(name, content)
    key = f"upload:{hashlib.sha256(content).hexdigest()[:12]}"
    return Sample(key, name, pixels, "", "your own file", note=note)


def picture_sample(source: PictureSource) -> Sample:
    """A picture of the learner's own, in whatever form, as a sample without truth or masks.

    Raises:
        PictureError: it is no usable picture.
    """
    picture = read_picture(source)
    key = f"own:{hashlib.sha256(picture.pixels.tobytes()).hexdigest()[:12]}"
    return Sample(key, picture.name, picture.pixels, "", "your own file", note=picture.note)
