from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.datasets.layouts import RELEASES, chest, cut, lungs, write, write_radiography
from xaihelpers.datasets import DataError, load
from xaihelpers.datasets.real import radiography
from xaihelpers.datasets.records import SPLITS, ImageDataset


def everything(root: Path, **options: object) -> list[ImageDataset]:
    return [load("radiography", split, size=64, root=root, **options) for split in SPLITS]


@pytest.mark.parametrize("release", RELEASES)
def test_every_release_gives_the_same_kind_of_record(tmp_path: Path, release: str) -> None:
    folder = write_radiography(tmp_path, release)
    parts = everything(tmp_path)
    counts = Counter(label for part in parts for label in part.labels.tolist())
    assert counts == {0: 5, 1: 5, 2: 5}
    assert parts[0].classes == ("Normal", "Viral Pneumonia", "COVID")
    record = parts[0][0]
    assert record.image.shape == (64, 64, 3)
    assert record.image.dtype == np.uint8
    assert (folder / str(record.meta["file"])).stem == record.name
    assert radiography.release(radiography.index(folder)) == release


@pytest.mark.parametrize("release", RELEASES)
def test_metadata_is_matched_by_class_and_number(tmp_path: Path, release: str) -> None:
    write_radiography(tmp_path, release)
    covid = RELEASES[release][1][2][0]
    for part in everything(tmp_path):
        for i in range(len(part)):
            number = int("".join(filter(str.isdigit, part[i].name.removeprefix("COVID-19"))))
            assert str(part[i].meta["url"]).endswith(f"/{number - 1}")
            assert (f"/{covid}/" in str(part[i].meta["url"])) == (part[i].label == 2)


def test_lung_masks_lie_on_the_image(tmp_path: Path) -> None:
    write_radiography(tmp_path, "2021", side=105)
    for part in everything(tmp_path):
        for i in range(len(part)):
            assert part[i].masks.keys() == {"lung"}
            assert np.mean(part[i].masks["lung"] ^ lungs(64)) < 0.06


def test_releases_without_masks_give_none(tmp_path: Path) -> None:
    write_radiography(tmp_path, "first")
    assert load("radiography", "test", size=64, root=tmp_path)[0].masks == {}


def test_images_of_all_depths_are_equally_bright(tmp_path: Path) -> None:
    write_radiography(tmp_path, "2021")
    means = [part[i].image.mean() for part in everything(tmp_path) for i in range(len(part))]
    assert 60 < min(means) < max(means) < 180


def test_four_classes_keep_the_split_of_three(tmp_path: Path) -> None:
    write_radiography(tmp_path, "2021", per_class=10)
    for three, four in zip(everything(tmp_path), everything(tmp_path, classes=4), strict=True):
        assert four.classes == (*three.classes, "Lung Opacity")
        names = [four[i].name for i in range(len(four)) if four[i].label < 3]
        assert names == [three[i].name for i in range(len(three))]
        assert len(four) > len(three)


@pytest.mark.parametrize(
    ("release", "classes", "message"),
    [("2021", 5, "classes=5.*3 or 4"), ("first", 4, "has no Lung_Opacity.*Use classes=3")],
)
def test_classes_that_are_not_there_are_a_clear_error(
    tmp_path: Path, release: str, classes: int, message: str
) -> None:
    write_radiography(tmp_path, release, per_class=1)
    with pytest.raises(DataError, match=message):
        load("radiography", root=tmp_path, classes=classes)


def test_jpeg_upper_case_and_stray_files_are_dealt_with(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "first")
    write(folder / "NORMAL" / "NORMAL(6).JPG", chest(0, 6, 96))
    write(folder / "NORMAL" / "normal-7.jpeg", chest(0, 7, 96))
    (folder / "NORMAL" / "Thumbs.db").write_text("x")
    (folder / "NORMAL" / "._NORMAL (1).png").write_text("x")
    table = radiography.index(folder)
    assert (table["label"] == 0).sum() == 7
    assert (table["problem"] == "").all()


def test_the_set_is_found_two_levels_down(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path / "archive", "2021", per_class=1)
    assert radiography.find(tmp_path) == folder
    assert radiography.find(folder) == folder
    assert radiography.find(tmp_path / "nowhere") is None


def test_a_truncated_image_or_mask_and_a_missing_mask_are_unusable(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "2021", per_class=6)
    cut(folder / "COVID/images/COVID-1.png")
    cut(folder / "COVID/masks/COVID-2.png")
    (folder / "Normal/masks/Normal-1.png").unlink()
    with pytest.raises(DataError, match=r"3 of 18 images cannot be used.*skip_bad=True"):
        load("radiography", root=tmp_path)
    parts = everything(tmp_path, skip_bad=True)
    assert sum(len(part) for part in parts) == 15
    for reason in ("1 truncated or unreadable", "1 mask truncated or unreadable", "1 no lung mask"):
        assert reason in parts[0].report


def test_a_bad_image_of_a_class_not_asked_for_does_not_matter(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "2021")
    cut(folder / "Lung_Opacity/images/Lung_Opacity-1.png")
    assert everything(tmp_path)[0].report == ""


def test_unreadable_or_absent_metadata_leaves_the_source_unknown(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "first")
    (folder / "NORMAL.matadata.xlsx").write_text("not a workbook")
    (folder / "COVID-19.metadata.xlsx").unlink()
    train = load("radiography", "train", size=64, root=tmp_path)
    for i in range(len(train)):
        assert bool(train[i].meta["url"]) == (train[i].label == 1)


def test_a_workbook_without_its_columns_is_named(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "first", per_class=1)
    path = folder / "NORMAL.matadata.xlsx"
    pd.DataFrame({"file name": ["a"], "size": [1]}).to_excel(path, index=False)
    with pytest.raises(DataError, match=r"NORMAL\.matadata\.xlsx: no column FILE NAME or URL"):
        radiography.read_workbook(path)


def test_the_same_picture_under_two_classes_is_left_out(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "2021")
    picture = (folder / "Normal/images/Normal-1.png").read_bytes()
    (folder / "Lung_Opacity/images/Lung_Opacity-1.png").write_bytes(picture)
    parts = everything(tmp_path)
    assert parts[0].report == "radiography: 1 of 15 images left out: 1 conflict."
    names = [part[i].name for part in parts for i in range(len(part))]
    assert "Normal-1" not in names
