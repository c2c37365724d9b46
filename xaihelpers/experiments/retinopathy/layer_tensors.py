"""Activations and gradients of several layers, of the logit and of the probability, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.forward import Pass, run, undisturbed


@dataclass(frozen=True, eq=False)
class Tapped:
    """What a layer gave and how the class depends on it; each (N, K, H, W), detached.

    Attributes:
        activations: the layer's output.
        logit: gradient of the class logit by it.
        probability: gradient of the softmax probability by it.
    """

    activations: Tensor
    logit: Tensor
    probability: Tensor


def tap(model: nn.Module, images: Tensor, layers: Sequence[str], classes: Tensor) -> list[Tapped]:
    """Run the network once and ask each layer.

    Args:
        images: (N, 3, H, W), normalised.
        layers: dotted names, each run once per pass.
        classes: (N,) int64, the class explained in each image.
    """

    def score(logits: Any) -> Tensor:
        both = torch.stack([logits, logits.softmax(dim=1)], dim=2)
        return both[torch.arange(len(images), device=images.device), classes]  # (N, 2)

    def finish(done: Pass) -> list[Tapped]:
        ask = torch.eye(2, device=images.device)[:, None].expand(-1, len(images), -1)
        return [
            Tapped(activations.detach(), *gradients.detach())
            for ((activations, gradients),) in done.gradients(ask)
        ]

    with undisturbed(model, images.device.type):
        return run(model, images, layers, score, finish)
