import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.layouts import write_covid_3class
from xaihelpers.datasets import DataError, available, load
from xaihelpers.datasets.index import crossing
from xaihelpers.datasets.real import covid_3class, radiography


def test_classes_are_in_the_order_of_the_rendered_set(tmp_path: Path) -> None:
    write_covid_3class(tmp_path)
    every = load("covid_3class", "all", size=64, root=tmp_path)
    assert every.classes == load("chest_xray", "test", size=64, limit=1).classes
    assert np.bincount(every.labels).tolist() == [7, 6, 7]
    names = {every[i].name: every[i].label for i in range(len(every))}
    assert names["train/Covid/1"] == 2
    assert names["val/Viral Pneumonia/0"] == 1


def test_copies_across_the_publishers_split_are_found(tmp_path: Path) -> None:
    folder = write_covid_3class(tmp_path)
    across = crossing(covid_3class.index(folder))
    assert set(across["file"]) == {
        "train/Normal/1.jpeg",
        "val/Normal/copy.jpeg",
        "train/Covid/1.png",
        "val/Covid/copy.jpeg",
    }
    assert across["cluster"].nunique() == 2


def test_our_split_keeps_copies_together(tmp_path: Path) -> None:
    write_covid_3class(tmp_path)
    part = {}
    for split in ("train", "val", "test"):
        data = load("covid_3class", split, size=32, root=tmp_path, cache=False)
        part |= {data[i].name: split for i in range(len(data))}
    assert part["train/Normal/1"] == part["val/Normal/copy"]
    assert part["train/Covid/1"] == part["val/Covid/copy"]
    assert set(part.values()) == {"train", "val", "test"}


def test_meta_says_what_kind_of_file_it_was(tmp_path: Path) -> None:
    write_covid_3class(tmp_path)
    every = load("covid_3class", "all", size=32, root=tmp_path)
    records = {every[i].name: every[i] for i in range(len(every))}
    assert records["train/Covid/1"].meta["format"] == "PNG"
    assert records["train/Covid/1"].meta["mode"] == "L"
    assert records["train/Normal/1"].meta["mode"] == "RGB"
    assert records["train/Normal/1"].meta["part"] == "train"


def test_a_missing_class_is_named(tmp_path: Path) -> None:
    folder = write_covid_3class(tmp_path)
    shutil.rmtree(folder / "val" / "Covid")
    with pytest.raises(DataError, match="incomplete: it lacks val/Covid/"):
        load("covid_3class", root=tmp_path)


def test_it_is_not_taken_for_the_radiography_set(tmp_path: Path) -> None:
    folder = write_covid_3class(tmp_path)
    for root in (tmp_path, folder.parent, folder):
        assert radiography.find(root) is None
        assert covid_3class.find(root) == folder
    assert available(tmp_path) == ("covid_3class",)
