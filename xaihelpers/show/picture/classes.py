"""The class names that a network brings along."""

from __future__ import annotations

from typing import Any

from torch import nn

from xaihelpers.cams.hooks import unwrap
from xaihelpers.networks import imagenet


def classes_of(model: nn.Module) -> tuple[str, ...]:
    """Names in the order of the logits; () where the network brings none.

    A network has them in its attribute `classes`, or is one of timm's with the 1,000 ImageNet
    classes.
    """
    network = unwrap(model)
    if names := getattr(network, "classes", ()):
        return tuple(str(name) for name in names)
    config: Any = getattr(network, "pretrained_cfg", None)
    if config and config.get("num_classes") == getattr(network, "num_classes", None) == 1000:
        return imagenet.class_names()
    return ()
