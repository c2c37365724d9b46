"""A network of the learner's own in the explorer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from xaihelpers.errors import ArchitectureError
from xaihelpers.show.explorer import sources
from xaihelpers.show.explorer.entries import Prepared, transformed
from xaihelpers.show.explorer.sources import Sample
from xaihelpers.show.picture.classes import classes_of
from xaihelpers.show.picture.layers import grid_layers
from xaihelpers.show.picture.loading import PictureSource
from xaihelpers.show.picture.models import open_model
from xaihelpers.show.picture.transforms import Transform, transform_of


@dataclass(frozen=True, eq=False)
class OwnEntry:
    """A network of the learner's own.

    Attributes:
        model: a classifier.
        classes: names in the order of the logits.
        transform: PIL image -> tensor (3, h, w).
        layers: role -> dotted name.
        pictures: to begin with.
        sha256: of the weights' file; "" if there is none.
        title: what the network is called.
    """

    model: nn.Module
    classes: tuple[str, ...]
    transform: Transform
    layers: Mapping[str, str]
    pictures: tuple[Sample, ...]
    sha256: str = ""
    title: str = ""
    key: str = "own"
    gallery_key: str = "own"

    def open(self) -> nn.Module:
        return self.model.cpu()

    def prepare(self, sample: Sample) -> Prepared:
        return transformed(sample, self.transform)

    def gallery(self) -> list[Sample]:
        return list(self.pictures)

    def layer_labels(self) -> list[tuple[str, str]]:
        return [(f"{role} · {name}", role) for role, name in self.layers.items()]


def open_own(
    model: nn.Module | str,
    classes: Sequence[str] = (),
    transform: Transform | None = None,
    pictures: Sequence[PictureSource] = (),
    weights: str = "",
) -> OwnEntry:
    """An entry for a network of one's own, its layers found by one forward pass.

    Args:
        model: a torch network, explored on the CPU, or a name that `open_model` takes.
        classes: names in the order of the logits; () for those that it brings along, else
            "class 0", "class 1" ...
        transform: PIL image -> tensor (3, h, w); None for the one that it brings along.
        pictures: to begin with; () for the photographs.
        weights: a .safetensors file, where `model` is a name.

    Raises:
        XaiError: the network cannot be opened, no layer of it has a grid of cells, the transform
            cannot be followed, or there is not one name per logit.
    """
    title, digest = "", ""
    if isinstance(model, str):
        opened = open_model(model, weights)
        title, digest, model = opened.name, opened.weights, opened.model
        classes, transform = classes or opened.classes, transform or opened.transform
    transform = transform or transform_of(model)
    own = [sources.picture_sample(picture) for picture in pictures]
    samples = own or sources.photographs_alone()
    layers, count = grid_layers(model.cpu(), transformed(samples[0], transform).inputs)
    names = tuple(classes or classes_of(model)) or tuple(f"class {i}" for i in range(count))
    if len(names) != count:
        raise ArchitectureError(
            f"{len(names)} class names for a network of {count} outputs; pass one name per output"
        )
    title = title or type(model).__name__
    return OwnEntry(model, names, transform, layers, tuple(samples), digest, title)
