"""The engine's results: raw maps, and the heat maps made of them on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from xaihelpers.cams.engine.canvas import Canvas
from xaihelpers.cams.maps import min_max, rectify, upsample
from xaihelpers.errors import TargetError


@dataclass(frozen=True, eq=False)
class Explanation:
    """The maps of one score per image at one layer.

    Attributes:
        raw: method -> signed map on the layer's grid, (N, *S), before ReLU; float32, or float64
            for a float64 network.
        logits: the model's output, detached; (N, 0) where that is not a tensor.
        scores: the explained numbers, (N,).
        layer: dotted name of the layer.
        target: class indices (N,), or the target in words.
        size: height and width of the images, in pixels.
        uses: how often the layer ran in one pass.
        apart: whether the uses are kept apart: raw maps are then (N, uses, *S), heat maps
            (N, uses, H, W). Otherwise the raw maps of the uses are summed.
        canvas: where a detector put the images, None for other networks.

    Example:
        >>> raw = {"grad_cam": torch.tensor([[[-1.0, 3.0]]])}
        >>> logits = torch.zeros(1, 2)
        >>> explanation = Explanation(raw, logits, logits[:, 0], "layer4", "logit", (1, 2))
        >>> explanation.maps["grad_cam"]
        tensor([[[0., 1.]]])
        >>> explanation.empty["grad_cam"]
        tensor([False])
    """

    raw: dict[str, Tensor]
    logits: Tensor
    scores: Tensor
    layer: str
    target: Tensor | str
    size: tuple[int, ...]
    uses: int = 1
    apart: bool = False
    canvas: Canvas | None = None

    @cached_property
    def maps(self) -> dict[str, Tensor]:
        """Method -> heat maps (N, H, W) in [0, 1]: ReLU, upsampling to the image, min-max."""
        return {name: self._heat(raw) for name, raw in self.raw.items()}

    def _heat(self, raw: Tensor) -> Tensor:
        grids = raw.flatten(0, 1) if self.apart else raw
        if self.canvas is None or self.canvas.size is None:
            heat = min_max(upsample(rectify(grids), self.size))
        else:
            heat = min_max(self._without_padding(rectify(grids), self.canvas))
        return heat.unflatten(0, raw.shape[:2]) if self.apart else heat

    def _without_padding(self, grids: Tensor, canvas: Canvas) -> Tensor:
        """Cut each map to the image on the detector's canvas, then stretch it to the image."""
        maps = upsample(grids, canvas.size or self.size)
        repeats = len(grids) // len(canvas.contents)
        contents = [content for content in canvas.contents for _ in range(repeats)]
        cut = [one[:height, :width] for one, (height, width) in zip(maps, contents, strict=True)]
        return torch.cat([upsample(one[None], self.size) for one in cut])

    @cached_property
    def empty(self) -> dict[str, Tensor]:
        """Method -> (N,) bool, True where no cell is positive: that heat map is all zero."""
        first = 2 if self.apart else 1
        return {name: (raw <= 0).flatten(first).all(dim=first) for name, raw in self.raw.items()}


@dataclass(frozen=True, eq=False)
class ClassExplanation:
    """The maps of several classes for every image, from one forward pass.

    Attributes:
        raw: method -> signed map per image and class, (N, C, *S), before ReLU.
        logits: (N, all classes), detached.
        layer: dotted name of the layer.
        classes: the explained classes, (C,), in the order of `raw`.
        size: height and width of the images, in pixels.
        uses: how often the layer ran in one pass; the raw maps of the uses are summed.
    """

    raw: dict[str, Tensor]
    logits: Tensor
    layer: str
    classes: Tensor
    size: tuple[int, ...]
    uses: int = 1

    def of(self, index: int) -> Explanation:
        """Return the explanation of one class.

        Args:
            index: the class index.

        Raises:
            TargetError: that class was not explained.
        """
        positions = (self.classes == index).nonzero()
        if len(positions) == 0:
            raise TargetError(f"class {index} was not explained, only {self.classes.tolist()}")
        raw = {name: maps[:, int(positions[0])] for name, maps in self.raw.items()}
        target = self.classes.new_full((len(self.logits),), index)
        scores = self.logits[:, index]
        return Explanation(raw, self.logits, scores, self.layer, target, self.size, self.uses)

    @cached_property
    def maps(self) -> dict[str, Tensor]:
        """Method -> heat maps (N, C, H, W) in [0, 1], each stretched by its own range."""
        parts = [self.of(int(index)).maps for index in self.classes]
        return {name: torch.stack([part[name] for part in parts], dim=1) for name in self.raw}
