"""Sentences say what is in the scene, and are read back to the same things."""

import pytest

from xaihelpers.datasets.rendered import scenes
from xaihelpers.datasets.rendered.scenes import Thing, sentences

CIRCLE = Thing("circle", "red", "plain", "large", (10, 20, 50, 60))  # centre (30, 40)
SQUARE = Thing("square", "blue", "striped", "small", (60, 50, 80, 70))  # centre (70, 60)
MOON = Thing("moon", "red", "dotted", "small", (20, 80, 30, 90))  # centre (25, 85)
TEXT = "a large red circle left of a small striped blue square"


def test_the_two_largest_things_make_the_sentence() -> None:
    assert sentences.sentence([CIRCLE, SQUARE, MOON]) == TEXT
    assert sentences.sentence([MOON]) == "a small dotted red moon"


def test_an_empty_scene_has_no_sentence() -> None:
    with pytest.raises(ValueError, match="at least one thing"):
        sentences.sentence([])


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (CIRCLE, SQUARE, "left of"),
        (SQUARE, CIRCLE, "right of"),
        (CIRCLE, MOON, "above"),
        (MOON, CIRCLE, "below"),
    ],
)
def test_the_relation_is_the_longer_way(first: Thing, second: Thing, said: str) -> None:
    assert sentences.relation(first, second) == said


def test_a_lesser_relation_holds_too_and_its_opposite_does_not() -> None:
    assert sentences.holds("above", CIRCLE, SQUARE)
    assert not sentences.holds("below", CIRCLE, SQUARE)


def test_a_mirror_swaps_left_and_right_alone() -> None:
    circle, square, moon = sentences.mirrored([CIRCLE, SQUARE, MOON], 100)
    assert circle.box == (50, 20, 90, 60)
    assert sentences.relation(circle, square) == "right of"
    assert sentences.relation(circle, moon) == "above"
    assert sentences.mirrored([circle], 100) == (CIRCLE,)


def test_reading_gives_back_what_was_said() -> None:
    reading = sentences.read(TEXT)
    assert reading is not None
    assert reading.relation == "left of"
    first, second = reading.phrases
    assert (first.size, first.texture, first.colour, first.shape) == (
        "large",
        "plain",
        "red",
        "circle",
    )
    assert (second.places, second.texture) == ((7, 8, 9, 10), "striped")


@pytest.mark.parametrize(
    "text",
    ["", "a", "a red circle", "a large circle", "large red circle", "a large red circle left of",
     "a large red circle of a small blue square", "a large red circle a small blue square",
     "a large red circle left of a small blue square red", "a large plain red circle"],
)  # fmt: skip
def test_what_breaks_the_grammar_is_not_read(text: str) -> None:
    assert sentences.read(text) is None
    assert set(sentences.subjects(text)) <= {None}


def test_every_rendered_scene_is_read_back_right() -> None:
    for split in ("train", "test"):
        for index in range(40):
            things = scenes.things(split, index, size=96)
            verdict = sentences.compare(sentences.sentence(things), things)
            assert verdict.readable
            assert verdict.exact
            assert verdict.relation in (True, None)
            assert all(all(hits) for hits in verdict.right.values())
            assert set(sentences.sentence(things).split()) <= set(sentences.WORDS)


def test_words_speak_of_their_thing() -> None:
    named = sentences.subjects(TEXT)
    assert named == (None, *["circle"] * 3, None, None, None, *["square"] * 4)


def test_wrong_words_are_found_one_by_one() -> None:
    things = [CIRCLE, SQUARE]
    verdict = sentences.compare("a large red circle right of a small dotted blue square", things)
    assert not verdict.exact
    assert verdict.right == {
        "shape": (True, True),
        "colour": (True, True),
        "texture": (True, False),
        "size": (True, True),
    }
    assert verdict.relation is False


def test_a_thing_that_is_not_there_has_nothing_right() -> None:
    verdict = sentences.compare("a large red star left of a small striped blue square", [SQUARE])
    assert [hits[0] for hits in verdict.right.values()] == [False] * 4
    assert verdict.right["colour"][1]
    assert verdict.relation is False
