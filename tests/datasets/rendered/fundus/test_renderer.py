"""Rendered fundus photographs: repeatable, exact masks, the grade only in the lesions."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered import fundus
from xaihelpers.metrics.baselines import colour_size_baseline

LESIONS_ALLOWED = {
    0: set(),
    1: {"microaneurysm"},
    2: {"microaneurysm", "haemorrhage", "hard_exudate", "cotton_wool"},
    3: set(fundus.LESIONS) - {"new_vessels", "preretinal", "laser_scar"},
    4: set(fundus.LESIONS),
}


def mask_digest(record: Record) -> str:
    digest = hashlib.sha256()
    for name in sorted(record.masks):
        digest.update(name.encode() + np.packbits(record.masks[name]).tobytes())
    return digest.hexdigest()[:16]


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


def test_a_record_holds_picture_label_and_every_mask() -> None:
    record = fundus.render("test", 9, size=96)
    assert record.image.shape == (96, 96, 3)
    assert record.image.dtype == np.uint8
    assert record.label == 4
    assert record.name == "fundus/test/seed0/00009"
    assert set(fundus.LESIONS) | {"retina"} <= set(record.masks)
    assert all(m.shape == (96, 96) and m.dtype == bool for m in record.masks.values())
    assert record.meta["eye"] in ("left", "right")


@pytest.mark.parametrize(
    ("index", "size", "digest"),
    [
        (3, 224, "7ec10e0ebb9bc85b"),
        (4, 224, "dc8dde7957601ecd"),
        (9, 224, "a52b9b275061f32a"),
        (3, 128, "eb086912bd6c05a9"),
        (4, 128, "301f8c6bd5cdc255"),
    ],
)
def test_masks_are_the_same_bits_everywhere(index: int, size: int, digest: str) -> None:
    assert mask_digest(fundus.render("test", index, size=size)) == digest


@pytest.mark.parametrize(
    ("index", "mean"),
    [(0, (106.03, 69.42, 56.68)), (3, (127.45, 61.29, 28.97)), (9, (162.85, 91.93, 44.13))],
)
def test_pictures_are_the_same_everywhere_to_a_grey_level(
    index: int, mean: tuple[float, float, float]
) -> None:
    image = fundus.render("test", index, size=224).image
    np.testing.assert_allclose(image.mean(axis=(0, 1)), mean, atol=0.5)


def test_another_process_renders_the_same_picture() -> None:
    code = (
        "import zlib; from xaihelpers.datasets.rendered import fundus;"
        "print(zlib.crc32(fundus.render('val', 7, seed=3, size=64).image.tobytes()))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": salt},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for salt in ("1", "2")
    }
    assert len(runs) == 1


def test_split_seed_and_index_each_give_another_eye() -> None:
    pictures = [
        fundus.render(split, index, seed=seed, size=64).image.tobytes()
        for split, index, seed in (("val", 0, 0), ("test", 0, 0), ("val", 5, 0), ("val", 0, 1))
    ]
    assert len(set(pictures)) == 4


@pytest.mark.parametrize("index", [2, 13])
def test_the_eye_is_the_same_at_every_size(index: int) -> None:
    small = fundus.render("test", index, size=224).masks
    large = fundus.render("test", index, size=448).masks
    for name, least in (("retina", 0.98), ("disc", 0.93), ("haemorrhage", 0.7)):
        halved = large[name].reshape(224, 2, 224, 2).mean(axis=(1, 3)) >= 0.5
        assert small[name].any()
        assert overlap(halved, small[name]) > least, name


@pytest.mark.parametrize("size", [64, 512])
def test_the_smallest_and_the_largest_size_work(size: int) -> None:
    record = fundus.render("train", 3, size=size)
    assert record.image.shape == (size, size, 3)
    assert 0.5 < record.masks["retina"].mean() < 0.95


def test_eye_and_camera_do_not_depend_on_the_grade() -> None:
    eyes = [fundus.render("test", 11, size=96, label=grade) for grade in range(5)]
    for eye in eyes[1:]:
        for name in ("retina", "disc", "macula", "vessels"):
            assert np.array_equal(eye.masks[name], eyes[0].masks[name])
        for name in ("camera", "view", "eye", "tint"):
            assert eye.meta[name] == eyes[0].meta[name]


@pytest.mark.parametrize("grade", range(5))
def test_each_grade_shows_its_lesions_and_none_of_a_higher_grade(grade: int) -> None:
    for index in range(12):
        record = fundus.render("val", index, label=grade)
        shown = {name for name in fundus.LESIONS if record.masks[name].any()}
        assert shown == set(record.meta["lesions"])
        assert shown <= LESIONS_ALLOWED[grade]
        if grade >= 1:
            assert "microaneurysm" in shown
        if grade in (2, 3):
            assert "haemorrhage" in shown
        if grade == 4:
            assert shown & {"new_vessels", "preretinal", "laser_scar"}


def test_masks_are_the_pixels_that_the_lesions_changed() -> None:
    for index, grade in ((0, 1), (1, 2), (2, 3), (3, 4), (4, 4)):
        sick = fundus.render("val", index, label=grade)
        well = fundus.render("val", index, label=0)
        change = np.abs(sick.image.astype(int) - well.image).max(axis=2)
        for name in sick.meta["lesions"]:
            assert np.median(change[sick.masks[name]]) > 8, name
        marked = np.any([sick.masks[name] for name in fundus.LESIONS], axis=0)
        rows, columns = np.nonzero(change > 12)
        near = [
            marked[max(r - 3, 0) : r + 4, max(c - 3, 0) : c + 4].any()
            for r, c in zip(rows, columns, strict=True)
        ]
        assert all(near)


def test_lesions_lie_in_the_retina_and_only_new_vessels_on_the_disc() -> None:
    for index in range(4, 60, 5):
        masks = fundus.render("val", index).masks
        for name in fundus.LESIONS:
            assert not (masks[name] & ~masks["retina"]).any()
            if name != "new_vessels":
                assert not (masks[name] & masks["disc"]).any(), name


def test_colour_and_size_do_not_tell_the_grade() -> None:
    train = [fundus.render("train", index, size=96) for index in range(500)]
    test = [fundus.render("test", index, size=96) for index in range(250)]
    result = colour_size_baseline(
        [r.image for r in train],
        np.array([r.label for r in train]),
        [r.image for r in test],
        np.array([r.label for r in test]),
    )
    assert result.chance == pytest.approx(0.2)
    assert result.balanced_accuracy <= 0.45


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "dev"}, "unknown split 'dev': use one of train, val, test"),
        ({"index": -1}, "got index=-1"),
        ({"seed": -2}, "seed=-2"),
        ({"size": 32}, "size 32 is out of range: use 64 to 512"),
        ({"size": 1024}, "size 1024 is out of range: use 64 to 512"),
        ({"label": 5}, "unknown label 5: use one of 0 .No DR."),
    ],
)
def test_arguments_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    arguments = {"split": "test", "index": 0} | change
    with pytest.raises(ValueError, match=message):
        fundus.render(**arguments)  # type: ignore[arg-type]
