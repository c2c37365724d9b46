"""Bootstrap intervals: known cases, repeatability, refusals."""

from itertools import product

import numpy as np
import pytest

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.intervals import (
    binomial_interval,
    bootstrap_interval,
    family_level,
    hits_difference,
    paired_difference,
    two_level_interval,
)


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


# Over trainings and images


def test_where_only_trainings_differ_the_interval_is_that_of_their_resampled_mean() -> None:
    by_training = np.array([0.1, 0.2, 0.4])
    interval = two_level_interval(np.repeat(by_training[:, None], 7, axis=1))
    # all 27 draws of three trainings; t with 2 degrees of freedom, times the root of 3/2, takes
    # the percentiles out to the least and the largest mean
    means = [np.mean(draw) for draw in product(by_training, repeat=3)]
    assert interval.low == pytest.approx(min(means))
    assert interval.high == pytest.approx(max(means))
    assert interval.estimate == pytest.approx(0.7 / 3)
    assert (interval.count, interval.trainings) == (7, 3)


def test_equal_values_have_no_width_and_a_constant_shifts_the_interval() -> None:
    assert two_level_interval(np.ones((3, 4))).low == 1
    values = np.random.default_rng(1).random((5, 20))
    plain, shifted = two_level_interval(values), two_level_interval(values + 2)
    assert shifted.low == pytest.approx(plain.low + 2)
    assert shifted.high == pytest.approx(plain.high + 2)


def test_any_statistic_sees_the_same_draws_as_the_mean() -> None:
    values = np.random.default_rng(1).random((4, 6))
    mean = two_level_interval(values, resamples=200)
    same = two_level_interval(values, lambda array: float(array.sum() / array.size), resamples=200)
    assert (same.low, same.high) == pytest.approx((mean.low, mean.high))


def test_five_trainings_cover_the_truth_about_as_often_as_stated() -> None:
    rng, covered = np.random.default_rng(0), 0
    for _ in range(200):
        values = rng.normal(size=(5, 1)) + rng.normal(size=(1, 40)) + rng.normal(size=(5, 40))
        interval = two_level_interval(values, resamples=1000)
        covered += interval.low <= 0 <= interval.high
    assert covered >= 188  # 94 % (measured: 193; the plain percentiles cover 183)


@pytest.mark.parametrize("shape", [(5,), (1, 5), (5, 1)])
def test_one_training_has_no_interval_over_trainings(shape: tuple[int, ...]) -> None:
    with pytest.raises(EvaluationError, match="at least 2 of each"):
        two_level_interval(np.zeros(shape))


# Exact bounds


def test_a_share_that_never_occurs_has_an_upper_bound_all_the_same() -> None:
    interval = binomial_interval(np.zeros(300, dtype=bool))
    assert interval.low == 0
    assert interval.high == pytest.approx(1 - 0.025 ** (1 / 300))  # 0.0122
    assert binomial_interval(np.ones(300)).low == pytest.approx(0.025 ** (1 / 300))


def test_a_share_of_one_half_by_hand() -> None:
    interval = binomial_interval([0, 1])  # P(0 of 2) = (1 - p)^2 and P(2 of 2) = p^2
    assert interval.estimate == 0.5
    assert interval.high == pytest.approx(np.sqrt(1 - 0.025))
    assert interval.low == pytest.approx(1 - np.sqrt(1 - 0.025))


def test_networks_that_are_right_on_the_same_images_may_still_differ_a_little() -> None:
    right = np.arange(300) % 3 > 0
    interval = hits_difference(right, right)
    assert interval.estimate == 0
    assert interval.high == -interval.low == pytest.approx(1 - 0.025 ** (1 / 300))
    other = right.copy()
    other[:10] = ~other[:10]
    assert hits_difference(right, other) == paired_difference(right, other)


def test_a_family_of_intervals_shares_the_chance_of_an_error() -> None:
    assert family_level(0.95, 1) == pytest.approx(0.95)
    assert family_level(0.95, 5) == pytest.approx(0.99)
    with pytest.raises(EvaluationError, match="family of 0"):
        family_level(0.95, 0)


@pytest.mark.parametrize("outcomes", [[], [0.5, 1], [[0, 1]]])
def test_outcomes_that_are_no_share_are_refused(outcomes: list) -> None:
    with pytest.raises(EvaluationError, match="outcomes of 0 and 1"):
        binomial_interval(outcomes)
