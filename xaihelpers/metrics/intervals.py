"""Intervals: how far a figure would move with other images of the same kind, or other trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from xaihelpers.errors import EvaluationError


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence interval; prints as `0.912 [0.895, 0.928]`.

    Args:
        estimate: the figure of the values at hand.
        low: the lower end.
        high: the upper end.
        level: of confidence, for example 0.95.
        count: the number of images.
        trainings: the number of trained networks that the interval covers; 0 for one over images
            alone.
    """

    estimate: float
    low: float
    high: float
    level: float
    count: int
    trainings: int = 0

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
    _check_level(level)
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


def two_level_interval(
    values: ArrayLike,
    statistic: Callable[[np.ndarray], float] = np.mean,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Bootstrap over trainings and images at once: would other trainings and images say the same?

    Trainings and images are drawn with replacement, independently of each other (the pigeonhole
    bootstrap; Owen 2007, Ann. Appl. Stat. 1). Few trainings vary too little among themselves, so
    the percentiles are taken further out, as if by Student's t with one degree of freedom less
    than there are trainings (expanded percentile interval; Hesterberg 2015, arXiv 1411.5279).

    Args:
        values: (T, N), one row per training of the same recipe, one column per image, finite,
            T >= 2 and N >= 2. For a paired difference, the difference of two such arrays.
        statistic: takes an array of that shape, gives a number.
        level: of confidence.
        resamples: how many times trainings and images are drawn.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        EvaluationError: another shape, NaN, or a level outside (0, 1).
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 2 or min(array.shape) < 2:
        raise EvaluationError(
            "an interval over trainings and images needs at least 2 of each, as an array "
            f"(trainings, images), not {array.shape}"
        )
    if not np.isfinite(array).all():
        raise EvaluationError("an interval needs finite values; leave out NaN before, and say so")
    _check_level(level)
    rng = np.random.default_rng(seed)
    rows, columns = (rng.multinomial(n, np.full(n, 1 / n), size=resamples) for n in array.shape)
    if statistic is np.mean:
        drawn = ((rows @ array) * columns).sum(axis=1) / array.size
    else:
        counts = zip(rows, columns, strict=True)
        drawn = np.array([statistic(_drawn(array, *count)) for count in counts])
    trainings = len(array)
    reach = stats.t.ppf((1 + level) / 2, trainings - 1) * np.sqrt(trainings / (trainings - 1))
    low, high = np.quantile(drawn, stats.norm.cdf([-reach, reach]))
    estimate = float(statistic(array))
    return Interval(estimate, float(low), float(high), level, array.shape[1], trainings)


def _drawn(array: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Every row and every column as often as it was drawn."""
    return array.repeat(rows, axis=0).repeat(columns, axis=1)


def binomial_interval(outcomes: ArrayLike, level: float = 0.95) -> Interval:
    """Exact interval of a share (Clopper & Pearson 1934): 0 of 300 is [0, 0.0122], not [0, 0].

    Args:
        outcomes: (N,) bool, or 0 and 1; N >= 1.
        level: of confidence.

    Raises:
        EvaluationError: no outcomes, others than 0 and 1, or a level outside (0, 1).
    """
    array = np.asarray(outcomes, dtype=float)
    if array.ndim != 1 or len(array) == 0 or not np.isin(array, (0, 1)).all():
        raise EvaluationError(
            f"a share needs outcomes of 0 and 1 in one dimension, not {array.shape}"
        )
    _check_level(level)
    hits, count = int(array.sum()), len(array)
    ends = stats.binomtest(hits, count).proportion_ci(level, method="exact")
    return Interval(hits / count, float(ends.low), float(ends.high), level, count)


def hits_difference(first: ArrayLike, second: ArrayLike, level: float = 0.95) -> Interval:
    """Interval of the difference of two shares over the same images, e.g. of two accuracies.

    As `paired_difference`; where no image tells the two apart, an exact bound on how often one
    could, instead of an interval without width.

    Args:
        first: (N,) bool, or 0 and 1.
        second: the same images in the same order.
        level: of confidence.
    """
    interval = paired_difference(first, second, level=level)
    one, other = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    apart = binomial_interval(one != other, level)
    if apart.estimate > 0:
        return interval
    return Interval(0.0, -apart.high, apart.high, level, interval.count)


def family_level(level: float, count: int) -> float:
    """The level at which each of `count` intervals is taken so that all hold together.

    Bonferroni's bound. Holm's gain over it needs p values: see `holm`.

    Args:
        level: of the family, for example 0.95.
        count: the number of intervals, at least 1.
    """
    _check_level(level)
    if count < 1:
        raise EvaluationError(f"a family of {count} intervals has no level")
    return 1 - (1 - level) / count


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise EvaluationError(f"level is {level}; it must lie between 0 and 1, for example 0.95")


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
