"""What is explained, and which indices are refused."""

import numpy as np
import pytest
import torch
from torch import Tensor

from xaihelpers.cams import TargetError, targets

LOGITS = torch.tensor([[0.0, 2.0, 1.0], [3.0, -1.0, 0.5]])


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (2, [2, 2]),
        (np.int64(2), [2, 2]),
        (torch.tensor(2), [2, 2]),
        ([2, 0], [2, 0]),
        ((2, 0), [2, 0]),
        (np.array([2, 0]), [2, 0]),
        (torch.tensor([2, 0], dtype=torch.int32), [2, 0]),
        (None, [1, 0]),
    ],
)
def test_indices_are_taken_in_every_usual_form(classes: object, expected: list[int]) -> None:
    index = targets.class_indices(classes, LOGITS)
    assert index.dtype == torch.int64
    assert index.tolist() == expected


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (3, r"target \[3\] is outside the model's 3 classes.*0 to 2"),
        ([0, -1], r"target \[-1\] is outside"),
        ([0, 1, 2], "got 3 targets for 2 images"),
        ([[0, 1]], "one row"),
        (1.0, "whole numbers"),
        (torch.tensor([True, False]), "whole numbers"),
        ("cat", "whole numbers"),
    ],
)
def test_unfit_indices_are_refused(classes: object, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        targets.class_indices(classes, LOGITS)


@pytest.mark.parametrize("output", [torch.zeros(4), torch.zeros(1, 2, 3, 3), {"boxes": LOGITS}])
def test_a_class_of_an_output_that_is_no_logits_is_refused(output: object) -> None:
    with pytest.raises(TargetError, match="pass a callable"):
        targets.logit(0)(output)


def test_logit_is_the_score_before_softmax() -> None:
    assert targets.logit([2, 1])(LOGITS).tolist() == [1.0, -1.0]
    assert targets.logit()(LOGITS).tolist() == [2.0, 3.0]


def test_probability_and_log_probability_follow_softmax() -> None:
    expected = LOGITS.softmax(1)[:, 2]
    torch.testing.assert_close(targets.probability(2)(LOGITS), expected)
    torch.testing.assert_close(targets.log_probability(2)(LOGITS), expected.log())


def test_difference_subtracts_two_logits() -> None:
    assert targets.difference(None, [0, 2])(LOGITS).tolist() == [2.0, 2.5]


def test_counterfactual_negates_the_logit() -> None:
    assert targets.counterfactual(1)(LOGITS).tolist() == [-2.0, 1.0]


@pytest.mark.parametrize(
    "target",
    [
        targets.logit(),
        targets.logit(1),
        targets.probability([0, 1, 2, 0, 1]),
        targets.difference([0, 1, 2, 0, 1], None),
        targets.counterfactual(torch.tensor([2, 1, 0, 0, 1])),
    ],
)
def test_parts_of_a_target_explain_the_parts_of_a_batch(target: targets.ClassTarget) -> None:
    logits = torch.randn(5, 3)
    parts = [part(rows) for part, rows in zip(target.parts(5, 2), logits.split(2), strict=True)]
    assert torch.equal(torch.cat(parts), target(logits))


def test_parts_refuse_a_wrong_count_before_anything_is_cut() -> None:
    with pytest.raises(TargetError, match="got 4 targets for 5 images"):
        targets.logit([0, 1, 2, 0]).parts(5, 2)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (targets.probability(), "probability of the predicted class"),
        (targets.log_probability(torch.tensor(2)), "log-probability of class 2"),
        (targets.difference(1, 2), "logit of class 1 minus (logit of class 2)"),
        (targets.counterfactual([0, 1]), "minus (logit of class [0, 1])"),
    ],
)
def test_a_target_is_described_in_words(target: targets.ClassTarget, words: str) -> None:
    assert targets.label(target, LOGITS) == words


def test_a_class_logit_is_labelled_by_its_indices() -> None:
    assert targets.label(targets.as_target(None), LOGITS).tolist() == [1, 0]


def test_any_callable_is_a_target_and_is_labelled_by_its_name() -> None:
    def entropy(logits: Tensor) -> Tensor:
        return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)

    assert targets.as_target(entropy) is entropy
    assert targets.scores(entropy, LOGITS, 2).shape == (2,)
    assert targets.label(entropy, LOGITS) == "entropy"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (lambda logits: logits.sum(), r"gave shape \(\)"),
        (lambda logits: logits, r"gave shape \(2, 3\)"),
        (lambda logits: logits.argmax(1), "torch.int64"),
        (lambda logits: 1.0, "gave float"),
    ],
)
def test_a_callable_must_give_one_number_per_image(target: object, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        targets.scores(target, LOGITS, 2)
