"""Every figure of a map under one name and one signature, so that a study can be asked for any set.

A score takes a `Case` (the images and what was asked about them) and maps `(N, H, W)` in [0, 1],
and gives `(N,)` float32, NaN where there is nothing to measure: no finding in the image, or a flat
map, which puts no pixel before another. (An empty map that should point at a finding is a miss.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement, faithfulness, localization
from xaihelpers.metrics.removal import NOISE

STEPS = 5  # points of a deletion, insertion or pixel-flipping curve after the first
ROAD_SHARES = (0.3,)
TOLERANCE = 15  # px, as in the published pointing game


@dataclass(frozen=True, eq=False)
class Case:
    """A batch of images and the question that their maps answer.

    inputs: (N, 3, H, W) normalised. target: (N,) the explained class. before: (N,) its
    probability. mask: (N, H, W) bool, the finding. reference: (N, H, W) the map that agreement is
    measured with. seeds: N ints, from which each image draws its noise.
    """

    model: nn.Module
    inputs: Tensor
    target: Tensor
    before: Tensor
    mask: Tensor
    reference: Tensor
    seeds: Sequence[int]

    def against(self, reference: Tensor) -> Case:
        """The same case with another reference map."""
        return replace(self, reference=reference)

    def part(self, chosen: Tensor) -> Case:
        """The same case for some of its images, (N,) bool."""
        seeds = [seed for seed, taken in zip(self.seeds, chosen.tolist(), strict=True) if taken]
        return Case(
            self.model,
            self.inputs[chosen],
            self.target[chosen],
            self.before[chosen],
            self.mask[chosen],
            self.reference[chosen],
            seeds,
        )

    def noise(self) -> Tensor:
        """Normal noise (N, 3, H, W) of ROAD's size, by image: the same in any batch or process."""
        drawn = [
            torch.randn(self.inputs.shape[1:], generator=torch.Generator().manual_seed(seed))
            for seed in self.seeds
        ]
        return NOISE * torch.stack(drawn).to(self.inputs.device)


@dataclass(frozen=True)
class Score:
    """A figure: how it is computed, which way is better, who defined it.

    shared: depends on `Case.reference`, so it differs by layer even for a map that does not.
    """

    compute: Callable[[Case, Tensor], Tensor]
    higher_is_better: bool
    source: str
    shared: bool = False


def _finding(compute: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Case, Tensor], Tensor]:
    def scored(case: Case, heat: Tensor) -> Tensor:
        absent = ~case.mask.flatten(1).any(dim=1)
        return compute(heat, case.mask).float().masked_fill(absent, torch.nan)

    return scored


def _alike(compute: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Case, Tensor], Tensor]:
    return lambda case, heat: compute(case.reference, heat)


def _ordered(compute: Callable[[Case, Tensor], Tensor]) -> Callable[[Case, Tensor], Tensor]:
    def scored(case: Case, heat: Tensor) -> Tensor:
        values = heat.new_full((len(heat),), torch.nan)
        ordered = heat.amax(dim=(1, 2)) > heat.amin(dim=(1, 2))
        if bool(ordered.any()):
            values[ordered] = compute(case.part(ordered), heat[ordered])
        return values

    return scored


def _asked(case: Case, heat: Tensor) -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    return case.model, case.inputs, heat, case.target


def _kept(case: Case, heat: Tensor) -> Tensor:
    return faithfulness.kept_confidence(*_asked(case, heat))


def _points(tolerance: float) -> Callable[[Tensor, Tensor], Tensor]:
    def scored(heat: Tensor, mask: Tensor) -> Tensor:
        peak = heat.amax(dim=(1, 2))
        flat = (peak > 0) & (peak == heat.amin(dim=(1, 2)))
        hit = localization.pointing_hit(heat, mask, tolerance).float()
        return hit.masked_fill(flat, torch.nan)

    return scored


SCORES: dict[str, Score] = {
    "energy": Score(_finding(localization.energy_in_mask), True, "Wang 2020"),
    "hit": Score(_finding(_points(0)), True, "Zhang 2016"),
    "hit_15px": Score(_finding(_points(TOLERANCE)), True, "Zhang 2016, 15 px tolerance"),
    "pearson": Score(_alike(agreement.pearson), True, "with the first method", True),
    "spearman": Score(_alike(agreement.spearman), True, "with the first method", True),
    "ssim": Score(_alike(agreement.ssim), True, "Wang 2004, with the first method", True),
    "top_iou": Score(_alike(agreement.top_iou), True, "highest fifth, first method", True),
    "deletion": Score(
        _ordered(lambda c, h: faithfulness.deletion(*_asked(c, h), steps=STEPS).area),
        False,
        "Petsiuk 2018, zero",
    ),
    "insertion": Score(
        _ordered(lambda c, h: faithfulness.insertion(*_asked(c, h), steps=STEPS).area),
        True,
        "Petsiuk 2018, blur",
    ),
    "flipping": Score(
        _ordered(lambda c, h: faithfulness.pixel_flipping(*_asked(c, h), steps=STEPS)),
        True,
        "Bach 2015, highest fifth, mean",
    ),
    "road": Score(
        _ordered(lambda c, h: faithfulness.road(*_asked(c, h), ROAD_SHARES, c.noise())),
        True,
        "Rong 2022",
    ),
    "drop": Score(
        lambda c, h: faithfulness.drop(c.before, _kept(c, h)), False, "Chattopadhay 2018"
    ),
    "increase": Score(
        lambda c, h: faithfulness.increase(c.before, _kept(c, h)), True, "Chattopadhay 2018"
    ),
}


def check_names(names: Sequence[str]) -> None:
    """Raise `EvaluationError` unless every name is one of `SCORES`."""
    if unknown := [name for name in names if name not in SCORES]:
        raise EvaluationError(f"no score {unknown[0]!r}; choose from {', '.join(SCORES)}")
