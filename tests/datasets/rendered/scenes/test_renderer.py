"""Rendered scenes: repeatable, exact masks and boxes, and twins that differ in one object only."""

import hashlib
from collections import Counter
from dataclasses import asdict

import cv2
import numpy as np
import pytest
from skimage import measure

from xaihelpers.datasets import load
from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered import scenes
from xaihelpers.datasets.rendered.scenes.shapes import coverage, placed_outline, unit_outline


def mask_digest(record: Record) -> str:
    packed = [np.packbits(record.masks[shape]).tobytes() for shape in scenes.SHAPES]
    return hashlib.sha256(b"".join(packed)).hexdigest()[:16]


def test_a_record_holds_picture_label_things_and_a_mask_per_shape() -> None:
    record = scenes.render("test", 11)
    assert record.image.shape == (128, 128, 3)
    assert record.image.dtype == np.uint8
    assert record.label == 11 % 8
    assert record.name == "scenes/test/seed0/00011"
    assert tuple(record.masks) == scenes.SHAPES
    assert scenes.things_of(record) == scenes.things("test", 11)


@pytest.mark.parametrize(
    ("index", "size", "digest"),
    [
        (0, 128, "2aed0a3fc26ed5f0"),
        (5, 128, "d054a00219af67d4"),
        (45, 128, "b445920ed7775187"),
        (5, 224, "5d10145792ae19bd"),
    ],
)
def test_masks_are_the_same_bits_everywhere(index: int, size: int, digest: str) -> None:
    assert mask_digest(scenes.render("test", index, size=size)) == digest


@pytest.mark.parametrize(
    ("index", "mean"), [(0, (143.19, 112.16, 128.16)), (5, (138.35, 122.48, 138.66))]
)
def test_pictures_are_the_same_everywhere_to_a_grey_level(
    index: int, mean: tuple[float, float, float]
) -> None:
    image = scenes.render("test", index).image
    np.testing.assert_allclose(image.mean(axis=(0, 1)), mean, atol=0.5)


def test_split_seed_and_index_each_give_another_scene() -> None:
    images = [
        scenes.render(split, index, seed=seed, size=64).image
        for split, index, seed in (("train", 0, 0), ("test", 0, 0), ("test", 8, 0), ("test", 0, 1))
    ]
    assert len({image.tobytes() for image in images}) == 4


def test_a_scene_stays_the_same_at_every_size() -> None:
    small, large = (scenes.render("val", 3, size=size) for size in (128, 256))
    for shape in scenes.SHAPES:
        halved = cv2.resize(large.masks[shape].astype(np.uint8), (128, 128))
        assert (halved.astype(bool) ^ small.masks[shape]).mean() < 0.02
    np.testing.assert_allclose(large.image.mean(), small.image.mean(), atol=3)


def test_the_label_is_the_shape_that_is_largest_in_sight() -> None:
    for index in range(120):
        found = scenes.things("train", index)
        assert 1 <= len(found) <= 4
        assert found[0].shape == scenes.SHAPES[index % 8]
        assert found[0].size == "large"
        assert len({thing.shape for thing in found}) == len(found)


def test_boxes_are_tight_around_the_visible_pixels() -> None:
    for index in range(24):
        record = scenes.render("test", index, size=96)
        for thing in scenes.things_of(record):
            (region,) = measure.regionprops(record.masks[thing.shape].astype(int))
            top, left, bottom, right = region.bbox
            assert thing.box == (left, top, right, bottom)


def test_a_pixel_belongs_to_one_object_at_most() -> None:
    for index in range(24):
        record = scenes.render("test", index, size=64)
        assert sum(mask.astype(int) for mask in record.masks.values()).max() == 1


def test_objects_hide_each_other_but_never_too_much() -> None:
    hidden = []
    for index in range(60):
        found = scenes.things("train", index)
        record = scenes.render("train", index)
        for thing in found[1:]:
            others = [other.shape for other in found if other != thing]
            whole = scenes.render("train", index, without=others).masks[thing.shape].sum()
            hidden.append(1 - record.masks[thing.shape].sum() / whole)
    assert 0.05 < np.mean(np.array(hidden) > 0.02) < 0.6
    assert max(hidden) < 0.45


def test_words_are_drawn_evenly_and_independently_of_the_label() -> None:
    found = [scenes.things("test", index)[0] for index in range(400)]
    for words, attribute in ((scenes.COLOURS, "colour"), (scenes.TEXTURES, "texture")):
        counts = Counter(getattr(thing, attribute) for thing in found)
        assert set(counts) == set(words)
        assert min(counts.values()) > 0.5 * len(found) / len(words)


def test_held_out_pairs_occur_in_the_test_split_only() -> None:
    def pairs(split: str) -> set[tuple[str, str]]:
        rows = [thing for index in range(300) for thing in scenes.things(split, index)]
        return {(thing.shape, thing.colour) for thing in rows}

    every = {(shape, colour) for shape in scenes.SHAPES for colour in scenes.COLOURS}
    assert {shape for shape, _ in scenes.HELD_OUT} == set(scenes.SHAPES)
    assert {colour for _, colour in scenes.HELD_OUT} == set(scenes.COLOURS)
    assert pairs("train") == pairs("val") == every - scenes.HELD_OUT
    assert pairs("test") == every


def test_a_twin_differs_only_where_the_missing_object_was() -> None:
    index = next(i for i in range(100) if len(scenes.things("test", i)) == 3)
    gone = scenes.things("test", index)[1].shape
    whole, twin = scenes.render("test", index), scenes.render("test", index, without=[gone])
    assert not twin.masks[gone].any()
    assert twin.label == whole.label
    assert twin.name != whole.name
    changed = (whole.image != twin.image).any(axis=2)
    near = cv2.dilate(whole.masks[gone].astype(np.uint8), np.ones((25, 25))).astype(bool)
    assert changed[whole.masks[gone]].mean() > 0.9
    assert not changed[~near].any()


def test_a_twin_keeps_what_the_missing_object_had_hidden() -> None:
    for index in range(40):
        found = scenes.things("test", index)
        if len(found) < 2:
            continue
        whole = scenes.render("test", index)
        twin = scenes.render("test", index, without=[found[0].shape])
        for thing in found[1:]:
            assert not (whole.masks[thing.shape] & ~twin.masks[thing.shape]).any()


def test_a_cached_set_gives_the_things_back(home) -> None:
    data = load("scenes", "val", size=64, limit=70)
    assert scenes.things_of(data[65]) == scenes.things("val", 65, size=64)


def test_composed_things_fill_the_boxes_asked_for() -> None:
    wanted = [
        scenes.Thing("square", "red", "plain", "large", (10, 20, 60, 70)),
        scenes.Thing("ring", "blue", "dotted", "small", (80, 80, 110, 110)),
    ]
    record = scenes.compose(wanted)
    assert record.label == scenes.SHAPES.index("square")
    for asked, thing in zip(wanted, scenes.things_of(record), strict=True):
        assert np.abs(np.subtract(thing.box, asked.box)).max() <= 1
        assert asdict(thing) | {"box": 0} == asdict(asked) | {"box": 0}
    red = record.image[record.masks["square"]].mean(axis=0)
    assert red[0] > 2 * red[1]
    assert not record.masks["ring"][95, 95]  # its hole


def test_every_outline_has_area_one_and_its_centroid_at_the_origin() -> None:
    for shape in scenes.SHAPES:
        drawn = coverage(placed_outline(shape, (0.5, 0.5), 0.3, 0.4), 256) / 255
        assert drawn.sum() / 256**2 == pytest.approx(0.09, rel=0.02)
        moments = cv2.moments(drawn)
        middle = np.array([moments["m10"], moments["m01"]]) / moments["m00"]
        np.testing.assert_allclose(middle, [127.5, 127.5], atol=0.3)


def test_turning_by_a_quarter_leaves_a_cross_as_it_is() -> None:
    corners = {tuple(np.round(point, 6) + 0.0) for point in unit_outline("cross")[0]}
    (turned,) = placed_outline("cross", (0, 0), 1.0, np.pi / 2)
    assert {tuple(np.round(point, 6) + 0.0) for point in turned} == corners


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "train, val, test"),
        ({"index": -1}, "0 or more"),
        ({"size": 32}, "64 to 512"),
        ({"without": ["dog"]}, "this scene shows"),
    ],
)
def test_a_wrong_request_says_what_is_possible(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scenes.render(**({"split": "test", "index": 0} | arguments))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": "cube"}, "circle, square"),
        ({"colour": "pink"}, "red, orange"),
        ({"box": (5, 5, 5, 9)}, "no area"),
    ],
)
def test_a_thing_that_cannot_be_drawn_is_refused(change: dict[str, object], message: str) -> None:
    thing = scenes.Thing("star", "red", "plain", "large", (10, 10, 60, 60))
    with pytest.raises(ValueError, match=message):
        scenes.compose([scenes.Thing(**{**asdict(thing), **change})])


def test_a_scene_cannot_be_composed_of_nothing_or_of_twins() -> None:
    thing = scenes.Thing("star", "red", "plain", "large", (10, 10, 60, 60))
    for wanted in ([], [thing, thing]):
        with pytest.raises(ValueError, match="distinct shapes"):
            scenes.compose(wanted)
