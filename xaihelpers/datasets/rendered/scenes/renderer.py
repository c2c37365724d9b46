"""Rendered scenes of one to four objects, with a mask and a box for every object.

Shapes, colours, textures, places and clutter are drawn independently of each other, so that only
an object's outline tells its class. Everything follows from (split, seed, index).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered.renderer import check
from xaihelpers.datasets.rendered.scenes.layout import (
    COLOURS,
    SIZES,
    TEXTURES,
    Placed,
    draw_layout,
)
from xaihelpers.datasets.rendered.scenes.painting import background, expose, paint_thing
from xaihelpers.datasets.rendered.scenes.shapes import SHAPES, coverage, unit_outline
from xaihelpers.errors import DataError

CLASSES = SHAPES
COUNTS = {"train": 4000, "val": 400, "test": 1000}
MASKS = SHAPES
SIZE = 128
VERSION = 1
_VISIBLE = 128  # of 255: a pixel belongs to what covers half of it


@dataclass(frozen=True)
class Thing:
    """An object of a scene: what it is, and the box of its visible pixels.

    shape, colour, texture, size: words of `SHAPES`, `COLOURS`, `TEXTURES`, `SIZES`.
    box: (x0, y0, x1, y1) in pixels, x1 and y1 one past the last.
    """

    shape: str
    colour: str
    texture: str
    size: str
    box: tuple[int, int, int, int]


def things(
    split: str, index: int, *, seed: int = 0, size: int = SIZE, label: int | None = None
) -> tuple[Thing, ...]:
    """The objects of a scene, the largest in sight first, without painting it; as `render`.

    Raises:
        DataError: an argument is out of range.

    >>> [thing.shape for thing in things("test", 11)]
    ['star', 'square', 'heart']
    """
    layout = _layout(split, index, seed, size, label)
    return _seen(layout, _masks(layout, [coverage(t.outline, size) for t in layout], size))


def render(
    split: str,
    index: int,
    *,
    seed: int = 0,
    size: int = SIZE,
    label: int | None = None,
    without: Sequence[str] = (),
) -> Record:
    """Render one scene.

    Args:
        split: "train", "val" or "test".
        index: any number from 0.
        seed: any number from 0.
        size: side in pixels, 64 to 512. The scene is the same at every size.
        label: index into `SHAPES` of the object that is largest in sight; by default `index % 8`.
            Another label is another scene.
        without: shapes to leave out. All else keeps its place, colour and noise, so the picture is
            the exact twin of the whole scene; what the object had hidden comes into sight.

    Returns:
        Record: image (size, size, 3) uint8 RGB; label as above, of the whole scene; masks
        (size, size) bool, one per word of `SHAPES`, the object's visible pixels; meta "things",
        one dict per `Thing` (see `things_of`).

    Raises:
        DataError: an argument is out of range, or a shape to leave out is not there.

    >>> record = render("test", 11)
    >>> SHAPES[record.label], record.image.shape
    ('star', (128, 128, 3))
    """
    layout = _layout(split, index, seed, size, label)
    if missing := set(without) - {thing.shape for thing in layout}:
        there = ", ".join(thing.shape for thing in layout)
        raise DataError(f"without={sorted(missing)}: this scene shows {there}")
    layout = tuple(thing for thing in layout if thing.shape not in without)
    name = f"scenes/{split}/seed{seed}/{index:05d}"
    if without:
        name += "-without-" + "-".join(sorted(without))
    shown = index % len(SHAPES) if label is None else label
    return _picture(layout, _key(split, seed, index), shown, size, name)


def compose(wanted: Sequence[Thing], size: int = 128, seed: int = 0) -> Record:
    """A scene of one's own: upright objects fitted into their boxes, later ones in front.

    The label is the shape of the object that is largest in sight. Shapes must be distinct.

    Raises:
        DataError: no things, a shape twice, an unknown word, or a box without area.
    """
    shapes = [thing.shape for thing in wanted]
    if not shapes or len(set(shapes)) != len(shapes):
        raise DataError(f"a scene needs things of distinct shapes, not {shapes}")
    layout = tuple(_fitted(thing, size) for thing in wanted)
    key = [zlib.crc32(b"composed scenes"), seed]
    masks = _masks(layout, [coverage(t.outline, size) for t in layout], size)
    label = max(range(len(SHAPES)), key=lambda c: np.count_nonzero(masks[SHAPES[c]]))
    return _picture(layout, key, label, size, f"scenes/composed/seed{seed}")


def things_of(record: Record) -> tuple[Thing, ...]:
    """The objects of a rendered or cached record, the largest in sight first."""
    rows: Sequence[dict[str, object]] = record.meta["things"]  # type: ignore[assignment]
    return tuple(Thing(**{**row, "box": tuple(row["box"])}) for row in rows)  # type: ignore


def _layout(split: str, index: int, seed: int, size: int, label: int | None) -> tuple[Placed, ...]:
    label = check(split, index, seed=seed, size=size, label=label, classes=SHAPES, counts=COUNTS)
    rng = _generator(_key(split, seed, index), 0)
    return draw_layout(rng, SHAPES[label], new_pairs=split == "test")


def _key(split: str, seed: int, index: int) -> list[int]:
    return [zlib.crc32(b"scenes"), zlib.crc32(split.encode()), seed, index]


def _generator(key: list[int], stream: int) -> np.random.Generator:
    """Independent streams for layout (0), ground (1) and exposure (2)."""
    return np.random.default_rng(np.random.SeedSequence([*key, stream]))


def _picture(
    layout: tuple[Placed, ...], key: list[int], label: int, size: int, name: str
) -> Record:
    ground = _generator(key, 1)
    image = background(ground, size)
    turn = ground.uniform(1.1 * np.pi, 1.9 * np.pi)  # from somewhere above
    light = np.array([np.cos(turn), np.sin(turn)], np.float32)
    covered = [coverage(thing.outline, size) for thing in layout]
    for thing, own in zip(layout, covered, strict=True):
        paint_thing(image, thing, own, light)
    masks = _masks(layout, covered, size)
    return Record(
        image=expose(_generator(key, 2), image),
        label=label,
        masks=masks,
        name=name,
        meta={"things": [asdict(thing) for thing in _seen(layout, masks)]},
    )


def _masks(
    layout: tuple[Placed, ...], covered: list[np.ndarray], size: int
) -> dict[str, np.ndarray]:
    """Visible pixels of every shape; each pixel belongs to the front-most thing over it."""
    masks = {shape: np.zeros((size, size), bool) for shape in SHAPES}
    taken = np.zeros((size, size), bool)
    for thing, own in zip(reversed(layout), reversed(covered), strict=True):
        whole = own >= _VISIBLE
        masks[thing.shape] = whole & ~taken
        taken |= whole
    return masks


def _seen(layout: tuple[Placed, ...], masks: dict[str, np.ndarray]) -> tuple[Thing, ...]:
    by_area = sorted(layout, key=lambda thing: -np.count_nonzero(masks[thing.shape]))
    return tuple(Thing(t.shape, t.colour, t.texture, t.size, _box(masks[t.shape])) for t in by_area)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return (0, 0, 0, 0)
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _fitted(thing: Thing, size: int) -> Placed:
    """The upright shape, as large as fits into the thing's box, in its middle."""
    for word, words in ((thing.colour, COLOURS), (thing.texture, TEXTURES), (thing.size, SIZES)):
        if word not in words:
            raise DataError(f"{word!r} in {thing}; use one of {', '.join(words)}")
    x0, y0, x1, y1 = thing.box
    if x1 <= x0 or y1 <= y0:
        raise DataError(f"the box of {thing} has no area; give x0 < x1 and y0 < y1")
    points = unit_outline(thing.shape)[0]
    low, high = points.min(axis=0), points.max(axis=0)
    side = float((np.array([x1 - x0, y1 - y0]) / (high - low)).min() / size)
    centre = np.array([x0 + x1, y0 + y1]) / (2 * size) - side * (low + high) / 2
    where = (float(centre[0]), float(centre[1]))
    return Placed(
        thing.shape, thing.colour, thing.texture, thing.size, where, side, 0.0, (0.25, 0.25)
    )
