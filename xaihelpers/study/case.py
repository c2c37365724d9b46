"""What a score may use beside the map: masks, a map to compare with, the network, its layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.removal import NOISE
from xaihelpers.study.tensors import LayerTensors


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network was shown and what it answered.

    Attributes:
        model: the network.
        inputs: (N, 3, H, W), normalised.
        target: (N,) int64, the explained class.
        probability: (N,) of that class.
        seeds: N ints, from which each image draws its noise.
    """

    model: nn.Module
    inputs: Tensor
    target: Tensor
    probability: Tensor
    seeds: Sequence[int]

    def part(self, chosen: Tensor) -> Prediction:
        """The same for some of the images, (N,) bool."""
        seeds = [seed for seed, taken in zip(self.seeds, chosen.tolist(), strict=True) if taken]
        return Prediction(
            self.model, self.inputs[chosen], self.target[chosen], self.probability[chosen], seeds
        )

    def noise(self) -> Tensor:
        """Normal noise (N, 3, H, W) of ROAD's size, by image: the same in any batch or process."""
        drawn = [
            torch.randn(self.inputs.shape[1:], generator=torch.Generator().manual_seed(seed))
            for seed in self.seeds
        ]
        return NOISE * torch.stack(drawn).to(self.inputs.device)


@dataclass(frozen=True, eq=False)
class Case:
    """A batch of N images whose maps are scored. What is None makes scores that need it NaN.

    Attributes:
        finding: (N, H, W) bool, what the map should lie on.
        masks: name -> (N, H, W) bool, everything else that is known about the images.
        reference: (N, H, W), the map that agreement is measured with.
        tensors: of the layer that the map belongs to.
        asked: what the network was shown and answered; only scores that ask it again need this.
    """

    finding: Tensor | None = None
    masks: Mapping[str, Tensor] = field(default_factory=dict)
    reference: Tensor | None = None
    tensors: LayerTensors | None = None
    asked: Prediction | None = None

    @property
    def prediction(self) -> Prediction:
        """`asked`, for scores that cannot do without.

        Raises:
            EvaluationError: there is none.
        """
        if self.asked is None:
            raise EvaluationError("this score runs the network again; give the case its prediction")
        return self.asked

    def at(self, reference: Tensor, tensors: LayerTensors | None = None) -> Case:
        """The same images at another layer: its reference map and its tensors."""
        return replace(self, reference=reference, tensors=tensors)
