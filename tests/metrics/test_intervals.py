"""Bootstrap intervals: known cases, repeatability, refusals."""

import numpy as np
import pytest

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.intervals import bootstrap_interval, paired_difference


def test_the_interval_of_a_mean_is_close_to_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(size=400)
    interval = bootstrap_interval(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(1).random(50)
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)


def test_equal_values_have_an_interval_of_no_width() -> None:
    interval = bootstrap_interval(np.ones(10, dtype=bool))
    assert (interval.low, interval.estimate, interval.high) == (1, 1, 1)
    assert str(interval) == "1.000 [1.000, 1.000]"


def test_several_samples_are_resampled_together() -> None:
    values = np.random.default_rng(1).random(30)

    def largest_gap(one: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(one - other).max())

    interval = bootstrap_interval(values, values, statistic=largest_gap, resamples=50)
    assert (interval.low, interval.high) == (0, 0)


def test_a_paired_difference_is_sharper_than_the_spread_between_images() -> None:
    values = np.random.default_rng(1).normal(scale=10, size=100)
    interval = paired_difference(values + 0.5, values)
    assert interval.low == pytest.approx(0.5)
    assert interval.high == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (([1.0],), {}, "at least 2"),
        (([1.0, 2.0], [1.0, 2.0, 3.0]), {}, "one length"),
        (([1.0, np.nan],), {}, "finite"),
        (([1.0, 2.0],), {"level": 95}, "between 0 and 1"),
    ],
)
def test_values_without_an_interval_are_refused(
    samples: tuple, options: dict, message: str
) -> None:
    with pytest.raises(EvaluationError, match=message):
        bootstrap_interval(*samples, **options)
