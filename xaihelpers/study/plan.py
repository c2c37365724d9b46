"""What a study measures: the network, its layers, the methods, the scores and the prior maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from xaihelpers.errors import EvaluationError
from xaihelpers.study.scores import check_names

#: Maps that do not depend on the network, and (the last two) what random weights give and what no
#: map of the layer's grid can exceed.
PRIORS = ("centre_gaussian", "uniform", "edges", "random_weights", "best_possible")
#: The two that are always worth a row: what a method has to beat.
BASELINES = ("centre_gaussian", "uniform")


@dataclass(frozen=True, eq=False)
class Subject:
    """A network under study.

    Attributes:
        name: what the table calls it.
        model: the network itself.
        layers: role -> dotted name of each layer that is explained.
    """

    name: str
    model: nn.Module
    layers: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """What is computed for every image.

    Attributes:
        methods: names in `cams.METHODS`. The first is the one that agreement is measured with, and
            the method of the map from random weights.
        scores: names in `scores.SCORES`.
        masks: names of the masks whose union is the finding; empty for data without masks.
        priors: names in `PRIORS`. Each gets a row like a method; "best_possible" has an energy
            alone.
        batch_size: images at a time, and in one part on disk.
        seed: of random weights and of noise.

    Raises:
        EvaluationError: a score or prior map does not exist.

    Example:
        >>> Plan(("grad_cam", "layer_cam"), scores=("energy", "hit"), masks=("opacity",)).seed
        0
    """

    methods: tuple[str, ...]
    scores: tuple[str, ...] = ("energy", "hit")
    masks: tuple[str, ...] = ()
    priors: tuple[str, ...] = PRIORS
    batch_size: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        check_names(self.scores)
        if unknown := [name for name in self.priors if name not in PRIORS]:
            raise EvaluationError(f"no prior map {unknown[0]!r}; choose from {', '.join(PRIORS)}")
