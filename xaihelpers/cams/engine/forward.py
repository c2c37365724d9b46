"""One forward and one partial backward pass through somebody else's network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.inputs import convolutions
from xaihelpers.cams.engine.modes import frozen
from xaihelpers.cams.hooks import ActivationTap, capture
from xaihelpers.errors import ExplainError, NothingCapturedError

Result = TypeVar("Result")

# What torch says where an operation has no rule for batched gradients. Anything else is an error.
_NO_BATCHING_RULE = ("batching rule", "vmap", "access data pointer")


class LayerUse(NamedTuple):
    """One use of a layer in a forward pass.

    Attributes:
        activations: (N, K, *S).
        gradients: (V, N, K, *S), of V scores per image.
    """

    activations: Tensor
    gradients: Tensor


class DisconnectedError(Exception):
    """No gradient path leads from the score to a tapped tensor."""


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """A finished forward pass.

    Attributes:
        output: the model's output, still part of the graph.
        score: what is differentiated, (N,) or (N, C).
        taps: one per layer.
    """

    output: Any
    score: Tensor
    taps: list[ActivationTap]

    def gradients(self, vectors: Tensor | None = None) -> list[list[LayerUse]]:
        """Compute activations and gradients, per layer and per use of the layer.

        Args:
            vectors: (V, *score.shape). The score is multiplied with each of them and summed; None
                means ones, V = 1. All V backward passes run as one where torch can batch them.

        Raises:
            DisconnectedError: the score does not depend on one of the tapped tensors.
        """
        tensors = [tensor for tap in self.taps for tensor in tap.tensors]
        if not self.score.requires_grad:
            raise DisconnectedError
        if vectors is None:
            gradients: Sequence[Tensor | None] = _with_leading_axis(
                torch.autograd.grad(self.score.sum(), tensors, allow_unused=True)
            )
        else:
            gradients = _batched(self.score, tensors, vectors)
        complete = [gradient for gradient in gradients if gradient is not None]
        if len(complete) < len(tensors):
            raise DisconnectedError
        remaining = iter(complete)
        return [[LayerUse(tensor, next(remaining)) for tensor in tap.tensors] for tap in self.taps]


def run_forward(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    score: Callable[[Any], Tensor],
    finish: Callable[[ForwardPass], Result],
) -> Result:
    """Run a forward pass with taps, compute the score, and return what `finish` makes of them.

    If the graph turns out to be cut because a layer sits in the model's own `no_grad` block, the
    pass is repeated in gradient mode with frozen parameters.

    Args:
        model: a network in evaluation mode.
        images: (N, channels, *S).
        layers: dotted names.
        score: maps the model's output to what is differentiated.
        finish: receives the pass and asks it for gradients.

    Raises:
        NothingCapturedError: a layer did not run, gives no feature map, or does not matter.
    """
    for retry in (False, True):
        with (
            frozen(model) if retry else nullcontext(),
            capture(model, *layers, grad=retry) as taps,
        ):
            output = model(images)
            for tap in taps:
                tap.is_open = False  # a target may run the model again
                _check_tap(model, tap, images)
            done = ForwardPass(output, score(output), taps)
            if not done.score.isfinite().all():
                raise ExplainError("the score holds NaN or infinity; check the model's weights")
            try:
                return finish(done)
            except DisconnectedError:
                continue
    raise NothingCapturedError(
        f"the score does not depend differentiably on every output of {', '.join(layers)}; name a "
        "layer between image and score, without detach() or a step function in between"
    )


def _with_leading_axis(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
    return [None if gradient is None else gradient[None] for gradient in gradients]


def _batched(score: Tensor, tensors: list[Tensor], vectors: Tensor) -> Sequence[Tensor | None]:
    """Gradients of several weightings of the score, in one backward pass or else in a loop."""

    def gradients(vector: Tensor, batched: bool) -> Sequence[Tensor | None]:
        return torch.autograd.grad(
            score,
            tensors,
            vector,
            retain_graph=True,
            allow_unused=True,
            is_grads_batched=batched,
        )

    try:
        return gradients(vectors, True)
    except RuntimeError as error:
        message = str(error).lower()
        if not any(words in message for words in _NO_BATCHING_RULE):
            raise
    rows = [_with_leading_axis(gradients(vector, False)) for vector in vectors]
    return [None if None in column else torch.cat(column) for column in zip(*rows, strict=True)]


def _check_tap(model: nn.Module, tap: ActivationTap, images: Tensor) -> None:
    if not tap.tensors:
        raise NothingCapturedError(
            f"layer {tap.name!r} did not run in the forward pass, or runs where hooks do not fire "
            "(torch.jit); name a layer that the model calls"
        )
    for tensor in tap.tensors:
        if tensor.ndim < 3 or len(tensor) != len(images):
            bare = next(convolutions(model), None) is None
            hint = "the network has no convolution" if bare else "name one before the pooling"
            raise NothingCapturedError(
                f"layer {tap.name!r} gives shape {tuple(tensor.shape)} for {len(images)} images, "
                f"not a feature map ({len(images)}, channels, height, width); {hint}"
            )
