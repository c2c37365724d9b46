"""Scores of words, sentences and answers are those worked out by hand, and explain what is said."""

import math

import pytest
import torch
from torch import nn

from xaihelpers import cams
from xaihelpers.cams import sequence_targets as targets
from xaihelpers.errors import TargetError

# Two images, two places, three words; log-probabilities below follow from these by hand.
LOGITS = torch.tensor(
    [[[0.0, 0.0, 0.0], [math.log(2), math.log(6), 0.0]], [[5.0, 0.0, 5.0], [0.0, 0.0, math.log(2)]]]
)


def test_a_words_score_is_its_log_probability_in_its_place() -> None:
    score = targets.word(1, 1)(LOGITS)
    torch.testing.assert_close(score.exp(), torch.tensor([6 / 9, 1 / 4]))


def test_places_and_words_may_differ_from_image_to_image() -> None:
    score = targets.word([0, 1], [0, 2])(LOGITS)
    torch.testing.assert_close(score.exp(), torch.tensor([1 / 3, 1 / 2]))


def test_without_a_word_the_likeliest_is_explained() -> None:
    torch.testing.assert_close(
        targets.word(1)(LOGITS).exp(), torch.tensor([6 / 9, 2 / 4]), rtol=1e-6, atol=0
    )


def test_the_raw_score_of_a_word_is_its_logit() -> None:
    assert targets.word(0, 2, raw=True)(LOGITS).tolist() == [0.0, 5.0]


def test_a_sentence_is_the_sum_of_its_words() -> None:
    tokens = torch.tensor([[1, 2], [2, 1]])
    expected = targets.word(0, [1, 2])(LOGITS) + targets.word(1, [2, 1])(LOGITS)
    torch.testing.assert_close(targets.sentence(tokens)(LOGITS), expected)


def test_padding_costs_a_sentence_nothing() -> None:
    tokens = torch.tensor([[1, 0], [2, 0]])
    torch.testing.assert_close(targets.sentence(tokens)(LOGITS), targets.word(0, [1, 2])(LOGITS))


def test_one_sentence_serves_every_image() -> None:
    one = targets.sentence(torch.tensor([1, 2]))(LOGITS)
    torch.testing.assert_close(one, targets.sentence(torch.tensor([[1, 2], [1, 2]]))(LOGITS))


def test_an_answer_is_a_class() -> None:
    logits = LOGITS[:, 0]
    assert targets.answer(2)(logits).tolist() == [0.0, 5.0]
    torch.testing.assert_close(
        targets.answer(2, raw=False)(logits), logits.log_softmax(dim=1)[:, 2]
    )


@pytest.mark.parametrize(
    ("target", "what"),
    [
        (targets.word(2, 0), "places"),
        (targets.word(-1, 0), "places"),
        (targets.word(0.5, 0), "whole number"),  # type: ignore[arg-type]
        (targets.word([0, 1, 0], 0), "each of 2 images"),
        (targets.word(0, 3), "classes"),
        (targets.sentence(torch.tensor([[1, 2, 1]])), "places"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(target, what: str) -> None:
    with pytest.raises(TargetError, match=what):
        target(LOGITS)


def test_a_classifiers_logits_are_no_sentence() -> None:
    with pytest.raises(TargetError, match="Saying"):
        targets.word(0, 0)(LOGITS[:, 0])


class Speaker(nn.Module):
    """Word 1 in place 0 scores the red mean, word 1 in place 1 the green mean; nothing else."""

    whole_batch = True

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.eye = nn.Conv2d(3, 3, 1, bias=False)
        self.rows = rows
        with torch.no_grad():
            self.eye.weight.copy_(torch.eye(3)[:, :, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert len(images) == self.rows, "a batch with a sentence per image was cut"
        mean = self.eye(images).mean(dim=(2, 3))
        return torch.stack([torch.zeros_like(mean[:, :2]), mean[:, :2]], dim=2)


def test_each_word_has_a_map_of_its_own() -> None:
    images = torch.zeros(1, 3, 4, 4)
    images[0, 0, 0, 0], images[0, 1, 3, 3] = 1.0, 1.0
    first, second = (
        cams.explain(Speaker(1), images, "eye", target=targets.word(place, 1, raw=True)).raw[
            "grad_cam"
        ]
        for place in (0, 1)
    )
    assert first.flatten().argmax() == 0
    assert second.flatten().argmax() == 15
    assert (first > 0).sum() == (second > 0).sum() == 1


def test_a_model_with_a_sentence_per_image_gets_its_batch_whole() -> None:
    images = torch.rand(20, 3, 4, 4)
    found = cams.explain(Speaker(20), images, "eye", target=targets.word(1, 1))
    assert len(found.raw["grad_cam"]) == 20
    assert found.target == "log-probability of word 1 in place 1"
