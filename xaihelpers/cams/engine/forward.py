"""One forward and one partial backward pass through somebody else's network, without a trace."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from xaihelpers.cams.engine.pooling import quick_pools
from xaihelpers.cams.hooks import Tap, capture
from xaihelpers.errors import ExplainError, InputError, NothingCapturedError

Uses = list[tuple[Tensor, Tensor]]
Result = TypeVar("Result")


class DisconnectedError(Exception):
    """No gradient path from the score to a tapped tensor."""


@contextmanager
def evaluating(model: nn.Module | list[nn.Module]) -> Iterator[None]:
    """Evaluation mode for the block; afterwards every module has the mode it had.

    model: a network, or all its modules where they are listed already.
    """
    modules = model if isinstance(model, list) else model.modules()
    training = [module for module in modules if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """No parameter requires a gradient in the block; afterwards those do that did."""
    free = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in free:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in free:
            parameter.requires_grad_(True)


def _eager(modules: list[nn.Module]) -> AbstractContextManager[Any]:
    """Compiled modules run as written: hooks do not fire inside compiled code."""
    for module in modules:
        if "_orig_mod" in module._modules or module._compiled_call_impl is not None:
            if not hasattr(torch.compiler, "set_stance"):
                raise ExplainError(
                    "a network with compiled parts needs torch 2.6 or newer, this is "
                    f"{torch.__version__}: pass the network as it was before `torch.compile`"
                )
            return torch.compiler.set_stance("force_eager")
    return nullcontext()


def _uncached_autocast(device: str) -> AbstractContextManager[Any]:
    """The caller's autocast without its weight cache, in which our no-grad casts would stay."""
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, torch.get_autocast_dtype(device), cache_enabled=False)


def _modules(model: nn.Module) -> list[nn.Module]:
    """What `model.modules()` gives, in a quarter of the time."""
    found, seen = [model], {model}
    for module in found:
        for child in module._modules.values():
            if child is not None and child not in seen:
                seen.add(child)
                found.append(child)
    return found


@contextmanager
def undisturbed(model: nn.Module, device: str) -> Iterator[list[nn.Module]]:
    """Run `model` in evaluation mode and eagerly, leaving modes and caches as they were.

    Gives all its modules.
    """
    modules = _modules(model)
    pools = quick_pools(modules) if device == "cpu" else nullcontext()
    with evaluating(modules), _eager(modules), _uncached_autocast(device), pools:
        yield modules


def _convolutions(model: nn.Module) -> Iterator[_ConvNd]:
    return (module for module in model.modules() if isinstance(module, _ConvNd))


def _fits(model: nn.Module, dimensions: int) -> bool:
    """Whether some convolution takes images of so many dimensions, or there is none at all."""
    module = None
    for module in _convolutions(model):
        if len(module.kernel_size) + 2 == dimensions:
            return True
    return module is None


def check_images(model: nn.Module, images: Tensor) -> None:
    """Raise InputError unless `images` is a finite, floating-point, non-empty batch."""
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a torch tensor, got {type(images).__name__}")
    if not images.is_floating_point():
        raise InputError(
            f"images must be floating point and normalised as in training, got {images.dtype}"
        )
    if not _fits(model, images.ndim):
        expected = sorted({len(module.kernel_size) + 2 for module in _convolutions(model)})
        raise InputError(
            f"this network takes batches of {' or '.join(map(str, expected))} dimensions "
            f"(images, channels, ...), got shape {tuple(images.shape)}; one image is `image[None]`"
        )
    if images.numel() == 0:
        raise InputError(f"the batch is empty: shape {tuple(images.shape)}; pass at least one")
    if images.sum().isfinite():  # quick; a sum of large finite values may overflow, so look closer
        return
    finite = images.isfinite().flatten(1).all(dim=1)
    if not finite.all():
        places = (~finite).nonzero().flatten().tolist()
        raise InputError(f"images {places} hold NaN or infinity; check how they were normalised")


def _check_tap(model: nn.Module, tap: Tap, images: Tensor) -> None:
    if not tap.tensors:
        raise NothingCapturedError(
            f"layer {tap.name!r} did not run in the forward pass, or runs where hooks do not fire "
            "(torch.jit); name a layer that the model calls"
        )
    for tensor in tap.tensors:
        if tensor.ndim < 3 or len(tensor) != len(images):
            bare = next(_convolutions(model), None) is None
            hint = "the network has no convolution" if bare else "name one before the pooling"
            raise NothingCapturedError(
                f"layer {tap.name!r} gives shape {tuple(tensor.shape)} for {len(images)} images, "
                f"not a feature map ({len(images)}, channels, height, width); {hint}"
            )


@dataclass(frozen=True, eq=False)
class Pass:
    """A finished forward pass.

    Attributes:
        output: what the model gave, still part of the graph.
        score: what is differentiated, (N,) or (N, C).
        taps: one per layer.
    """

    output: Any
    score: Tensor
    taps: list[Tap]

    def gradients(self, vectors: Tensor | None = None) -> list[Uses]:
        """Per layer, per use: activations (N, K, *S) and gradients (V, N, K, *S).

        Args:
            vectors: (V, *score.shape), what the score is multiplied with before it is summed;
                None = ones, V = 1. All V backward passes run as one where torch can batch them.

        Raises:
            DisconnectedError: the score does not depend on one of the tapped tensors.
        """
        tensors = [tensor for tap in self.taps for tensor in tap.tensors]
        if not self.score.requires_grad:
            raise DisconnectedError
        if vectors is None:
            found: Sequence[Tensor | None] = _lift(
                torch.autograd.grad(self.score.sum(), tensors, allow_unused=True)
            )
        else:
            found = _batched(self.score, tensors, vectors)
        complete = [gradient for gradient in found if gradient is not None]
        if len(complete) < len(tensors):
            raise DisconnectedError
        remaining = iter(complete)
        return [[(tensor, next(remaining)) for tensor in tap.tensors] for tap in self.taps]


def _lift(gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
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
    except RuntimeError:  # an operation without a batching rule
        rows = [_lift(gradients(vector, False)) for vector in vectors]
    return [None if None in column else torch.cat(column) for column in zip(*rows, strict=True)]


def run(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    score: Callable[[Any], Tensor],
    finish: Callable[[Pass], Result],
) -> Result:
    """Forward pass with taps, score, and whatever `finish` makes of the two.

    If the graph turns out to be cut because a layer sits in the model's own `no_grad` block, the
    pass is repeated in gradient mode with frozen parameters.

    Args:
        model: in evaluation mode.
        images: (N, channels, *size).
        layers: dotted names.
        score: model output -> what to differentiate.
        finish: asks the pass for gradients.

    Raises:
        NothingCapturedError: a layer did not run, gives no feature map, or does not matter.
    """
    for retry in (False, True):
        with (
            _frozen(model) if retry else nullcontext(),
            capture(model, *layers, grad=retry) as taps,
        ):
            output = model(images)
            for tap in taps:
                _check_tap(model, tap, images)
            done = Pass(output, score(output), taps)
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
