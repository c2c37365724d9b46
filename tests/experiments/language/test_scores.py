"""Figures of sentences, answers and heat, against values worked out by hand."""

import numpy as np
import pytest
import torch

from xaihelpers.datasets.rendered.scenes import Thing
from xaihelpers.datasets.rendered.scenes.questions import Question
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.language import scores as language

CIRCLE = Thing("circle", "green", "plain", "large", (10, 20, 50, 60))  # a pair that is held out
SQUARE = Thing("square", "blue", "striped", "small", (60, 50, 80, 70))
RIGHT = "a large green circle left of a small striped blue square"


def test_right_sentences_score_one() -> None:
    scores = language.caption_scores([RIGHT] * 3, [(CIRCLE, SQUARE)] * 3)
    for name in ("readable", "exact", "relation", "shape", "colour", "texture", "size"):
        assert scores[name] == 1
    assert scores["bleu4"] == pytest.approx(1)


def test_each_kind_of_mistake_counts_where_it_belongs() -> None:
    said = [RIGHT, "a large red circle right of a small striped blue square", "a circle", RIGHT]
    scores = language.caption_scores(said, [(CIRCLE, SQUARE)] * 4)
    assert scores["readable"] == 3 / 4
    assert scores["exact"] == 2 / 4
    assert scores["relation"] == 2 / 3
    assert scores["colour"] == 5 / 6
    assert scores["shape"] == scores["size"] == scores["texture"] == 1


def test_pairs_that_training_never_showed_are_counted_apart() -> None:
    said = ["a large red circle left of a small striped blue square"]
    scores = language.caption_scores(said, [(CIRCLE, SQUARE)])
    assert scores["colour_new"] == 0
    assert scores["colour_seen"] == 1


def test_sentences_that_cannot_be_read_are_no_error() -> None:
    scores = language.caption_scores(["circle a a"], [(CIRCLE, SQUARE)])
    assert (scores["readable"], scores["exact"], scores["colour"]) == (0, 0, None)


def test_bleu_falls_with_a_wrong_word() -> None:
    wrong = RIGHT.replace("blue", "red")
    assert 0.3 < language.bleu4([wrong], [RIGHT]) < 0.9


def test_blind_guesses_answer_by_the_words_alone() -> None:
    def q(text: str, answer: str) -> Question:
        return Question("colour", text, answer, ())

    learnt = [q("a", "red"), q("a", "red"), q("a", "blue"), q("b", "blue"), q("b", "blue")]
    guess = language.question_only(learnt)
    assert [guess(q(text, "")) for text in "abc"] == ["red", "blue", "blue"]
    assert language.majority_by_kind(learnt) == {"colour": "blue"}
    asked = [q("a", "red"), q("b", "red")]
    row = language.answer_scores(asked, ["red", "red"], learnt).loc["all"]
    assert (row.n, row.accuracy, row.majority, row.question_only) == (2, 1, 0, 0.5)


def test_energies_of_a_map_with_three_in_four_parts_on_the_thing() -> None:
    heat = torch.zeros(1, 4, 4)
    heat[0, 0, 0], heat[0, 3, 3] = 3.0, 1.0
    own, others = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    own[0, 0, 0], others[0, 3, 2:] = True, True
    (row,) = language.energies(heat, own, others).to_dict("records")
    assert (row["own"], row["others"], row["empty"]) == (0.75, 0.25, False)
    assert (row["own_area"], row["others_area"]) == (1 / 16, 2 / 16)
    assert row["centre"] < 1 / 16  # a corner holds less of a centred bump than its area


def test_an_invisible_thing_is_refused() -> None:
    nothing = torch.zeros(1, 4, 4, dtype=torch.bool)
    with pytest.raises(EvaluationError, match="visible"):
        language.energies(torch.ones(1, 4, 4), nothing, nothing)


def test_words_of_one_image_count_as_one() -> None:
    interval = language.over_images([1, 1, 1, 0], [0, 0, 0, 1])
    assert interval.estimate == 0.5
    assert interval.count == 2


def test_masks_of_named_things_and_of_the_others() -> None:
    masks = {name: np.zeros((2, 2), bool) for name in ("circle", "square", "moon")}
    masks["circle"][0, 0] = masks["square"][0, 1] = masks["moon"][1, 1] = True
    own, others = language.thing_masks([masks], [("circle", "moon")])
    assert own.tolist() == [[[True, False], [False, True]]]
    assert others.tolist() == [[[False, True], [False, False]]]


def test_how_far_maps_move() -> None:
    one = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]], [[2.0, 0.0]], [[0.0, 0.0]], [[0.0, 0.0]]])
    two = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[5.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]])
    assert language.moved(one, two).tolist() == pytest.approx([1, 0.5, 0, 1, 0])
