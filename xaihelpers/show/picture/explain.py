"""One call that draws: a picture and a network in, heat maps on the picture out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.explain import explain_layers
from xaihelpers.cams.explanation import Explanation
from xaihelpers.errors import PictureError, TargetError
from xaihelpers.networks import class_index
from xaihelpers.show.picture.classes import classes_of
from xaihelpers.show.picture.geometry import Geometry
from xaihelpers.show.picture.layers import last_grid_layer
from xaihelpers.show.picture.loading import Picture, PictureSource, is_batch, read_picture
from xaihelpers.show.picture.result import ExplainedImage, ExplainedImages
from xaihelpers.show.picture.transforms import Transform, prepare, transform_of

Layer = str | nn.Module
OneTarget = int | str | None | Callable[[Tensor], Tensor]
Target = OneTarget | Sequence[Any]


def explain_image(
    model: nn.Module,
    image: PictureSource | Sequence[PictureSource],
    target: Target = None,
    *,
    layer: Layer | Sequence[Layer] | None = None,
    methods: str | Sequence[str] = ("grad_cam",),
    transform: Transform | None = None,
    classes: Sequence[str] | None = None,
) -> ExplainedImage | ExplainedImages:
    """Explain a picture and draw the heat on it, at its own size.

    Args:
        model: a classifier; it runs in evaluation mode and is left as it was.
        image: path of an image or DICOM file, a PIL image, or an array or tensor (H, W, 3),
            (3, H, W) or (H, W), uint8 or floating point in [0, 1]. A list, or an array of four
            dimensions, is a batch.
        target: index or name of a class, None for the predicted one, or a callable that maps the
            logits to scores (N,). For one picture a list means several classes; for a batch it has
            one entry per picture.
        layer: dotted name or module, a list of them, or None for the last layer with a grid, whose
            name is printed and stored.
        methods: names in `METHODS`; several become a grid.
        transform: PIL image -> tensor (3, h, w), such as torchvision's `weights.transforms()`;
            None for the one that the network brings along (timm's configuration).
        classes: names of the classes in the order of the logits; None for those that the network
            brings along.

    Returns:
        What a notebook shows; `.save("cat.png")`, `.table()` and `.explanation` keep it. A batch
        gives a sequence of them.

    Raises:
        XaiError: of the kind that fits: an unreadable picture, an unknown class, layer or method,
            a transform that cannot be followed.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
        >>> _ = net(torch.zeros(1, 3, 8, 8))
        >>> to_tensor = lambda image: torch.tensor(list(image.getdata())).T.reshape(3, 8, 8) / 255
        >>> shown = explain_image(net, torch.rand(3, 8, 8), "cat", layer="1",
        ...                       transform=to_tensor, classes=["cat", "dog"])
        >>> shown.panels[0].heat.shape
        (8, 8)
    """
    several = is_batch(image)
    sources: list[Any] = list(image) if several else [image]  # type: ignore[arg-type]
    pictures = [read_picture(source) for source in sources]
    if not pictures:
        raise PictureError("the list of pictures is empty; give at least one")
    transform = transform or transform_of(model)
    names = tuple(classes_of(model) if classes is None else classes)
    prepared = [_input(model, picture, transform) for picture in pictures]
    if layer is None:
        layer = last_grid_layer(model, prepared[0][0])
        print(f"layer: {layer!r}, the last with a grid of cells; pass layer=... for another")
    layers: list[Any] = list(layer) if isinstance(layer, list | tuple) else [layer]
    wanted = _targets(target, names, len(pictures), several)
    inputs = [tensor for tensor, _ in prepared]
    explanations = _explanations(model, inputs, layers, wanted, methods)
    explained = [
        ExplainedImage.of(picture, geometry, names, found)
        for picture, (_, geometry), found in zip(pictures, prepared, explanations, strict=True)
    ]
    return ExplainedImages(explained) if several else explained[0]


def _input(model: nn.Module, picture: Picture, transform: Transform) -> tuple[Tensor, Geometry]:
    """The network's input on its device and of its type, and where the picture lies in it."""
    tensor, geometry = prepare(picture.image, transform)
    weights = next((p for p in model.parameters() if p.is_floating_point()), tensor)
    return tensor.to(weights.device, weights.dtype), geometry


def _targets(
    target: Any, names: tuple[str, ...], count: int, several: bool
) -> list[list[OneTarget]]:
    """For each picture the targets to explain, names of classes replaced by their indices."""
    if isinstance(target, Tensor):
        target = target.tolist()
    listed = isinstance(target, list | tuple)
    if several and listed and len(target) != count:
        raise TargetError(
            f"got {len(target)} targets for {count} pictures; pass one for all, or one per picture"
        )
    each = list(target) if several and listed else [target] * count
    return [_several_targets(one, names) for one in each]


def _several_targets(target: Any, names: tuple[str, ...]) -> list[OneTarget]:
    chosen = list(target) if isinstance(target, list | tuple) else [target]
    if not chosen:
        raise TargetError("the list of targets is empty; pass a class, or None for the predicted")
    if not names and any(isinstance(one, str) for one in chosen):
        raise TargetError(
            f"no class names are known, so {target!r} cannot be found; pass classes=[...] or an "
            "index"
        )
    return [class_index(one, names) if isinstance(one, str) else one for one in chosen]


def _explanations(
    model: nn.Module,
    inputs: list[Tensor],
    layers: list[Layer],
    wanted: list[list[OneTarget]],
    methods: str | Sequence[str],
) -> list[list[Explanation]]:
    """For each picture an explanation per target and layer; in one batch where that is possible."""
    alike = len({tensor.shape for tensor in inputs}) == 1
    together = len({len(chosen) for chosen in wanted}) == 1
    ranks = list(zip(*wanted, strict=True)) if together else []
    if not (alike and together and all(_is_one_target(rank) for rank in ranks)):
        return [
            _explanations(model, [tensor], layers, [chosen], methods)[0]
            for tensor, chosen in zip(inputs, wanted, strict=True)
        ]
    batch = torch.cat(inputs)
    made = [
        explanation
        for rank in ranks
        for explanation in explain_layers(
            model, batch, layers, target=_one_target(rank), methods=methods
        ).values()
    ]
    return [[_of_picture(explanation, i) for explanation in made] for i in range(len(inputs))]


def _is_one_target(targets: Sequence[OneTarget]) -> bool:
    """Whether one call can explain them: a single one, all the same, or an index each."""
    return len(set(targets)) == 1 or all(isinstance(one, int) for one in targets)


def _one_target(targets: Sequence[OneTarget]) -> Any:
    return targets[0] if len(set(targets)) == 1 else list(targets)


def _of_picture(explanation: Explanation, index: int) -> Explanation:
    """The part of a batch's explanation that is about one picture."""
    part, target = slice(index, index + 1), explanation.target
    return replace(
        explanation,
        raw={name: raw[part] for name, raw in explanation.raw.items()},
        logits=explanation.logits[part],
        scores=explanation.scores[part],
        target=target[part] if isinstance(target, Tensor) else target,
    )
