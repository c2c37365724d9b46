"""One forward pass, one partial backward pass, many methods.

Gradients are recorded from the tapped layer on, so the trunk costs what a bare prediction
costs. Hooks, modes, flags, `.grad` and the random state are left as they were found.
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
from xaihelpers.cams.engine.forward import Pass, Uses, check_images, run, undisturbed
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
    target: Target = None,
    methods: Sequence[str] = ("grad_cam",),
) -> Explanation:
    """Class-activation maps of a batch at one layer.

    Args:
        model: any module; it runs in evaluation mode and is left as it was. Of a `DataParallel`
            or compiled model the network inside is run, on the device of the images.
        images: (N, channels, *size), floating point, normalised as in training.
        layer: dotted name or module. The maps of a layer used several times are summed.
        target: class index, one per image, None for the predicted class, or a callable that maps
            the output to scores (N,), such as those of `xaihelpers.cams.targets`.
        methods: names in `METHODS`.

    Raises:
        ExplainError: or one of its kinds: unknown layer or method, unfit images or target, a
            layer that gives no feature map or does not influence the score.
    """
    (explanation,) = explain_layers(model, images, [layer], target, methods).values()
    return explanation


def explain_layers(
    model: nn.Module,
    images: Tensor,
    layers: Sequence[Layer],
    target: Target = None,
    methods: Sequence[str] = ("grad_cam",),
) -> dict[str, Explanation]:
    """Maps at several layers from one pass: dotted name -> Explanation; see `explain`."""
    model, names, methods = _prepare(model, images, layers, methods)
    wanted = targets.as_target(target)

    def finish(done: Pass) -> tuple[Tensor, Tensor, list[dict[str, Tensor]]]:
        maps = [_maps(uses, methods) for uses in done.gradients()]
        return _detached(done.output, images), done.score.detach(), maps

    parts = []
    with undisturbed(model, images.device.type) as modules, lean_recording(modules):
        for batch, chosen in _batches(model, images, wanted):
            score = partial(targets.scores, chosen, count=len(batch))
            parts.append(run(model, batch, names, score, finish))
    logits = torch.cat([part[0] for part in parts])
    scores = torch.cat([part[1] for part in parts])
    label = targets.label(wanted, logits)
    explanations = {}
    for place, name in enumerate(names):
        raw = {
            method: torch.cat([part[2][place][method][0] for part in parts]) for method in methods
        }
        explanations[name] = Explanation(raw, logits, scores, name, label, tuple(images.shape[2:]))
    return explanations


def explain_classes(
    model: nn.Module,
    images: Tensor,
    layer: Layer,
    classes: Sequence[int] | Tensor | None = None,
    methods: Sequence[str] = ("grad_cam",),
) -> ClassExplanation:
    """Maps of several class logits, all by default, from one forward pass; see `explain`."""
    model, (name,), methods = _prepare(model, images, [layer], methods)

    def score(output: Any) -> Tensor:
        index = targets.columns(classes, output)
        return output[:, index]

    def finish(done: Pass) -> tuple[Tensor, dict[str, Tensor]]:
        return done.output.detach(), _class_maps(done, methods)

    parts = []
    with undisturbed(model, images.device.type) as modules, lean_recording(modules):
        for batch, _ in _batches(model, images, targets.logit()):
            parts.append(run(model, batch, [name], score, finish))
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
    """The network inside its wrappers, layer names and method names, all checked."""
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
    """Images and target, on a CPU in micro-batches where each image stands for itself."""
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


def _maps(uses: Uses, methods: Sequence[str]) -> dict[str, Tensor]:
    """Raw maps (V, N, *S) of a layer, summed over its uses."""
    grids = {tuple(activations.shape[2:]) for activations, _ in uses}
    if len(grids) > 1:
        raise NothingCapturedError(
            f"the layer is used on grids of different sizes {sorted(grids)}, whose maps cannot be "
            "summed; name a layer that is used once"
        )
    with torch.autocast(uses[0][0].device.type, enabled=False):
        first, *others = (raw_maps(*use, methods) for use in uses)
    for other in others:
        first = {name: first[name] + other[name] for name in methods}
    return first


def _class_maps(done: Pass, methods: Sequence[str]) -> dict[str, Tensor]:
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
