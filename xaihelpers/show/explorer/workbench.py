"""From choices to pictures and numbers, without a browser: `Workbench.frame(selection) -> Frame`.

One forward pass taps every named layer and keeps its graph. Another layer, class, target or method
then costs a partial backward pass at most, and another colour, opacity or threshold nothing but
drawing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from xaihelpers.cams import Explanation, hooks, targets
from xaihelpers.cams.engine.modes import undisturbed
from xaihelpers.cams.methods import METHODS
from xaihelpers.metrics import localization
from xaihelpers.show.explorer import pictures
from xaihelpers.show.explorer.entries import Entry, Prepared
from xaihelpers.show.explorer.sources import Sample

KINDS = ("class", "counterfactual", "difference")
PASSES, EXPLANATIONS = 12, 128  # kept: a gallery's passes (20 to 40 MB each); five maps each
Value = TypeVar("Value")


@dataclass(frozen=True)
class Selection:
    """Everything a learner can choose.

    Attributes:
        network: key of the workbench.
        image: key of the workbench.
        layer: role of one of the network's layers.
        methods: names in `METHODS`.
        kind: one of `KINDS`.
        first: index of the class.
        other: index of the class that a difference subtracts.
        opacity: of a map where it is at least half of its maximum.
        cmap: name of a colour map.
        box: whether the box of the largest region is drawn.
        fraction: of the map's maximum, from which on its box is drawn.
        contours: whether masks are outlined.
    """

    network: str
    image: str
    layer: str = "last"
    methods: tuple[str, ...] = ("grad_cam", "grad_cam_plus_plus", "xgrad_cam")
    kind: str = "class"
    first: int = 0
    other: int = 0
    opacity: float = 0.6
    cmap: str = "inferno"
    box: bool = True
    fraction: float = 0.15
    contours: bool = True


@dataclass(frozen=True)
class Score:
    """One method's map in numbers; None where there is no mask to measure against."""

    method: str
    energy: float | None
    hit: bool | None
    box: tuple[int, int, int, int]
    box_iou: float | None
    empty: bool


@dataclass(frozen=True, eq=False)
class Frame:
    """What a selection shows.

    Attributes:
        selection: what was chosen.
        sample: the picture.
        probabilities: of every class.
        target: what is explained, in words.
        plain: the image alone, (h, w, 3) uint8 RGB.
        panels: method -> drawn map, of the same size.
        scores: per method.
        against: what is measured against, in words; "" if nothing is.
        lines: the outlines drawn.
    """

    selection: Selection
    sample: Sample
    probabilities: tuple[float, ...]
    target: str
    plain: np.ndarray
    panels: dict[str, np.ndarray]
    scores: tuple[Score, ...]
    against: str
    lines: tuple[pictures.Outline, ...]


class RecordedPass:
    """One picture through one network with every named layer tapped; gradients come on demand."""

    def __init__(self, model: nn.Module, inputs: Tensor, layers: Mapping[str, str]) -> None:
        """Run the network.

        Args:
            model: on the CPU.
            inputs: (1, 3, h, w), normalised.
            layers: role -> dotted name.
        """
        with undisturbed(model, "cpu"), hooks.capture(model, *layers.values()) as taps:
            self._logits = model(inputs)
        self._taps = dict(zip(layers, taps, strict=True))
        self._size = tuple(inputs.shape[2:])
        self.logits = self._logits.detach()

    def explain(self, role: str, target: Callable[[Tensor], Tensor]) -> Explanation:
        """The maps of every method at one layer."""
        tap = self._taps[role]
        score = target(self._logits)
        (gradient,) = torch.autograd.grad(score.sum(), tap.tensors, retain_graph=True)
        raw = {name: method(tap.activations, gradient) for name, method in METHODS.items()}
        return Explanation(raw, self.logits, score.detach(), tap.name, str(target), self._size)


class RecentlyUsed:
    """A cache of the values used last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of a key, made if it is not there."""
        if key not in self._kept:
            self._kept[key] = make()
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        value: Value = self._kept[key]
        return value


class Workbench:
    """Networks, pictures and what was computed of them.

    Args:
        entries: key -> network.
    """

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self.entries = dict(entries)
        self.samples: dict[str, Sample] = {}
        self._galleries: dict[Hashable, list[str]] = {}
        self._models: dict[str, nn.Module] = {}
        self._prepared = RecentlyUsed(EXPLANATIONS)
        self._passes, self._explanations = RecentlyUsed(PASSES), RecentlyUsed(EXPLANATIONS)

    def gallery(self, network: str) -> list[str]:
        """Keys of the pictures for a network, loaded or rendered on first use."""
        kind = self.entries[network].gallery_key
        if kind not in self._galleries:
            samples = self.entries[network].gallery()
            self.samples |= {sample.key: sample for sample in samples}
            self._galleries[kind] = [sample.key for sample in samples]
        return self._galleries[kind]

    def add(self, sample: Sample) -> None:
        """Make a picture of the learner's own known."""
        self.samples[sample.key] = sample

    def model(self, network: str) -> nn.Module:
        """The network, opened on first use and kept; its parameters take no gradients."""
        if network not in self._models:
            self._models[network] = self.entries[network].open().requires_grad_(False)
        return self._models[network]

    def prepared(self, network: str, image: str) -> Prepared:
        """A picture as a network takes it."""
        return self._prepared.get(
            (network, image), lambda: self.entries[network].prepare(self.samples[image])
        )

    def pixels(self, selection: Selection) -> np.ndarray:
        """What the network sees, (h, w, 3) uint8."""
        return self.prepared(selection.network, selection.image).pixels

    def recorded_pass(self, selection: Selection) -> RecordedPass:
        """The selection's picture through its network."""
        network, image = selection.network, selection.image
        return self._passes.get(
            (network, image),
            lambda: RecordedPass(
                self.model(network),
                self.prepared(network, image).inputs,
                self.entries[network].layers,
            ),
        )

    def explanation(self, selection: Selection) -> Explanation:
        """The maps of all methods for the selection's picture, layer and target."""
        other = selection.other if selection.kind == "difference" else None
        place = (selection.network, selection.image, selection.layer)
        key = (*place, selection.kind, selection.first, other)
        target = make_target(selection.kind, selection.first, selection.other)
        return self._explanations.get(
            key, lambda: self.recorded_pass(selection).explain(selection.layer, target)
        )

    def frame(self, selection: Selection) -> Frame:
        """Pictures and numbers of a selection."""
        sample, image = self.samples[selection.image], self.pixels(selection)
        explanation = self.explanation(selection)
        classes = self.entries[selection.network].classes
        against, mask = reference_mask(sample, classes[selection.first])
        scores = tuple(
            score(explanation, name, mask, selection.fraction) for name in selection.methods
        )
        lines = pictures.outlines(sample.masks) if selection.contours else []
        panels = {
            s.method: pictures.draw(
                image,
                explanation.maps[s.method][0].numpy(),
                selection.cmap,
                selection.opacity,
                lines,
                s.box if selection.box else None,
            )
            for s in scores
        }
        return Frame(
            selection=selection,
            sample=sample,
            probabilities=tuple(explanation.logits.softmax(dim=1)[0].tolist()),
            target=target_in_words(
                selection.kind, classes[selection.first], classes[selection.other]
            ),
            plain=pictures.draw(image, lines=lines),
            panels=panels,
            scores=scores,
            against=against,
            lines=tuple(lines),
        )


def make_target(kind: str, first: int, other: int) -> targets.ClassTarget | targets.Difference:
    """The score of a kind of question: for a class, against it, or for it and not the other."""
    if kind == "difference":
        return targets.difference(first, other)
    return targets.counterfactual(first) if kind == "counterfactual" else targets.logit(first)


def target_in_words(kind: str, first: str, other: str) -> str:
    """The same question in words, e.g. "for Severe rather than Mild"."""
    if kind == "difference":
        return f"for {first} rather than {other}"
    return f"{'against' if kind == 'counterfactual' else 'for'} {first}"


def reference_mask(sample: Sample, shown: str) -> tuple[str, np.ndarray | None]:
    """What a map is measured against, in words and as a mask: the class's own thing, or any.

    A set whose masks bear the names of its classes is measured against the mask of the class
    `shown`; others against the union of all masks.
    """
    if sample.by_class and shown not in sample.masks:
        return "", None
    if shown in sample.masks:
        chosen = {shown: sample.masks[shown]}
    else:
        chosen = {name: mask for name, mask in sample.masks.items() if mask.any()}
    present = [mask for mask in chosen.values() if mask.any()]
    if not present:
        return "", None
    words = " ".join(chosen).replace("_", " ") if len(chosen) == 1 else "any lesion"
    return words, np.logical_or.reduce(present)


def score(explanation: Explanation, method: str, mask: np.ndarray | None, fraction: float) -> Score:
    """One method's map, measured against a mask (H, W) if there is one."""
    heat = explanation.maps[method]
    boxes = localization.box_of_largest_component(heat, fraction)
    x0, y0, x1, y1 = boxes[0].tolist()
    empty = bool(explanation.empty[method][0])
    if mask is None:
        return Score(method, None, None, (x0, y0, x1, y1), None, empty)
    truth = torch.from_numpy(mask)[None]
    return Score(
        method=method,
        energy=float(localization.energy_in_mask(heat, truth)[0]),
        hit=bool(localization.pointing_hit(heat, truth)[0]),
        box=(x0, y0, x1, y1),
        box_iou=float(localization.box_iou(boxes, localization.box_of_mask(truth))[0]),
        empty=empty,
    )
