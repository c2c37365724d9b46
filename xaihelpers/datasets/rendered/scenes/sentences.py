"""Sentences about scenes: written from the things in sight, and read back to be compared with them.

A sentence names the thing that is largest in sight and, where there is one, the second largest:
"a large red circle left of a small striped blue square". A plain texture is left unsaid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from xaihelpers.datasets.rendered.scenes import COLOURS, SHAPES, SIZES, TEXTURES, Thing

RELATIONS = ("left of", "right of", "above", "below")
UNSAID = "plain"
#: Every word of the sentences.
WORDS: tuple[str, ...] = (
    "a",
    *SIZES,
    *(texture for texture in TEXTURES if texture != UNSAID),
    *COLOURS,
    *SHAPES,
    *("left", "right", "of", "above", "below"),
)
ATTRIBUTES = ("shape", "colour", "texture", "size")


def relation(first: Thing, second: Thing) -> str:
    """Where the first thing lies, seen from the second, by the longer way between their centres."""
    across, down = _way(first, second)
    if abs(across) > abs(down):
        return "left of" if across < 0 else "right of"
    return "above" if down < 0 else "below"


def holds(said: str, first: Thing, second: Thing) -> bool:
    """Whether a relation is true, be there a better one or not: left of is left by any amount."""
    across, down = _way(first, second)
    return {
        "left of": across < 0,
        "right of": across > 0,
        "above": down < 0,
        "below": down > 0,
    }[said]


def _way(first: Thing, second: Thing) -> tuple[float, float]:
    """From the centre of the second thing's box to that of the first, in px right and down."""
    (x0, y0, x1, y1), (u0, v0, u1, v1) = first.box, second.box
    return (x0 + x1 - u0 - u1) / 2, (y0 + y1 - v0 - v1) / 2


def mirrored(things: Sequence[Thing], size: int) -> tuple[Thing, ...]:
    """The things of the same scene seen in a mirror; `size` is the image's side in px."""
    boxes = [(size - t.box[2], t.box[1], size - t.box[0], t.box[3]) for t in things]
    return tuple(replace(thing, box=box) for thing, box in zip(things, boxes, strict=True))


def phrase(thing: Thing) -> str:
    """A thing in words: "a small striped blue square"."""
    texture = () if thing.texture == UNSAID else (thing.texture,)
    return " ".join(("a", thing.size, *texture, thing.colour, thing.shape))


def sentence(things: Sequence[Thing]) -> str:
    """The sentence about a scene whose things come largest in sight first, as `scenes.things`.

    Raises:
        ValueError: there is nothing to say anything about.
    """
    if not things:
        raise ValueError("an empty scene has no sentence; give at least one thing")
    if len(things) == 1:
        return phrase(things[0])
    first, second = things[:2]
    return f"{phrase(first)} {relation(first, second)} {phrase(second)}"


@dataclass(frozen=True)
class Phrase:
    """What a sentence says of one thing, and the places of its words in the sentence."""

    shape: str
    colour: str
    texture: str
    size: str
    places: tuple[int, ...]


@dataclass(frozen=True)
class Reading:
    """A sentence taken apart; with one phrase there is no relation."""

    phrases: tuple[Phrase, ...]
    relation: str | None = None


def read(text: str) -> Reading | None:
    """Take a sentence apart; None if it does not follow the grammar."""
    words = text.split()
    first, place = _read_phrase(words, 0)
    if first is None:
        return None
    if place == len(words):
        return Reading((first,))
    steps = 2 if words[place] in ("left", "right") else 1
    said = " ".join(words[place : place + steps])
    second, end = _read_phrase(words, place + steps)
    if said not in RELATIONS or second is None or end != len(words):
        return None
    return Reading((first, second), said)


def _read_phrase(words: Sequence[str], start: int) -> tuple[Phrase | None, int]:
    """The phrase that begins at `start`, and where it ends; None if there is none."""
    found: dict[str, str] = {"texture": UNSAID}
    place = start + 1
    if words[start : start + 1] != ["a"]:
        return None, start
    order = (("size", SIZES), ("texture", TEXTURES), ("colour", COLOURS), ("shape", SHAPES))
    for name, known in order:
        if place < len(words) and words[place] in known and words[place] != UNSAID:
            found[name] = words[place]
            place += 1
    if len(found) < len(order):
        return None, start
    return Phrase(**found, places=tuple(range(start + 1, place))), place


def subjects(text: str) -> tuple[str | None, ...]:
    """For every word of a sentence the shape of the thing it speaks of; None for "a" and relations.

    A sentence that cannot be read speaks of nothing.
    """
    found: list[str | None] = [None] * len(text.split())
    reading = read(text)
    for part in () if reading is None else reading.phrases:
        for place in part.places:
            found[place] = part.shape
    return tuple(found)


@dataclass(frozen=True)
class Verdict:
    """How a sentence compares with a scene.

    readable: it follows the grammar. exact: it is the sentence of the scene, word by word.
    right: per attribute, one bool for each phrase; of a thing that is not there all are False.
    relation: whether what it says holds, False where a named thing is missing; None where it says
        nothing of the kind.
    """

    readable: bool
    exact: bool
    right: dict[str, tuple[bool, ...]]
    relation: bool | None


def compare(text: str, things: Sequence[Thing]) -> Verdict:
    """Hold a sentence against the things of a scene; any thing in sight may be named."""
    reading, by_shape = read(text), {thing.shape: thing for thing in things}
    exact = text == sentence(things)
    if reading is None:
        return Verdict(False, exact, dict.fromkeys(ATTRIBUTES, ()), None)
    pairs = [(part, by_shape.get(part.shape)) for part in reading.phrases]
    right = {
        name: tuple(
            thing is not None and getattr(part, name) == getattr(thing, name)
            for part, thing in pairs
        )
        for name in ATTRIBUTES
    }
    there = [thing for _, thing in pairs if thing is not None]
    said = reading.relation
    if said is None or len(there) < 2:
        return Verdict(True, exact, right, None if said is None else False)
    return Verdict(True, exact, right, holds(said, there[0], there[1]))
