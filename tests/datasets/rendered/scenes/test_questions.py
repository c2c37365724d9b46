"""Every question has one right answer, which an independent reading of the scene confirms."""

import collections

import numpy as np
import pytest

from xaihelpers.datasets.rendered import scenes
from xaihelpers.datasets.rendered.scenes import Thing, questions

CIRCLE = Thing("circle", "red", "plain", "large", (10, 20, 50, 60))
SQUARE = Thing("square", "blue", "striped", "small", (60, 50, 80, 70))
MOON = Thing("moon", "red", "dotted", "small", (20, 80, 30, 90))


def answer(text: str, things: list[Thing]) -> str:
    """A second, plainer way to answer: by the words of the question alone."""
    words = text.split()
    by_shape = {thing.shape: thing for thing in things}
    if words[0] == "how":
        kind = words[2] if words[3] == "things" else None
        hits = [t for t in things if kind in (None, t.colour, t.texture, t.size)]
        return str(len(hits))
    if words[:2] == ["is", "there"]:
        colour, shape = words[3:]
        return "yes" if any(t.colour == colour and t.shape == shape for t in things) else "no"
    if words[0] == "is":
        first, second = by_shape[words[2]], by_shape[words[-1]]
        return "yes" if centre_is(words[3], first, second) else "no"
    if words[:3] == ["what", "shape", "is"]:
        (found,) = [t for t in things if words[4] in (t.colour, t.texture)]
        return found.shape
    if words[1] == "is":
        given = by_shape[words[-1]]
        (found,) = [t for t in things if t is not given and mainly(words[2], t, given)]
        return found.shape
    return str(getattr(by_shape[words[-1]], words[1]))


def centres(*things: Thing) -> list[tuple[float, float]]:
    return [((t.box[0] + t.box[2]) / 2, (t.box[1] + t.box[3]) / 2) for t in things]


def centre_is(word: str, first: Thing, second: Thing) -> bool:
    (x, y), (u, v) = centres(first, second)
    return {"left": x < u, "right": x > u, "above": y < v, "below": y > v}[word]


def mainly(word: str, first: Thing, second: Thing) -> bool:
    (x, y), (u, v) = centres(first, second)
    sideways = abs(x - u) > abs(y - v)
    return sideways == (word in ("left", "right")) and centre_is(word, first, second)


@pytest.mark.parametrize("kind", questions.KINDS)
def test_answers_agree_with_a_second_reading_of_the_scene(kind: str) -> None:
    rng, seen = np.random.default_rng(0), 0
    for index in range(60):
        things = list(scenes.things("test", index, size=96))
        asked = questions.question(things, kind, rng)
        if asked is not None:
            seen += 1
            assert asked.answer == answer(asked.text, things), asked
            assert asked.answer in questions.ANSWERS
            assert set(asked.text.split()) <= set(questions.WORDS)
            assert set(asked.about) | set(asked.given) <= {thing.shape for thing in things}
    assert seen > 30


def test_evidence_is_the_thing_asked_about() -> None:
    rng = np.random.default_rng(0)
    asked = questions.question([CIRCLE], "colour", rng)
    assert asked == questions.Question(
        "colour", "what colour is the circle", "red", ("circle",), ("circle",)
    )


def test_a_shape_is_asked_by_what_nothing_else_has() -> None:
    rng = np.random.default_rng(0)
    texts = {questions.question([CIRCLE, MOON], "shape", rng).text for _ in range(50)}  # type: ignore[union-attr]
    assert texts == {"what shape is the plain thing", "what shape is the dotted thing"}


def test_a_scene_of_one_thing_has_no_question_of_place() -> None:
    rng = np.random.default_rng(0)
    assert questions.question([CIRCLE], "beside", rng) is None
    assert questions.question([CIRCLE], "where", rng) is None


def test_a_no_has_no_evidence() -> None:
    rng = np.random.default_rng(1)
    drawn = [questions.question([CIRCLE, SQUARE, MOON], "exist", rng) for _ in range(80)]
    noes = [q for q in drawn if q is not None and q.answer == "no"]
    assert 20 < len(noes) < 60
    assert all(q.about == () for q in noes)


def test_the_same_generator_asks_the_same_questions() -> None:
    one, two = (
        questions.questions([CIRCLE, SQUARE], 9, np.random.default_rng(3)) for _ in range(2)
    )
    assert one == two


def test_kinds_are_drawn_evenly_from_those_the_scene_allows() -> None:
    drawn = questions.questions([CIRCLE, SQUARE, MOON], 1600, np.random.default_rng(0))
    counts = collections.Counter(question.kind for question in drawn)
    assert set(counts) == set(questions.KINDS)
    assert all(140 < n < 260 for n in counts.values())


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        questions.question([CIRCLE], "taste", np.random.default_rng(0))
