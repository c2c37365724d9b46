"""Activations and gradients of several layers, of the logit and of the probability, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from xaihelpers.cams.axioms import DenominatorReport, denominator_report
from xaihelpers.cams.engine.forward import ForwardPass, run_forward
from xaihelpers.cams.engine.modes import undisturbed


@dataclass(frozen=True, eq=False)
class LayerTensors:
    """What a layer gave and how the class depends on it; each (N, K, H, W), detached.

    Attributes:
        activations: the layer's output.
        gradients: of the class logit by the activations.
        probability_gradients: of the softmax probability by the activations.
    """

    activations: Tensor
    gradients: Tensor
    probability_gradients: Tensor

    @cached_property
    def report(self) -> DenominatorReport:
        """How sound XGrad-CAM's division by sum(A) is here: see `cams.axioms`."""
        return denominator_report(self.activations, self.gradients)


def layer_tensors(
    model: nn.Module, images: Tensor, layers: Sequence[str], classes: Tensor
) -> list[LayerTensors]:
    """Run the network once and keep each layer's activations and gradients.

    Args:
        model: a classifier; it runs in evaluation mode and is left as it was.
        images: (N, 3, H, W) float, normalised.
        layers: dotted names, each run once per pass.
        classes: (N,) int64, the class explained in each image.

    Returns:
        One `LayerTensors` per layer, in the order of `layers`.

    Raises:
        NothingCapturedError: a layer did not run, gives no feature map, or does not matter.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> (conv,) = layer_tensors(model, torch.rand(2, 3, 7, 7), ["0"], torch.tensor([1, 3]))
        >>> tuple(conv.gradients.shape)
        (2, 4, 5, 5)
    """

    def score(logits: Any) -> Tensor:
        both = torch.stack([logits, logits.softmax(dim=1)], dim=2)
        return both[torch.arange(len(images), device=images.device), classes]  # (N, 2)

    def finish(done: ForwardPass) -> list[LayerTensors]:
        one_by_one = torch.eye(2, device=images.device)[:, None].expand(-1, len(images), -1)
        return [
            LayerTensors(activations.detach(), *gradients.detach())
            for ((activations, gradients),) in done.gradients(one_by_one)
        ]

    with undisturbed(model, images.device.type):
        return run_forward(model, images, layers, score, finish)
