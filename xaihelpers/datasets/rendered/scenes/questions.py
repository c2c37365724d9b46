"""Questions about scenes with one right answer each, drawn from the things in sight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xaihelpers.datasets.rendered.scenes import COLOURS, SHAPES, SIZES, TEXTURES, Thing
from xaihelpers.datasets.rendered.scenes.sentences import RELATIONS, holds, relation

MOST = 4  # things in a scene
#: Every answer, in the order of the network's outputs.
ANSWERS: tuple[str, ...] = (
    *COLOURS,
    *SHAPES,
    *TEXTURES,
    *SIZES,
    *map(str, range(MOST + 1)),
    "yes",
    "no",
)
#: Every word of the questions.
WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(
        (
            *("what", "colour", "texture", "size", "shape", "is", "the", "thing"),
            *("how", "many", "things", "are", "there", "a"),
            *(word for words in RELATIONS for word in words.split()),
            *(*COLOURS, *TEXTURES, *SIZES, *SHAPES),
        )
    )
)


@dataclass(frozen=True)
class Question:
    """A question about a scene.

    kind: one of `KINDS`. text: its words, without a question mark. answer: one of `ANSWERS`.
    about: shapes of the things that show the answer; empty where nothing does: a thing asked for
        is not there, or the answer is 0.
    given: shapes of the things that the question names.
    """

    kind: str
    text: str
    answer: str
    about: tuple[str, ...]
    given: tuple[str, ...] = ()


Things = Sequence[Thing]
Rng = np.random.Generator


def _pick(options: Sequence[Thing], rng: Rng) -> Thing:
    return options[int(rng.integers(len(options)))]


def _attribute(name: str) -> Callable[[Things, Rng], Question | None]:
    def draw(things: Things, rng: Rng) -> Question | None:
        thing = _pick(things, rng)
        text, shape = f"what {name} is the {thing.shape}", (thing.shape,)
        return Question(name, text, getattr(thing, name), shape, shape)

    return draw


def _shape(things: Things, rng: Rng) -> Question | None:
    """Named by a colour or texture that nothing else in the scene has."""
    options = [
        (getattr(thing, name), thing)
        for thing in things
        for name in ("colour", "texture")
        if sum(getattr(other, name) == getattr(thing, name) for other in things) == 1
    ]
    if not options:
        return None
    word, thing = options[int(rng.integers(len(options)))]
    return Question("shape", f"what shape is the {word} thing", thing.shape, (thing.shape,))


def _count(things: Things, rng: Rng) -> Question | None:
    """How many there are in all, of a kind that is there, or (a third each) of any kind."""
    way = int(rng.integers(3))
    if way == 0:
        shapes = tuple(thing.shape for thing in things)
        return Question("count", "how many things are there", str(len(things)), shapes)
    name, words = [("colour", COLOURS), ("texture", TEXTURES), ("size", SIZES)][rng.integers(3)]
    word = getattr(_pick(things, rng), name) if way == 1 else words[rng.integers(len(words))]
    found = tuple(thing.shape for thing in things if getattr(thing, name) == word)
    return Question("count", f"how many {word} things are there", str(len(found)), found)


def _exist(things: Things, rng: Rng) -> Question | None:
    """Half are there. Of those that are not, half have the colour of one thing, shape of none."""
    thing, there = _pick(things, rng), bool(rng.random() < 0.5)
    colour, shape = thing.colour, thing.shape
    if not there and rng.random() < 0.5:
        shapes = [s for s in SHAPES if all(s != other.shape for other in things)]
        shape = shapes[int(rng.integers(len(shapes)))]
    elif not there:
        colours = [c for c in COLOURS if c != colour]
        colour = colours[int(rng.integers(len(colours)))]
    text = f"is there a {colour} {shape}"
    if there:
        return Question("exist", text, "yes", (shape,), (shape,))
    given = (shape,) if shape == thing.shape else ()
    return Question("exist", text, "no", (), given)


def _beside(things: Things, rng: Rng) -> Question | None:
    """What lies in one direction of a thing, where exactly one thing does."""
    options = []
    for thing in things:
        for said in RELATIONS:
            found = [t for t in things if t is not thing and relation(t, thing) == said]
            if len(found) == 1:
                options.append((said, thing.shape, found[0].shape))
    if not options:
        return None
    said, given, answer = options[int(rng.integers(len(options)))]
    return Question("beside", f"what is {said} the {given}", answer, (answer,), (given,))


def _where(things: Things, rng: Rng) -> Question | None:
    """Whether a thing lies in a direction of another; half of the answers are yes."""
    if len(things) < 2:
        return None
    first, second = (things[int(i)] for i in rng.permutation(len(things))[:2])
    true = relation(first, second)
    said = true if rng.random() < 0.5 else _opposite(true)
    answer = "yes" if holds(said, first, second) else "no"
    shapes = (first.shape, second.shape)
    return Question("where", f"is the {first.shape} {said} the {second.shape}", answer, shapes)


def _opposite(said: str) -> str:
    return {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}[said]


_DRAW: dict[str, Callable[[Things, Rng], Question | None]] = {
    "colour": _attribute("colour"),
    "texture": _attribute("texture"),
    "size": _attribute("size"),
    "shape": _shape,
    "count": _count,
    "exist": _exist,
    "beside": _beside,
    "where": _where,
}
KINDS = tuple(_DRAW)


def question(things: Things, kind: str, rng: Rng) -> Question | None:
    """A question of a kind about the things; None where the scene has no well-posed one.

    Raises:
        ValueError: the kind is unknown, or there is nothing to ask about.
    """
    if kind not in _DRAW or not things:
        raise ValueError(f"kind {kind!r}, {len(things)} things: use {', '.join(KINDS)}, and things")
    return _DRAW[kind](things, rng)


def questions(things: Things, count: int, rng: Rng) -> tuple[Question, ...]:
    """`count` questions whose kinds are drawn evenly from those the scene allows."""
    found: list[Question] = []
    while len(found) < count:
        drawn = question(things, KINDS[int(rng.integers(len(KINDS)))], rng)
        if drawn is not None:
            found.append(drawn)
    return tuple(found)
