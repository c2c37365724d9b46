"""The figures of merit against numbers worked out by hand."""

import math

import pytest
import torch

from xaihelpers.networks import evaluate, metrics

# True 0 0 0 1 1 2, predicted 0 0 1 1 2 2.
LABELS = torch.tensor([0, 0, 0, 1, 1, 2])
LOGITS = torch.eye(3)[torch.tensor([0, 0, 1, 1, 2, 2])] * 9


def test_confusion_has_the_true_class_in_rows() -> None:
    assert metrics.score(LOGITS, LABELS)["confusion"] == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]


def test_accuracy_carries_the_wilson_interval() -> None:
    scores = metrics.score(LOGITS, LABELS)
    n, p, z = 6, 4 / 6, 1.959964
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert scores["accuracy"] == pytest.approx(p)
    assert scores["accuracy_low"] == pytest.approx(centre - half, abs=1e-6)
    assert scores["accuracy_high"] == pytest.approx(centre + half, abs=1e-6)


def test_kappa_weighs_errors_by_their_squared_distance() -> None:
    # Observed: 2 errors of distance 1. Expected by the margins (3, 2, 1) and (2, 2, 2) / 6:
    # sum (i - j)^2 m_i n_j / 6 = [3(0+2+8) + 2(2+0+2) + 1(8+2+0)] / 6 = 48 / 6 = 8.
    assert metrics.score(LOGITS, LABELS)["kappa"] == pytest.approx(1 - 2 / 8)


def test_macro_f1_is_the_mean_over_classes() -> None:
    expected = (2 * 2 / (2 * 2 + 1) + 2 / (2 + 2) + 2 / (2 + 1)) / 3
    assert metrics.score(LOGITS, LABELS)["macro_f1"] == pytest.approx(expected)


def test_kappa_of_a_single_class_is_none() -> None:
    scores = metrics.score(torch.tensor([[9.0, 0.0]] * 3), torch.zeros(3, dtype=torch.int64))
    assert scores["kappa"] is None
    assert scores["accuracy"] == 1.0


def test_a_label_outside_the_classes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"label 3 is outside the 3 classes 0\.\.2"):
        metrics.score(LOGITS, LABELS + 1)


def test_counts_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="got 5 and 6"):
        metrics.score(LOGITS, LABELS[:5])


def test_evaluate_counts_every_image(tiny, patches) -> None:
    assert evaluate(tiny(), patches(10), size=8, batch_size=4)["n"] == 10


def test_evaluate_refuses_an_empty_data_set(tiny, patches) -> None:
    with pytest.raises(ValueError, match="empty data set"):
        evaluate(tiny(), patches(0))


def test_balanced_weights_give_every_class_the_same_say() -> None:
    weights = torch.tensor(metrics.balanced_weights(LABELS, 4))
    torch.testing.assert_close(weights, torch.tensor([6 / 9, 6 / 6, 6 / 3, 0.0]))
