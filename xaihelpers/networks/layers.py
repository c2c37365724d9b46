"""Which layer? Named layers of every architecture, and a table of them to print."""

from __future__ import annotations

from functools import partial

import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers.errors import ArchitectureError
from xaihelpers.networks.classifiers import build

# last: what feeds the global average pooling, or a head without one; last_conv: the raw (signed)
# last convolution; stageK: the last activation whose cells are 2^K px apart, so 224 / 2^K cells a
# side at 224 px.
LAYERS: dict[str, dict[str, str]] = {
    "efficientnet_b0": {
        "last": "features.8",
        "last_conv": "features.8.0",
        "stage5": "features.7",
        "stage4": "features.5",
        "stage3": "features.3",
        "stage2": "features.2",
    },
    "vgg19": {
        "last": "features.36",
        "last_conv": "features.34",
        "stage4": "features.35",
        "stage3": "features.26",
        "stage2": "features.17",
    },
    "densenet121": {
        "last": "final_relu",
        "last_norm": "features.norm5",
        "last_conv": "features.denseblock4.denselayer16.conv2",
        "stage4": "features.transition3.relu",
        "stage3": "features.transition2.relu",
        "stage2": "features.transition1.relu",
    },
    "resnet50": {
        "last": "layer4",
        "last_conv": "layer4.2.conv3",
        "stage4": "layer3",
        "stage3": "layer2",
        "stage2": "layer1",
    },
    "resnet18": {
        "last": "layer4",
        "last_conv": "layer4.1.conv2",
        "stage4": "layer3",
        "stage3": "layer2",
        "stage2": "layer1",
    },
    "vgg16": {
        "last": "features.30",
        "last_conv": "features.28",
        "stage4": "features.29",
        "stage3": "features.22",
        "stage2": "features.15",
    },
    "efficientnet_lite0": {
        "last": "bn2",
        "last_conv": "conv_head",
        "stage5": "blocks.6",
        "bottleneck5": "blocks.5",
        "stage4": "blocks.4",
        "bottleneck3": "blocks.3",
        "stage3": "blocks.2",
        "stage2": "blocks.1",
    },
    "small_vgg": {
        "last": "pool.0",
        "last_conv": "features.25",
        "stage4": "features.27",
        "stage3": "features.20",
        "stage2": "features.13",
    },
    "small_vgg_gap": {
        "last": "features.27",
        "last_conv": "features.25",
        "stage4": "features.27",
        "stage3": "features.20",
        "stage2": "features.13",
    },
}

# Roles whose output takes both signs, because no ReLU follows: raw convolutions, linear bottlenecks
# and SiLU. Methods that divide by the sum of a channel (XGrad-CAM, Grad-CAM++) are ill-posed there.
SIGNED: dict[str, frozenset[str]] = {arch: frozenset({"last_conv"}) for arch in LAYERS} | {
    "densenet121": frozenset({"last_norm", "last_conv"}),
    "efficientnet_b0": frozenset(LAYERS["efficientnet_b0"]),
    "efficientnet_lite0": frozenset(LAYERS["efficientnet_lite0"]) - {"last"},
}


def layer_table(arch: str, size: int = 224) -> pd.DataFrame:
    """Role, module name, kind, channels and grid of every named layer for `size` px images.

    Measured by a forward pass on the meta device, which computes shapes only.

    Raises:
        ArchitectureError: `arch` has no table.
    """
    if arch not in LAYERS:
        raise ArchitectureError(f"no layers for {arch!r}; choose one of {', '.join(LAYERS)}")
    shapes: dict[str, torch.Size] = {}

    def note(role: str, _module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        shapes[role] = output.shape

    with torch.device("meta"), torch.no_grad():
        model = build(arch, 1000).eval()
        for role, name in LAYERS[arch].items():
            model.get_submodule(name).register_forward_hook(partial(note, role))
        model(torch.empty(1, 3, size, size))
    rows = [
        {
            "role": role,
            "module": name,
            "kind": type(model.get_submodule(name)).__name__,
            "channels": shapes[role][1],
            "grid": f"{shapes[role][2]}x{shapes[role][3]}",
        }
        for role, name in LAYERS[arch].items()
    ]
    return pd.DataFrame(rows)
