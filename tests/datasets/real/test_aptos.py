from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.layouts import cut, write_aptos
from xaihelpers.datasets import DataError, load
from xaihelpers.datasets.real.aptos import GRADES, find
from xaihelpers.datasets.records import SPLITS, ImageDataset


def everything(root: Path, **options: object) -> dict[str, ImageDataset]:
    return {split: load("aptos", split, size=64, root=root, **options) for split in SPLITS}


def test_a_record_is_the_square_crop_of_the_retina(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    dataset = load("aptos", "train", size=64, root=tmp_path)
    assert (dataset.name, dataset.origin, dataset.classes) == ("aptos", "real", GRADES)
    for i in range(len(dataset)):
        record = dataset[i]
        assert record.image.shape == (64, 64, 3)
        assert record.image.dtype == np.uint8
        assert record.masks["retina"].mean() == pytest.approx(
            np.pi / 4, abs=0.04
        )  # fills the frame
        assert record.image[~record.masks["retina"]].mean() < 30 < record.image[32, 32].max()


def test_the_original_size_is_kept_for_the_leak_baseline(tmp_path: Path) -> None:
    write_aptos(tmp_path, side=96)
    dataset = load("aptos", "train", size=64, root=tmp_path)
    for i in range(len(dataset)):
        record = dataset[i]
        is_large = (record.meta["width"], record.meta["height"]) == (2 * 96 + 24 + 32, 2 * 96)
        assert is_large == (record.label == 0)
        assert (tmp_path / "aptos2019" / str(record.meta["file"])).exists()


def test_labels_and_names_come_from_train_csv(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    parts = everything(tmp_path)
    counts = Counter(label for part in parts.values() for label in part.labels.tolist())
    assert counts == {0: 6, 1: 5, 2: 5, 3: 5, 4: 5}
    names = [part[i].name for part in parts.values() for i in range(len(part))]
    assert len(set(names)) == 26
    assert "1e0000000002" in names  # not read as the number 1e2


def test_conflicting_duplicates_are_reported_without_being_an_error(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    parts = everything(tmp_path)
    names = [part[i].name for part in parts.values() for i in range(len(part))]
    assert not {"torn1", "torn2"} & set(names)
    assert parts["train"].report == "aptos: 2 of 28 images left out: 2 conflict."


def test_the_cache_and_the_files_give_the_same_records(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    kept = load("aptos", "test", size=64, root=tmp_path)
    made = load("aptos", "test", size=64, root=tmp_path, cache=False)
    np.testing.assert_array_equal(kept[1].image, made[1].image)
    assert kept[1].meta == made[1].meta


def test_a_changed_label_is_not_read_from_an_old_cache(tmp_path: Path) -> None:
    folder = write_aptos(tmp_path)
    before = load("aptos", "train", size=64, root=tmp_path)
    name = before[0].name
    text = (folder / "train.csv").read_text()
    other = (before[0].label + 1) % 5
    (folder / "train.csv").write_text(text.replace(f"{name},{before[0].label}", f"{name},{other}"))
    after = everything(tmp_path)
    found = [part[i] for part in after.values() for i in range(len(part)) if part[i].name == name]
    assert [record.label for record in found] == [other]


@pytest.mark.parametrize(
    ("name", "below"), [("aptos2019", ""), ("aptos2019-blindness-detection", ""), ("x", "x")]
)
def test_the_set_is_found_under_its_names_and_as_the_root(
    tmp_path: Path, name: str, below: str
) -> None:
    folder = write_aptos(tmp_path, per_grade=1, side=32).rename(tmp_path / name)
    assert find(tmp_path / below) == folder


def break_missing(folder: Path) -> None:
    (folder / "train_images" / "1e0000000002.png").unlink()


def break_truncated(folder: Path) -> None:
    cut(folder / "train_images" / "1e0000000002.png")


def break_label(folder: Path) -> None:
    text = (folder / "train.csv").read_text()
    (folder / "train.csv").write_text(text.replace("1e0000000002,1", "1e0000000002,5"))


BROKEN = [
    (break_missing, "missing file"),
    (break_truncated, "truncated or unreadable"),
    (break_label, "label outside 0-4"),
]


@pytest.mark.parametrize(("damage", "what"), BROKEN)
def test_an_unusable_image_is_one_error_naming_file_and_remedy(
    tmp_path: Path, damage: object, what: str
) -> None:
    damage(write_aptos(tmp_path))  # type: ignore[operator]
    expected = rf"1 of 28 images cannot be used.*1e0000000002\.png: {what}.*skip_bad=True"
    with pytest.raises(DataError, match=expected):
        load("aptos", "train", size=64, root=tmp_path)


@pytest.mark.parametrize(("damage", "what"), BROKEN)
def test_skip_bad_leaves_it_out_and_counts_it(tmp_path: Path, damage: object, what: str) -> None:
    damage(write_aptos(tmp_path))  # type: ignore[operator]
    parts = everything(tmp_path, skip_bad=True)
    assert sum(len(part) for part in parts.values()) == 25
    for part in parts.values():
        assert part.report.startswith("aptos: 3 of 28 images left out:")
        assert f"1 {what}" in part.report


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"train\.csv cannot be read as csv.*Download it again"),
        (b"\x89PNG\xff\xfe\x00", r"train\.csv cannot be read as csv"),
        (b'id_code,diagnosis\n"a,1\n', r"train\.csv cannot be read as csv"),
        (b"id_code,level\na,1\n", r"train\.csv has no column diagnosis.*id_code, level"),
        (None, r"incomplete: it lacks train\.csv\."),
    ],
)
def test_an_unusable_csv_is_a_clear_error(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    path = write_aptos(tmp_path, per_grade=1, side=32) / "train.csv"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        load("aptos", "train", size=64, root=tmp_path, skip_bad=True)


def test_headers_may_be_untidy(tmp_path: Path) -> None:
    path = write_aptos(tmp_path) / "train.csv"
    path.write_text(path.read_text().replace("id_code,diagnosis", "\ufeffID_Code, Diagnosis "))
    assert len(load("aptos", "train", size=64, root=tmp_path)) > 0


def test_an_unpacked_csv_without_images_says_what_to_unpack(tmp_path: Path) -> None:
    folder = tmp_path / "aptos2019"
    folder.mkdir()
    (folder / "train.csv").write_text("id_code,diagnosis\na,1\n")
    with pytest.raises(DataError, match=r"lacks train_images/ \(unpack train_images\.zip"):
        load("aptos", root=tmp_path)


def test_too_few_images_for_a_split_are_a_clear_error(tmp_path: Path) -> None:
    write_aptos(tmp_path, per_grade=1, side=32)
    with pytest.raises(DataError, match="no val images in .* at least five different"):
        load("aptos", "val", size=64, root=tmp_path)
