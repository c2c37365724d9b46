"""Which of several suspects did it? Every combination tried, the effect divided among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np

from xaihelpers.errors import EvaluationError

Outcomes = Mapping[frozenset[str], np.ndarray]


@dataclass(frozen=True, eq=False)
class Effect:
    """What one factor does to an outcome, image by image; each (N,), in the outcome's unit.

    Attributes:
        alone: switched on where all others are off.
        last: switched on where all others are on already.
        share: mean over all orders of switching on (Shapley 1953). The shares of all factors add
            up to the outcome with all of them on minus the outcome with none.
    """

    alone: np.ndarray
    last: np.ndarray
    share: np.ndarray


def subsets(factors: Sequence[str]) -> Iterator[frozenset[str]]:
    """Every combination of the factors, the empty one first."""
    for size in range(len(factors) + 1):
        yield from map(frozenset, combinations(factors, size))


def effects(outcomes: Outcomes, factors: Sequence[str]) -> dict[str, Effect]:
    """Divide the effect of all factors among them.

    Args:
        outcomes: combination of factors that are on -> (N,) one value per image.
        factors: names; `outcomes` must hold every combination of them.

    Raises:
        EvaluationError: a combination is missing.
    """
    missing = [sorted(chosen) for chosen in subsets(factors) if chosen not in outcomes]
    if missing:
        raise EvaluationError(
            f"{len(missing)} of {2 ** len(factors)} combinations are missing, "
            f"the first is {missing[0]}"
        )
    return {name: _effect(outcomes, factors, name) for name in factors}


def _effect(outcomes: Outcomes, factors: Sequence[str], name: str) -> Effect:
    others = [factor for factor in factors if factor != name]
    count = len(factors)
    share = np.zeros_like(np.asarray(outcomes[frozenset()], dtype=float))
    for chosen in subsets(others):
        # share of the orders in which exactly `chosen` comes before `name`
        weight = factorial(len(chosen)) * factorial(count - len(chosen) - 1) / factorial(count)
        share += weight * (outcomes[chosen | {name}] - outcomes[chosen])
    nothing, rest = frozenset[str](), frozenset(others)
    return Effect(
        alone=outcomes[nothing | {name}] - outcomes[nothing],
        last=outcomes[rest | {name}] - outcomes[rest],
        share=share,
    )
