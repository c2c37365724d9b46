"""The number that is read from a network's output while its input is changed.

Whatever `explain` takes as a target is taken here. A class index is read through a *link*: softmax
for several classes, sigmoid for one logit or for labels that do not exclude each other, identity
for a regression. Any other callable target is its own number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.modes import evaluating
from xaihelpers.cams.outputs import logits_of
from xaihelpers.cams.targets import (
    ClassTarget,
    Difference,
    Target,
    as_target,
    check_logits,
    class_indices,
    scores,
)
from xaihelpers.errors import EvaluationError

Link = Literal["softmax", "sigmoid", "identity"]

BATCH = 8  # images shown to the network at a time: on a CPU larger batches are slower per image
GPU_BATCH = 128


def linked(logits: Tensor, link: Link | None = None) -> Tensor:
    """Logits (N, C) as what they stand for: probabilities, or the values themselves.

    Args:
        logits: (N, C), float.
        link: "softmax" (classes exclude each other), "sigmoid" (one logit, or labels that do not
            exclude each other), "identity" (regression). None is softmax for several columns and
            sigmoid for one.

    Raises:
        EvaluationError: an unknown link, or softmax of one column, which is 1 whatever happens.

    Example:
        >>> linked(torch.zeros(1, 1)).item(), linked(torch.zeros(1, 4)).tolist()
        (0.5, [[0.25, 0.25, 0.25, 0.25]])
    """
    single = logits.shape[1] == 1
    chosen = link or ("sigmoid" if single else "softmax")
    if chosen == "softmax" and single:
        raise EvaluationError(
            'softmax of one logit is always 1; use link="sigmoid", or "identity" for a regression'
        )
    if chosen not in ("softmax", "sigmoid", "identity"):
        raise EvaluationError(f"unknown link {link!r}; use softmax, sigmoid or identity")
    if chosen == "softmax":
        return logits.softmax(dim=1)
    return logits.sigmoid() if chosen == "sigmoid" else logits


@dataclass(frozen=True, eq=False)
class ScoreReader:
    """A network and the number to read from its output, fixed for a batch of N images.

    Attributes:
        model: the network; it runs in evaluation mode, without gradients, and is left as it was.
        target: with the class of every image, where it has classes.
        cuttable: whether the images can be shown in any order and number; else all N at once.
    """

    model: nn.Module
    target: Callable[[Any], Tensor]
    cuttable: bool

    @torch.no_grad()
    def __call__(self, shown: Tensor, which: Tensor | None = None) -> Tensor:
        """Score of every image shown, (n,).

        Args:
            shown: (n, C, H, W), normalised.
            which: (n,) int64, the image of the batch that each is made of; None: all, in order.
        """
        target = self.target if which is None else _chosen(self.target, which)
        with evaluating(self.model):
            if not self.cuttable:
                return scores(target, self.model(shown), len(shown)).detach()
            pieces = shown.split(batch_size(shown))
            parts = [check_logits(logits_of(self.model(part))) for part in pieces]
        return scores(target, torch.cat(parts), len(shown))


def batch_size(images: Tensor) -> int:
    """How many images the network is shown at a time on the images' device."""
    return BATCH if images.device.type == "cpu" else GPU_BATCH


@torch.no_grad()
def score_reader(
    model: nn.Module, images: Tensor, target: Target = None, link: Link | None = None
) -> ScoreReader:
    """Fix what is read from the network: the predicted classes are those of the unchanged images.

    Args:
        model: a network.
        images: (N, C, H, W), unchanged and normalised.
        target: as in `explain`: None for the predicted class, a class index, one per image, or a
            callable that maps the output to (N,).
        link: as in `linked`; for class indices only.

    Raises:
        TargetError: the target does not fit the output.
        EvaluationError: a link for a callable target, or one that does not fit.
    """
    asked = as_target(target)
    whole = getattr(model, "whole_batch", False)
    of_class = isinstance(asked, ClassTarget) and asked.kind == "logit"
    if link is not None and not of_class:
        raise EvaluationError(
            f"link={link!r} is for class indices; any other target is its own number"
        )
    if not isinstance(asked, (ClassTarget, Difference)):
        return ScoreReader(model, asked, cuttable=False)

    def predicted() -> Tensor:
        with evaluating(model):
            pieces = [images] if whole else images.split(batch_size(images))
            logits = torch.cat([check_logits(logits_of(model(part))) for part in pieces])
        return class_indices(None, logits)

    fixed = _fixed(asked, len(images), predicted)
    if of_class:
        fixed = ClassTarget("score", lambda logits: linked(logits, link), fixed.classes)
    return ScoreReader(model, _reading(fixed) if whole else fixed, cuttable=not whole)


def confidence(
    model: nn.Module, images: Tensor, target: Target = None, link: Link | None = None
) -> Tensor:
    """What the network says of the target: images (N, C, H, W) -> (N,).

    The probability of a class, or the value of a callable target; arguments as `score_reader`.

    Example:
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1))
        >>> bool(((p := confidence(model, torch.rand(2, 3, 2, 2))) > 0).all() and (p < 1).all())
        True
    """
    return score_reader(model, images, target, link)(images)


def _fixed(target: Any, count: int, predicted: Callable[[], Tensor]) -> Any:
    """The target with classes that no longer depend on the output: one index, or one per image."""
    if isinstance(target, ClassTarget):
        if target.classes is None:
            return replace(target, classes=predicted())
        return target.parts(count, count)[0]
    first = None if target.first is None else _fixed(target.first, count, predicted)
    return Difference(first, _fixed(target.second, count, predicted))


def _chosen(target: Any, which: Tensor) -> Any:
    """The target of these images of the batch."""
    if isinstance(target, ClassTarget):
        classes = target.classes
        if not isinstance(classes, Tensor) or classes.ndim == 0:
            return target
        return replace(target, classes=classes[which.to(classes.device)])
    if isinstance(target, Difference):
        first = None if target.first is None else _chosen(target.first, which)
        return Difference(first, _chosen(target.second, which))
    return target


def _reading(target: Callable[[Any], Tensor]) -> Callable[[Any], Tensor]:
    return lambda output: target(logits_of(output))
