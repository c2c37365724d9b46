"""A picture through a transform of any make, and where its pixels end up in the network's input.

The transforms of torchvision (`weights.transforms()`, `Compose`) and timm (`create_transform`) are
followed step by step, so their geometry is exact. Any other callable is measured: pictures that
grow brighter from left to right and from top to bottom go through it and tell where pixels go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from xaihelpers.cams.hooks import unwrap
from xaihelpers.errors import TransformError
from xaihelpers.show.picture.geometry import Geometry
from xaihelpers.show.picture.measured import measured_geometry

Transform = Callable[[Any], Any]

#: Steps that change colours, numbers or types, and move no pixel.
COLOUR_STEPS = {
    "ToTensor",
    "MaybeToTensor",
    "PILToTensor",
    "MaybePILToTensor",
    "ToImage",
    "ToPureTensor",
    "ToDtype",
    "ConvertImageDtype",
    "Normalize",
    "Grayscale",
    "Identity",
}


class Unknown(Exception):
    """A step whose geometry is not known by name."""


def prepare(image: Image.Image, transform: Transform) -> tuple[Tensor, Geometry]:
    """The network's input for a picture.

    Args:
        image: RGB, upright.
        transform: takes a PIL image and gives a tensor (3, h, w).

    Returns:
        The input (1, 3, h, w), floating point, and where the picture lies in it.

    Raises:
        TransformError: the transform fails, gives no such tensor, draws at random, or does more
            to the picture's shape than resize, crop and pad.
    """
    steps = list(_steps(transform))
    try:
        value, geometry = _follow(image, steps)
    except Unknown:
        value = _applied(transform, image)
        geometry = measured_geometry(lambda picture: _applied(transform, picture), image.size)
    return _checked(value)[None], geometry


def transform_of(model: nn.Module) -> Transform:
    """The transform that a network brings along.

    It is the network's attribute `transform`, or that of timm's configuration (`pretrained_cfg`).

    Raises:
        TransformError: it brings none.
    """
    network: Any = unwrap(model)
    if callable(own := getattr(network, "transform", None)):
        return own
    if getattr(network, "pretrained_cfg", None):
        from timm import data

        return data.create_transform(**data.resolve_model_data_config(network))
    raise TransformError(
        f"{type(network).__name__} does not say how its pictures are prepared; pass transform=..., "
        "for torchvision `weights.transforms()`, else a function PIL image -> tensor (3, h, w)"
    )


def _applied(transform: Transform, image: Image.Image) -> Any:
    try:
        return transform(image)
    except Exception as error:
        raise TransformError(
            f"the transform fails on a PIL image ({type(error).__name__}: {error}); pass one that "
            "takes a PIL image and gives a tensor (3, h, w), such as weights.transforms()"
        ) from error


def _checked(value: Any) -> Tensor:
    """The transform's result as a plain tensor (C, h, w)."""
    if isinstance(value, Tensor):
        value = value.as_subclass(Tensor)
        if value.ndim == 4 and len(value) == 1:
            value = value[0]
        if value.ndim == 3 and value.is_floating_point():
            return value
    shape = tuple(getattr(value, "shape", ())) or type(value).__name__
    raise TransformError(
        f"the transform gives {shape}, {getattr(value, 'dtype', 'no numbers')}; expected a "
        "floating-point tensor (3, h, w)"
    )


def _steps(transform: Transform) -> Iterator[Transform]:
    """The steps of a transform in order, containers opened."""
    inner = getattr(transform, "transforms", None)
    if isinstance(transform, nn.Sequential):
        inner = list(transform)
    if isinstance(inner, list | tuple | nn.ModuleList):
        for step in inner:
            yield from _steps(step)
    else:
        yield transform


def _size(value: Any) -> tuple[int, int]:
    """Height and width of a PIL image, an array or a tensor."""
    if isinstance(value, Image.Image):
        return value.height, value.width
    height, width = value.shape[-2:]
    return int(height), int(width)


def _follow(image: Image.Image, steps: list[Transform]) -> tuple[Any, Geometry]:
    """Each step's result, and the geometry followed by the step's name.

    Raises:
        Unknown: the geometry of a step is not known.
    """
    value: Any = image
    geometry = Geometry.of(image.height, image.width)
    for step in steps:
        before, value = value, _applied(step, value)
        geometry = _after(step, before, geometry, _size(value))
    return value, geometry


def _after(step: Any, before: Any, geometry: Geometry, size: tuple[int, int]) -> Geometry:
    """The geometry after a step that gave an image of this size."""
    name = type(step).__name__
    if hasattr(step, "geometry"):
        changed: Geometry = step.geometry(geometry)
        return changed
    if name in COLOUR_STEPS and size == geometry.size:
        return geometry
    if name in ("Resize", "ResizeKeepRatio") and not getattr(step, "random_scale_prob", 0):
        return geometry.resized(*size)
    if name in ("CenterCrop", "CenterCropOrPad"):
        return _centred(geometry, size)
    if name == "TrimBorder":
        return geometry.cropped(step.border_size, step.border_size, *size)
    if name == "Pad" and getattr(step, "padding_mode", "constant") == "constant":
        left, top = _left_and_top(step.padding)
        return geometry.cropped(-top, -left, *size)
    if name == "ImageClassification" and hasattr(step, "resize_size"):
        return _centred(geometry.resized(*_resized(step, geometry.size)), size)
    raise Unknown(name)


def _centred(geometry: Geometry, size: tuple[int, int]) -> Geometry:
    """After torchvision's centre crop, which pads first where the image is too small."""
    top, left = (
        -((new - old) // 2) if new > old else round((old - new) / 2)
        for old, new in zip(geometry.size, size, strict=True)
    )
    return geometry.cropped(top, left, *size)


def _left_and_top(padding: Any) -> tuple[int, int]:
    if isinstance(padding, int):
        return padding, padding
    values = list(padding)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _resized(preset: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Height and width to which torchvision's preset resizes an image, before its crop."""
    from torchvision.transforms import functional

    blank = torch.empty(1, *size, device="meta")
    return _size(functional.resize(blank, preset.resize_size, antialias=False))
