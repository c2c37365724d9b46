"""Bootstrap intervals: how far a figure would move with other images of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from xaihelpers.errors import EvaluationError


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; prints as `0.912 [0.895, 0.928]`."""

    estimate: float
    low: float
    high: float
    level: float
    count: int

    def __str__(self) -> str:
        return f"{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap_interval(
    *samples: ArrayLike,
    statistic: Callable[..., float] = np.mean,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over images (`scipy.stats.bootstrap`; Efron & Tibshirani 1993).

    Several samples are resampled together, image by image: `bootstrap_interval(truth,
    prediction, statistic=kappa)`. The same seed gives the same interval.

    Args:
        samples: each (N,), one value per image, finite, N >= 2.
        statistic: takes the samples, gives a number.
        level: of confidence, in (0, 1).
        resamples: how many.
        seed: of the resampling.

    Raises:
        EvaluationError: fewer than two values, samples of unequal length, NaN, level not in (0, 1).
    """
    arrays = [np.asarray(sample) for sample in samples]
    shapes = {array.shape for array in arrays}
    if len(shapes) != 1 or any(array.ndim != 1 or len(array) < 2 for array in arrays):
        raise EvaluationError(
            "an interval needs samples of one length, at least 2 values each, "
            f"not shapes {sorted(shapes)}"
        )
    if not all(np.isfinite(array).all() for array in arrays):
        raise EvaluationError("an interval needs finite values; leave out NaN before, and say so")
    if not 0 < level < 1:
        raise EvaluationError(f"level is {level}; it must lie between 0 and 1, for example 0.95")
    bounds = stats.bootstrap(
        arrays,
        statistic,
        paired=True,
        vectorized=statistic is np.mean,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // len(arrays[0])),
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(
        float(statistic(*arrays)), float(bounds.low), float(bounds.high), level, len(arrays[0])
    )


def paired_difference(first: ArrayLike, second: ArrayLike, **options: float) -> Interval:
    """Interval of the mean of `first - second`, image by image; 0 outside it: they differ.

    Args:
        first: (N,), one value per image.
        second: (N,), the same images in the same order.
        options: `level`, `resamples`, `seed` of `bootstrap_interval`.

    Example:
        >>> str(paired_difference([0.5, 0.7, 0.6], [0.4, 0.6, 0.5]))
        '0.100 [0.100, 0.100]'
    """
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if one.shape != other.shape:
        raise EvaluationError(
            f"paired values must be of the same images, not {one.shape} and {other.shape}"
        )
    return bootstrap_interval(one - other, **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class PairedTest:
    """A difference of means over the same images, and how often chance would give one as large."""

    difference: Interval
    p: float

    def __str__(self) -> str:
        return f"{self.difference} p = {self.p:.2g}"


def paired_test(
    first: ArrayLike, second: ArrayLike, resamples: int = 9999, **options: float
) -> PairedTest:
    """Sign-flip test of `first - second`: two-sided p that the mean difference is 0.

    If two methods do not differ, either could have come first in each image; the p value is the
    share of random exchanges that give a mean difference at least as large
    (`scipy.stats.permutation_test`, at least 1 / (resamples + 1)). Several tests call for `holm`.

    Args:
        first: (N,), finite, one value per image.
        second: (N,), finite, the same images in the same order.
        resamples: random exchanges.
        options: as `paired_difference`, whose interval stands beside the p value.
    """
    difference = paired_difference(first, second, **options)
    values = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    flipped = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, 2_000_000 // len(values)),
        rng=np.random.default_rng(int(options.get("seed", 0))),
    )
    return PairedTest(difference, float(flipped.pvalue))


def holm(p: ArrayLike) -> np.ndarray:
    """p values adjusted for being many (Holm 1979, step down): (M,) -> (M,) in [0, 1]."""
    values = np.asarray(p, dtype=float)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * (len(values) - np.arange(len(values)))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return adjusted
