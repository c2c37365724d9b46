"""One forward and one partial backward pass through somebody else's network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.arrange import (
    Arrange,
    Arrangement,
    arranged_gradients,
    arrangement_of,
    given_arrangement,
)
from xaihelpers.cams.engine.canvas import Canvas, capture_canvas
from xaihelpers.cams.engine.inputs import ModelInputs, complaint, read_inputs
from xaihelpers.cams.engine.modes import frozen
from xaihelpers.cams.engine.warn import warn_of_dead_gradients
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
        layouts: per layer, the arrangement of each of its outputs.
        canvas: where a detector put the images.
    """

    output: Any
    score: Tensor
    taps: list[ActivationTap]
    layouts: list[list[Arrangement]]
    canvas: Canvas

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
        return [
            [
                _use(tap.name, layout, tensor, next(remaining))
                for tensor, layout in zip(tap.tensors, layouts, strict=True)
            ]
            for tap, layouts in zip(self.taps, self.layouts, strict=True)
        ]


def _use(layer: str, layout: Arrangement, output: Tensor, gradients: Tensor) -> LayerUse:
    """Arrange one use of a layer; warn if no gradient reaches its grid."""
    grid = arranged_gradients(layout, gradients)
    if not grid.any():
        warn_of_dead_gradients(layer, bool(layout.prefix and gradients.any()))
    return LayerUse(layout(output), grid)


def run_forward(
    model: nn.Module,
    inputs: ModelInputs | Tensor,
    layers: Sequence[str],
    score: Callable[[Any], Tensor],
    finish: Callable[[ForwardPass], Result],
    arrange: Arrange | None = None,
) -> Result:
    """Run a forward pass with taps, compute the score, and return what `finish` makes of them.

    If the graph turns out to be cut because a layer sits in the model's own `no_grad` block, the
    pass is repeated in gradient mode with frozen parameters.

    Args:
        model: a network in evaluation mode.
        inputs: what the network is called with; a tensor is (N, channels, *S).
        layers: dotted names.
        score: maps the model's output to what is differentiated.
        finish: receives the pass and asks it for gradients.
        arrange: maps a layer's output to (N, K, *S); None recognises the layout.

    Raises:
        NothingCapturedError: a layer did not run, gives no feature map, or does not matter.
        LayoutError: a layer's output cannot be read as a grid without a guess.
        InputError: the inputs do not fit the network.
    """
    inputs = inputs if isinstance(inputs, ModelInputs) else read_inputs(inputs)
    for retry in (False, True):
        with (
            frozen(model) if retry else nullcontext(),
            capture(model, *layers, grad=retry) as taps,
            capture_canvas(model, inputs) as canvas,
        ):
            output = _call(model, inputs)
            for tap in taps:
                tap.is_open = False  # a target may run the model again
            shape = (*inputs.images.shape[:2], *(canvas.size or inputs.images.shape[2:]))
            layouts = [_layouts(model, tap, inputs, shape, arrange) for tap in taps]
            done = ForwardPass(output, score(output), taps, layouts, canvas)
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


def _call(model: nn.Module, inputs: ModelInputs) -> Any:
    try:
        return inputs.call(model)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        reason = complaint(model, inputs)
        if reason is None:
            raise
        raise reason from error


def _layouts(
    model: nn.Module,
    tap: ActivationTap,
    inputs: ModelInputs,
    shape: tuple[int, ...],
    arrange: Arrange | None,
) -> list[Arrangement]:
    """The arrangement of every output of a tapped layer."""
    if not tap.tensors:
        raise NothingCapturedError(
            f"layer {tap.name!r} did not run in the forward pass, or runs where hooks do not fire "
            "(torch.jit, torch.export); name a layer that the model calls"
        )
    layouts = []
    for tensor in tap.tensors:
        if arrange is not None:
            layouts.append(given_arrangement(arrange, tensor, inputs.count, tap.name))
        else:
            try:
                layouts.append(arrangement_of(model, tap.name, tensor, shape))
            except NothingCapturedError as error:
                raise complaint(model, inputs) or error from error
        cells = layouts[-1](tensor.detach()).shape[2:]
        if cells.numel() == 1:
            raise NothingCapturedError(
                f"layer {tap.name!r} gives one cell per channel, which is no map; name one before "
                "the pooling, or use larger images"
            )
    return layouts


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
