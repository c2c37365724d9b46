import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.layouts import write_idrid
from xaihelpers.datasets import DataError, load
from xaihelpers.datasets.real import idrid


def test_every_photograph_has_a_mask_of_each_type(tmp_path: Path) -> None:
    write_idrid(tmp_path)
    every = load("idrid", "all", size=64, root=tmp_path)
    assert len(every) == 6
    for i in range(6):
        assert set(every[i].masks) == {"retina", *idrid.TYPES}
        number = int(every[i].name.removeprefix("IDRiD_")) - 1
        assert every[i].masks["soft_exudate"].any() == (number % 2 == 0)
        assert every[i].masks["disc"].any()


def test_lesions_smaller_than_a_pixel_stay(tmp_path: Path) -> None:
    write_idrid(tmp_path)
    for size in (16, 64):
        data = load("idrid", "all", size=size, root=tmp_path)
        assert all(data[i].masks["microaneurysm"].sum() >= 1 for i in range(len(data)))


def test_masks_lie_where_the_lesions_are(tmp_path: Path) -> None:
    write_idrid(tmp_path)
    data = load("idrid", "all", size=120, root=tmp_path)
    record = data[0]
    rows, columns = np.nonzero(record.masks["haemorrhage"])
    # drawn at row 40 and column 30 + 120 / 9 of a disc whose square is 120 px, 15 px wide; the crop
    # takes a margin of about 4 px off and enlarges by about 120 / 112
    assert rows.mean() == pytest.approx((40 + 7.5 - 4.8) * 120 / 110.4, abs=4)
    assert columns.mean() == pytest.approx((30 + 13 + 7.5 - 4.8) * 120 / 110.4, abs=4)
    assert (record.masks["haemorrhage"] <= record.masks["retina"]).all()


def test_the_publishers_part_is_kept_beside_ours(tmp_path: Path) -> None:
    folder = write_idrid(tmp_path)
    table = idrid.index(folder)
    assert table["part"].tolist() == ["train"] * 4 + ["test"] * 2


def test_a_folder_without_masks_is_incomplete(tmp_path: Path) -> None:
    folder = write_idrid(tmp_path, count=3)
    shutil.rmtree(folder / idrid.MASKS)
    with pytest.raises(DataError, match="incomplete: it lacks 2. All Segmentation Groundtruths/"):
        load("idrid", root=tmp_path)


def test_a_photograph_without_any_mask_cannot_be_used(tmp_path: Path) -> None:
    folder = write_idrid(tmp_path)
    for path in (folder / idrid.MASKS).rglob("IDRiD_02_*"):
        path.unlink()
    with pytest.raises(DataError, match="1 of 6 images cannot be used.*no masks. Restore them"):
        load("idrid", "all", root=tmp_path)


def test_without_the_set_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ieee-dataport.*CC BY 4.0"):
        load("idrid", root=tmp_path)
