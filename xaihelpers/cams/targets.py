"""Targets: which number of the network's output is explained, one per image.

A target is any callable that maps the output, for a classifier the logits (N, C), to scores (N,).
The ones below know their classes, so they can be checked against the output and cut into batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xaihelpers.cams.outputs import describe, logits_of
from xaihelpers.errors import TargetError

ClassIndex = int | Sequence[int] | Tensor | None
Target = ClassIndex | Callable[[Tensor], Tensor]


def _as_indices(classes: ClassIndex) -> Tensor | None:
    """Class indices as an integer tensor, 0-d for all images or (N,) for one each; None stays."""
    if classes is None:
        return None
    try:
        index = torch.as_tensor(classes)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TargetError(
            f"class indices must be whole numbers, got {classes!r}; "
            "pass an int, one int per image, or None for the predicted class"
        ) from error
    if index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise TargetError(f"class indices must be whole numbers, got {index.dtype}; cast to int64")
    if index.ndim > 1:
        raise TargetError(f"class indices must be one row, got shape {tuple(index.shape)}")
    return index.long()


def check_logits(output: object) -> Tensor:
    """Return the logits (N, C) among a network's outputs; see `logits_of`.

    Raises:
        TargetError: there are none.
    """
    logits = logits_of(output)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise TargetError(
            "a class target needs logits of shape (N, C), but the model gave "
            f"{describe(output)}; pass a callable that maps this output to one score per image, "
            "shape (N,)"
        )
    return logits


def check_classes(index: Tensor, class_count: int) -> Tensor:
    """Return the indices as they are, if they lie in 0..class_count-1.

    Raises:
        TargetError: some do not.
    """
    outside = (index < 0) | (index >= class_count)
    if outside.any():
        wrong = sorted(set(index[outside].flatten().tolist()))
        raise TargetError(
            f"target {wrong} is outside the model's {class_count} classes; "
            f"class indices run from 0 to {class_count - 1}"
        )
    return index


def class_indices(classes: ClassIndex, logits: Tensor) -> Tensor:
    """Return the class index of every image.

    Args:
        classes: one index for all images, one per image, or None for the predicted class.
        logits: (N, C).

    Returns:
        (N,), int64, on the logits' device.

    Raises:
        TargetError: logits are not (N, C), an index is no whole number or lies outside 0..C-1,
            or there are not exactly one or N indices.
    """
    index, count = _as_indices(classes), len(check_logits(logits))
    if index is None:
        return logits.detach().argmax(dim=1)
    _check_count(index, count)
    return check_classes(index.to(logits.device), logits.shape[1]).expand(count)


def columns(classes: ClassIndex, logits: Tensor) -> Tensor:
    """Return the indices of the classes to explain one by one.

    Args:
        classes: class indices; None means all.
        logits: (N, C).

    Returns:
        (C',), int64, on the logits' device.

    Raises:
        TargetError: logits are not (N, C), or an index is no class.
    """
    index, class_count = _as_indices(classes), check_logits(logits).shape[1]
    if index is None:
        return torch.arange(class_count, device=logits.device)
    return check_classes(index.to(logits.device).reshape(-1), class_count)


def _check_count(index: Tensor, count: int) -> None:
    if index.ndim == 1 and len(index) != count:
        raise TargetError(
            f"got {len(index)} targets for {count} images; "
            f"pass one index, or exactly {count}, one per image"
        )


def _logits(logits: Tensor) -> Tensor:
    return logits


def _probabilities(logits: Tensor) -> Tensor:
    return logits.softmax(dim=1)


def _log_probabilities(logits: Tensor) -> Tensor:
    return logits.log_softmax(dim=1)


@dataclass(frozen=True, eq=False)
class ClassTarget:
    """The logit, probability or log-probability of one class per image."""

    kind: str
    outputs: Callable[[Tensor], Tensor]
    classes: ClassIndex = None

    def __call__(self, logits: Tensor) -> Tensor:
        """Scores (N,) of the logits (N, C)."""
        logits = check_logits(logits)
        index = class_indices(self.classes, logits)
        return self.outputs(logits).gather(1, index[:, None])[:, 0]

    def parts(self, count: int, size: int) -> list[ClassTarget]:
        """The same target for `size` images at a time of a batch of `count`.

        Raises:
            TargetError: the indices are not whole numbers, or neither one nor `count`.
        """
        index = _as_indices(self.classes)
        if index is None or index.ndim == 0:
            return [self] * -(-count // size)
        _check_count(index, count)
        return [ClassTarget(self.kind, self.outputs, part) for part in index.split(size)]

    def __str__(self) -> str:
        classes = self.classes.tolist() if isinstance(self.classes, Tensor) else self.classes
        return f"{self.kind} of {'the predicted class' if classes is None else f'class {classes}'}"


@dataclass(frozen=True, eq=False)
class Difference:
    """`first` minus `second`; with `first` None, minus `second` alone."""

    first: ClassTarget | None
    second: ClassTarget

    def __call__(self, logits: Tensor) -> Tensor:
        """Scores (N,) of the logits (N, C)."""
        minus = -self.second(logits)
        return minus if self.first is None else self.first(logits) + minus

    def parts(self, count: int, size: int) -> list[Difference]:
        """The same target for `size` images at a time of a batch of `count`."""
        seconds = self.second.parts(count, size)
        firsts = [None] * len(seconds) if self.first is None else self.first.parts(count, size)
        return [Difference(*pair) for pair in zip(firsts, seconds, strict=True)]

    def __str__(self) -> str:
        return f"{'' if self.first is None else f'{self.first} '}minus ({self.second})"


def logit(classes: ClassIndex = None) -> ClassTarget:
    """Explain the class score before softmax, the y^c of the papers.

    Args:
        classes: one class index, one per image, or None for the predicted class.

    Example:
        >>> logit(1)(torch.tensor([[3.0, 5.0]]))
        tensor([5.])
    """
    return ClassTarget("logit", _logits, classes)


def probability(classes: ClassIndex = None) -> ClassTarget:
    """Explain the softmax output, whose gradient p(1 - p) vanishes where the network is sure.

    Args:
        classes: one class index, one per image, or None for the predicted class.

    Example:
        >>> probability(1)(torch.tensor([[0.0, 0.0]]))
        tensor([0.5000])
    """
    return ClassTarget("probability", _probabilities, classes)


def log_probability(classes: ClassIndex = None) -> ClassTarget:
    """Explain the log-softmax output, whose gradient 1 - p vanishes where the network is sure.

    Args:
        classes: one class index, one per image, or None for the predicted class.

    Example:
        >>> log_probability(1)(torch.tensor([[0.0, 0.0]]))
        tensor([-0.6931])
    """
    return ClassTarget("log-probability", _log_probabilities, classes)


def difference(first: ClassIndex, second: ClassIndex) -> Difference:
    """Explain one logit minus another: why this class rather than that one.

    Args:
        first: one class index, one per image, or None for the predicted class.
        second: likewise, the class to be compared with.

    Example:
        >>> difference(1, 0)(torch.tensor([[3.0, 5.0]]))
        tensor([2.])
    """
    return Difference(logit(first), logit(second))


def counterfactual(classes: ClassIndex = None) -> Difference:
    """Explain minus the logit: what speaks against the class (Selvaraju 2017, arXiv 1610.02391).

    Args:
        classes: one class index, one per image, or None for the predicted class.

    Example:
        >>> counterfactual(1)(torch.tensor([[3.0, 5.0]]))
        tensor([-5.])
    """
    return Difference(None, logit(classes))


def as_target(target: Target) -> Callable[[Tensor], Tensor]:
    """Return a callable as it is; make a `logit` of an index, several indices, or None.

    Example:
        >>> str(as_target(3))
        'logit of class 3'
    """
    return target if callable(target) else logit(target)


def scores(target: Callable[[Tensor], Tensor], output: Tensor, count: int) -> Tensor:
    """Compute the score of every image and check it.

    Args:
        target: maps the output to scores.
        output: the model's output.
        count: number of images.

    Returns:
        (count,).

    Raises:
        TargetError: the target gave something other than `count` floating-point numbers.
    """
    score = target(output)
    if not isinstance(score, Tensor):
        raise TargetError(f"the target gave {type(score).__name__}, expected a tensor ({count},)")
    if score.shape != (count,) or not score.is_floating_point():
        raise TargetError(
            f"the target gave shape {tuple(score.shape)}, {score.dtype}; expected one "
            f"floating-point score per image, shape ({count},)"
        )
    return score


def label(target: Callable[[Tensor], Tensor], output: Tensor) -> Tensor | str:
    """Return the class indices (N,) if class logits are explained, else the target in words."""
    if isinstance(target, ClassTarget) and target.kind == "logit":
        return class_indices(target.classes, output)
    if isinstance(target, (ClassTarget, Difference)):
        return str(target)
    return getattr(target, "__name__", type(target).__name__)
