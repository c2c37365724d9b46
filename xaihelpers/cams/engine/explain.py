"""One forward pass, one partial backward pass, many methods.

Gradients are recorded from the tapped layer on, so everything before it costs what a bare
prediction costs. Hooks, modes, flags, `.grad` and the random state are left as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xaihelpers.cams import targets
from xaihelpers.cams.engine.arrange import Arrange
from xaihelpers.cams.engine.batches import micro_batches
from xaihelpers.cams.engine.canvas import Canvas
from xaihelpers.cams.engine.forward import ForwardPass, run_forward
from xaihelpers.cams.engine.inputs import ModelInputs, read_inputs
from xaihelpers.cams.engine.layer_maps import LayerMaps, class_maps, layer_maps
from xaihelpers.cams.engine.modes import undisturbed
from xaihelpers.cams.engine.names import method_names
from xaihelpers.cams.engine.recording import lean_recording
from xaihelpers.cams.engine.warn import warn_of_several_uses
from xaihelpers.cams.explanation import ClassExplanation, Explanation
from xaihelpers.cams.hooks import find_layer, unwrap
from xaihelpers.cams.outputs import logits_of
from xaihelpers.cams.targets import Target
from xaihelpers.errors import ExplainError

Layer = str | nn.Module
Inputs = Any  # a tensor, a tuple, a mapping or a list of images: see `read_inputs`


def explain(
    model: nn.Module,
    inputs: Inputs,
    layer: Layer,
    *,
    target: Target = None,
    methods: str | Sequence[str] = ("grad_cam",),
    arrange: Arrange | None = None,
    uses: Literal["sum", "each"] = "sum",
    size: Sequence[int] | None = None,
) -> Explanation:
    """Compute class-activation maps of a batch at one layer.

    The model runs in evaluation mode and is left as it was. Threads that explain the same model
    wait for each other.

    Args:
        model: any network. For a `DataParallel` or compiled model, the wrapped network runs, on
            the device of the images.
        inputs: images (N, channels, *S), floating point, normalised as in training; a tuple of
            arguments or a dict of keyword arguments, whose first image tensor (or `pixel_values`)
            is explained; or a list of images (channels, H, W) of one size, for detectors.
        layer: dotted name or module.
        target: what is explained: a class index, one index per image, None for the predicted
            class, or a callable that maps the output to scores (N,), such as those of
            `xaihelpers.cams.targets`. Class indices work on logits (N, C), also in a mapping's
            `logits` or `out`, or as the first tensor of a tuple.
        methods: names in `METHODS`; spellings such as "GradCAM++" are understood.
        arrange: maps the layer's output to (N, K, *S). None recognises channels-last layers and
            the tokens of transformers, and refuses what can be read in two ways.
        uses: what to do with a layer that runs several times: "sum" adds the maps of its uses and
            warns; "each" keeps them apart, raw maps are then (N, uses, *S).
        size: spatial size of the heat maps; None takes that of the images.

    Returns:
        Raw maps on the layer's grid, and heat maps of the images' size.

    Raises:
        ExplainError: or one of its kinds: the layer or the method is unknown, the images or the
            target do not fit, the layer gives no feature map or does not influence the score.

    Example:
        >>> head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)
        >>> explanation = explain(net, torch.rand(2, 3, 8, 8), "1", target=0)
        >>> explanation.raw["grad_cam"].shape
        torch.Size([2, 6, 6])
        >>> explanation.maps["grad_cam"].shape
        torch.Size([2, 8, 8])
    """
    if isinstance(layer, (list, tuple)):
        raise ExplainError("explain takes one layer; pass several to explain_layers")
    options: dict[str, Any] = {"arrange": arrange, "uses": uses, "size": size}
    (explanation,) = explain_layers(
        model, inputs, [layer], target=target, methods=methods, **options
    ).values()
    return explanation


def explain_layers(
    model: nn.Module,
    inputs: Inputs,
    layers: Sequence[Layer],
    *,
    target: Target = None,
    methods: str | Sequence[str] = ("grad_cam",),
    arrange: Arrange | None = None,
    uses: Literal["sum", "each"] = "sum",
    size: Sequence[int] | None = None,
) -> dict[str, Explanation]:
    """Compute maps at several layers from one forward and one backward pass.

    Args:
        model: see `explain`.
        inputs: see `explain`.
        layers: dotted names or modules.
        target: see `explain`.
        methods: see `explain`.
        arrange: see `explain`; used at every layer.
        uses: see `explain`.
        size: see `explain`.

    Returns:
        Dotted name -> explanation, in the order of `layers`.

    Raises:
        ExplainError: see `explain`.

    Example:
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> list(explain_layers(net, torch.rand(1, 3, 8, 8), ["0", "1"]))
        ['0', '1']
    """
    if uses not in ("sum", "each"):
        raise ExplainError(f'uses is "sum" or "each", got {uses!r}')
    names, methods = _layer_names(model, layers), method_names(methods)
    model, given, score_of = unwrap(model), read_inputs(inputs), targets.as_target(target)

    def finish(done: ForwardPass) -> tuple[Tensor, Tensor, list[LayerMaps], Canvas]:
        maps = layer_maps(done, methods, apart=uses == "each")
        return _logits(done.output, len(done.score)), done.score.detach(), maps, done.canvas

    parts = []
    with undisturbed(model, given.device.type) as modules, lean_recording(modules):
        for batch, part_target in micro_batches(model, given, score_of):
            score = partial(targets.scores, part_target, count=batch.count)
            parts.append(run_forward(model, batch, names, score, finish, arrange))
    logits, scores = torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])
    label, canvas = targets.label(score_of, logits), parts[0][3]
    explanations = {}
    for position, name in enumerate(names):
        maps = [part[2][position] for part in parts]
        raw = {method: torch.cat([part.raw[method][0] for part in maps]) for method in methods}
        if maps[0].uses > 1 and uses == "sum":
            warn_of_several_uses(name, maps[0].uses)
        shown = _size(given, maps[0], size, next(iter(raw.values())).ndim - 1 - (uses == "each"))
        explanations[name] = Explanation(
            raw, logits, scores, name, label, shown, maps[0].uses, uses == "each", canvas
        )
    return explanations


def explain_classes(
    model: nn.Module,
    inputs: Inputs,
    layer: Layer,
    *,
    classes: Sequence[int] | Tensor | None = None,
    methods: str | Sequence[str] = ("grad_cam",),
    arrange: Arrange | None = None,
    size: Sequence[int] | None = None,
) -> ClassExplanation:
    """Compute maps of several class logits for every image from one forward pass.

    Args:
        model: see `explain`.
        inputs: see `explain`.
        layer: see `explain`.
        classes: class indices; None means all.
        methods: see `explain`.
        arrange: see `explain`.
        size: see `explain`.

    Returns:
        Raw maps and heat maps per image and class.

    Raises:
        ExplainError: see `explain`.

    Example:
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> explain_classes(net, torch.rand(2, 3, 8, 8), "1").raw["grad_cam"].shape
        torch.Size([2, 4, 6, 6])
    """
    (name,), methods = _layer_names(model, [layer]), method_names(methods)
    model, given = unwrap(model), read_inputs(inputs)

    def score(output: Any) -> Tensor:
        logits = targets.check_logits(output)
        return logits[:, targets.columns(classes, logits)]

    def finish(done: ForwardPass) -> tuple[Tensor, LayerMaps]:
        return _logits(done.output, len(done.score)), class_maps(done, methods)

    parts = []
    with undisturbed(model, given.device.type) as modules, lean_recording(modules):
        for batch, _ in micro_batches(model, given, targets.logit()):
            parts.append(run_forward(model, batch, [name], score, finish, arrange))
    logits, maps = torch.cat([part[0] for part in parts]), [part[1] for part in parts]
    raw = {
        method: torch.cat([part.raw[method] for part in maps], dim=1).transpose(0, 1)
        for method in methods
    }
    if maps[0].uses > 1:
        warn_of_several_uses(name, maps[0].uses)
    index = targets.columns(classes, logits)
    shown = _size(given, maps[0], size, next(iter(raw.values())).ndim - 2)
    return ClassExplanation(raw, logits, name, index, shown, maps[0].uses)


def _layer_names(model: nn.Module, layers: Sequence[Layer]) -> list[str]:
    names = list(dict.fromkeys(find_layer(model, layer)[0] for layer in layers))
    if not names:
        raise ExplainError("nothing to do: name at least one layer")
    return names


def _size(
    inputs: ModelInputs, maps: LayerMaps, size: Sequence[int] | None, dimensions: int
) -> tuple[int, ...]:
    """Spatial size of the heat maps: as asked, else that of what the map covers."""
    if size is not None:
        return tuple(size)
    covered = maps.size or inputs.size
    return covered[len(covered) - dimensions :] if len(covered) > dimensions else covered


def _logits(output: Any, count: int) -> Tensor:
    """The detached logits, (N, 0) where the output holds none for every image."""
    logits = logits_of(output)
    if isinstance(logits, Tensor) and logits.ndim and len(logits) == count:
        return logits.detach()
    return torch.empty(count, 0)
