"""One forward pass, one partial backward pass, many methods.

Gradients are recorded from the tapped layer on, so everything before it costs what a bare
prediction costs. Hooks, modes, flags, `.grad` and the random state are left as they were.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from xaihelpers.cams import targets
from xaihelpers.cams.engine.forward import ForwardPass, LayerUse, run_forward
from xaihelpers.cams.engine.inputs import check_images
from xaihelpers.cams.engine.modes import undisturbed
from xaihelpers.cams.engine.recording import lean_recording
from xaihelpers.cams.engine.stacked import raw_maps
from xaihelpers.cams.explanation import ClassExplanation, Explanation
from xaihelpers.cams.hooks import find_layer, unwrap
from xaihelpers.cams.methods import METHODS
from xaihelpers.cams.targets import ClassTarget, Difference, Target
from xaihelpers.errors import ExplainError, NothingCapturedError

MICRO_BATCH = 8  # images; buffers of this size are reused by the allocator, larger ones are not
CLASS_BUFFER = 2**25  # numbers held at once in the gradients of all classes

Layer = str | nn.Module


def explain(
    model: nn.Module,
    images: Tensor,
    layer: Layer,
    *,
    target: Target = None,
    methods: Sequence[str] = ("grad_cam",),
) -> Explanation:
    """Compute class-activation maps of a batch at one layer.

    The model runs in evaluation mode and is left as it was. Threads that explain the same model
    wait for each other.

    Args:
        model: any network. For a `DataParallel` or compiled model, the wrapped network runs, on
            the device of the images.
        images: (N, channels, *S), floating point, normalised as in training.
        layer: dotted name or module. The maps of a layer that runs several times are summed.
        target: what is explained: a class index, one index per image, None for the predicted
            class, or a callable that maps the output to scores (N,), such as those of
            `xaihelpers.cams.targets`.
        methods: names in `METHODS`.

    Returns:
        Raw maps on the layer's grid, and heat maps of the images' size.

    Raises:
        ExplainError: or one of its kinds: the layer or the method is unknown, the images or the
            target do not fit, the layer gives no feature map or does not influence the score.

    Example:
        >>> import torch
        >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
        >>> explanation = explain(net, torch.rand(2, 3, 8, 8), "1", target=0)
        >>> explanation.raw["grad_cam"].shape
        torch.Size([2, 6, 6])
        >>> explanation.maps["grad_cam"].shape
        torch.Size([2, 8, 8])
    """
    (explanation,) = explain_layers(model, images, [layer], target=target, methods=methods).values()
    return explanation


def explain_layers(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    *,
    target: Target = None,
    methods: Sequence[str] = ("grad_cam",),
) -> dict[str, Explanation]:
    """Compute maps at several layers from one forward and one backward pass.

    Args:
        model: see `explain`.
        images: see `explain`.
        layers: dotted names or modules.
        target: see `explain`.
        methods: see `explain`.

    Returns:
        Dotted name -> explanation, in the order of `layers`.

    Raises:
        ExplainError: see `explain`.

    Example:
        >>> import torch
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> list(explain_layers(net, torch.rand(1, 3, 8, 8), ["0", "1"]))
        ['0', '1']
    """
    model, names, methods = _prepare(model, images, layers, methods)
    score_of = targets.as_target(target)

    def finish(done: ForwardPass) -> tuple[Tensor, Tensor, list[dict[str, Tensor]]]:
        maps = [_maps(uses, methods) for uses in done.gradients()]
        return _detached(done.output, images), done.score.detach(), maps

    parts = []
    with undisturbed(model, images.device.type) as modules, lean_recording(modules):
        for batch, part_target in _batches(model, images, score_of):
            score = partial(targets.scores, part_target, count=len(batch))
            parts.append(run_forward(model, batch, names, score, finish))
    logits = torch.cat([part[0] for part in parts])
    scores = torch.cat([part[1] for part in parts])
    label = targets.label(score_of, logits)
    explanations = {}
    for position, name in enumerate(names):
        raw = {
            method: torch.cat([part[2][position][method][0] for part in parts])
            for method in methods
        }
        explanations[name] = Explanation(raw, logits, scores, name, label, tuple(images.shape[2:]))
    return explanations


def explain_classes(
    model: nn.Module,
    images: Tensor,
    layer: Layer,
    *,
    classes: Sequence[int] | Tensor | None = None,
    methods: Sequence[str] = ("grad_cam",),
) -> ClassExplanation:
    """Compute maps of several class logits for every image from one forward pass.

    Args:
        model: see `explain`.
        images: see `explain`.
        layer: see `explain`.
        classes: class indices; None means all.
        methods: see `explain`.

    Returns:
        Raw maps and heat maps per image and class.

    Raises:
        ExplainError: see `explain`.

    Example:
        >>> import torch
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> explain_classes(net, torch.rand(2, 3, 8, 8), "1").raw["grad_cam"].shape
        torch.Size([2, 4, 6, 6])
    """
    model, (name,), methods = _prepare(model, images, [layer], methods)

    def score(output: Any) -> Tensor:
        index = targets.columns(classes, output)
        return output[:, index]

    def finish(done: ForwardPass) -> tuple[Tensor, dict[str, Tensor]]:
        return done.output.detach(), _class_maps(done, methods)

    parts = []
    with undisturbed(model, images.device.type) as modules, lean_recording(modules):
        for batch, _ in _batches(model, images, targets.logit()):
            parts.append(run_forward(model, batch, [name], score, finish))
    logits = torch.cat([part[0] for part in parts])
    raw = {
        method: torch.cat([part[1][method] for part in parts], dim=1).transpose(0, 1)
        for method in methods
    }
    index = targets.columns(classes, logits)
    return ClassExplanation(raw, logits, name, index, tuple(images.shape[2:]))


def _prepare(
    model: nn.Module, images: Tensor, layers: Sequence[Layer], methods: Sequence[str]
) -> tuple[nn.Module, list[str], list[str]]:
    """Check the arguments; return the network inside its wrappers, layer and method names."""
    methods = [methods] if isinstance(methods, str) else list(methods)
    for name in methods:
        if name not in METHODS:
            near = difflib.get_close_matches(name, METHODS, n=1, cutoff=0) or list(METHODS)
            raise ExplainError(
                f"unknown method {name!r}; did you mean {near[0]!r}? Known: {', '.join(METHODS)}"
            )
    names = list(dict.fromkeys(find_layer(model, layer)[0] for layer in layers))
    if not methods or not names:
        raise ExplainError("nothing to do: name at least one layer and one method")
    check_images(model, images)
    return unwrap(model), names, methods


def _batches(
    model: nn.Module, images: Tensor, target: Callable[[Any], Tensor]
) -> Iterator[tuple[Tensor, Callable[[Any], Tensor]]]:
    """Yield images and target, on a CPU in micro-batches where each image stands for itself."""
    if images.is_inference():
        images = images.clone()
    whole = images.device.type != "cpu" or len(images) <= MICRO_BATCH or _coupled(model)
    if whole or not isinstance(target, ClassTarget | Difference):
        yield images, target
        return
    yield from zip(images.split(MICRO_BATCH), target.parts(len(images), MICRO_BATCH), strict=True)


def _coupled(model: nn.Module) -> bool:
    """Whether a batch must not be cut: its images influence each other even in evaluation mode,
    or the model holds a sentence for each of them and says so by `whole_batch = True`.
    """
    return getattr(model, "whole_batch", False) or any(
        isinstance(module, _BatchNorm) and module.running_mean is None for module in model.modules()
    )


def _maps(uses: Sequence[LayerUse], methods: Sequence[str]) -> dict[str, Tensor]:
    """Raw maps (V, N, *S) of a layer, summed over its uses."""
    grids = {tuple(use.activations.shape[2:]) for use in uses}
    if len(grids) > 1:
        raise NothingCapturedError(
            f"the layer is used on grids of different sizes {sorted(grids)}, whose maps cannot be "
            "summed; name a layer that is used once"
        )
    with torch.autocast(uses[0].activations.device.type, enabled=False):
        first, *others = (raw_maps(use.activations, use.gradients, methods) for use in uses)
    for other in others:
        first = {name: first[name] + other[name] for name in methods}
    return first


def _class_maps(done: ForwardPass, methods: Sequence[str]) -> dict[str, Tensor]:
    """Raw maps (C, N, *S) of every column of the score, in blocks of classes that fit."""
    count, class_count = done.score.shape
    size = max(tensor.numel() for tap in done.taps for tensor in tap.tensors)
    rows = torch.eye(class_count, dtype=done.score.dtype, device=done.score.device)
    blocks = []
    for block in rows.split(max(1, CLASS_BUFFER // size)):
        (uses,) = done.gradients(block[:, None].expand(-1, count, -1))
        blocks.append(_maps(uses, methods))
    return {name: torch.cat([block[name] for block in blocks]) for name in methods}


def _detached(output: Any, images: Tensor) -> Tensor:
    if isinstance(output, Tensor):
        return output.detach()
    return images.new_empty(len(images), 0)
