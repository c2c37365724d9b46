"""What the engine returns: raw maps, and the pictures made of them on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from xaihelpers.cams.maps import min_max, rectify, upsample
from xaihelpers.errors import TargetError


@dataclass(frozen=True, eq=False)
class Explanation:
    """Why the network gave one score per image, seen from one layer.

    Attributes:
        raw: method -> signed map on the layer's grid, (N, *S), before ReLU; float32, or
            float64 for a float64 network.
        logits: the model's output, detached; (N, 0) where that is not a tensor.
        scores: (N,) the explained numbers.
        layer: dotted name of the layer.
        target: (N,) class index, or the target in words.
        size: height and width of the images.
    """

    raw: dict[str, Tensor]
    logits: Tensor
    scores: Tensor
    layer: str
    target: Tensor | str
    size: tuple[int, ...]

    @cached_property
    def maps(self) -> dict[str, Tensor]:
        """Method -> ReLU, upsampling to the image, min-max: (N, H, W) in [0, 1]."""
        return {name: min_max(upsample(rectify(raw), self.size)) for name, raw in self.raw.items()}

    @cached_property
    def empty(self) -> dict[str, Tensor]:
        """Method -> (N,) bool, True where nothing speaks for the score: its heat map is zero."""
        return {name: (raw <= 0).flatten(1).all(dim=1) for name, raw in self.raw.items()}


@dataclass(frozen=True, eq=False)
class ClassExplanation:
    """Maps of several classes for every image, from one forward pass.

    Attributes:
        raw: method -> signed map per image and class, (N, C, *S), before ReLU.
        logits: (N, all classes), detached.
        layer: dotted name of the layer.
        classes: (C,) the explained classes, in the order of `raw`.
        size: height and width of the images.
    """

    raw: dict[str, Tensor]
    logits: Tensor
    layer: str
    classes: Tensor
    size: tuple[int, ...]

    def of(self, index: int) -> Explanation:
        """The explanation of one class, given by its class index.

        Raises:
            TargetError: that class was not explained.
        """
        places = (self.classes == index).nonzero()
        if len(places) == 0:
            raise TargetError(f"class {index} was not explained, only {self.classes.tolist()}")
        raw = {name: maps[:, int(places[0])] for name, maps in self.raw.items()}
        target = self.classes.new_full((len(self.logits),), index)
        scores = self.logits[:, index]
        return Explanation(raw, self.logits, scores, self.layer, target, self.size)

    @cached_property
    def maps(self) -> dict[str, Tensor]:
        """Method -> (N, C, H, W) in [0, 1], each map stretched by its own range."""
        parts = [self.of(int(index)).maps for index in self.classes]
        return {name: torch.stack([part[name] for part in parts], dim=1) for name in self.raw}
