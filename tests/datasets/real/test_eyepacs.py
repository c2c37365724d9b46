from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.datasets.layouts import cut, write_eyepacs
from xaihelpers.datasets import DataError, load
from xaihelpers.datasets.real import eyepacs


def test_every_photograph_has_its_official_grade(tmp_path: Path) -> None:
    write_eyepacs(tmp_path, patients=10)
    every = load("eyepacs_part", "all", size=64, root=tmp_path)
    assert np.bincount(every.labels).tolist() == [4, 3, 5, 4, 4]
    assert every.classes == eyepacs.CLASSES
    record = every[0]
    assert record.image.shape == (64, 64, 3)
    assert record.masks["retina"].mean() > 0.6  # cropped to the disc
    assert record.meta["grade"] == record.label


def test_both_eyes_of_a_patient_fall_in_one_part(tmp_path: Path) -> None:
    write_eyepacs(tmp_path, patients=30, side=48)
    parts: dict[object, set[str]] = {}
    for split in ("train", "val", "test"):
        data = load("eyepacs_part", split, size=32, root=tmp_path, cache=False)
        for i in range(len(data)):
            parts.setdefault(data[i].meta["group"], set()).add(split)
    assert len(parts) == 30
    assert all(len(where) == 1 for where in parts.values())


def test_referable_or_not_divides_as_the_grades_do(tmp_path: Path) -> None:
    write_eyepacs(tmp_path, patients=20, side=48)
    for split in ("train", "val", "test"):
        graded = load("eyepacs_part", split, size=32, root=tmp_path, cache=False)
        judged = load("eyepacs_part", split, size=32, root=tmp_path, cache=False, classes=2)
        assert judged.classes == ("Not referable", "Referable")
        assert judged.labels.tolist() == (graded.labels >= 2).astype(int).tolist()
        assert judged[0].name == graded[0].name
        assert judged[0].meta["grade"] == graded[0].label


def test_a_number_of_classes_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="classes=3: eyepacs_part has 5 grades, or 2"):
        load("eyepacs_part", root=tmp_path, classes=3)


def test_a_missing_part_of_the_set_is_named(tmp_path: Path) -> None:
    folder = write_eyepacs(tmp_path, patients=1)
    (folder / "labels.csv").unlink()
    assert eyepacs.find(tmp_path) == folder  # by its name
    with pytest.raises(DataError, match=r"incomplete: it lacks labels\.csv\. Restore"):
        load("eyepacs_part", root=tmp_path)


def test_unusable_rows_say_why(tmp_path: Path) -> None:
    folder = write_eyepacs(tmp_path)
    cut(folder / "images" / "100_left.jpeg")
    (folder / "images" / "101_left.jpeg").unlink()
    table = pd.read_csv(folder / "labels.csv", dtype=str)
    table.loc[table["image"] == "102_left", "level"] = "7"
    table.loc[len(table)] = ["nobody", "1"]
    table.to_csv(folder / "labels.csv", index=False)
    problems = eyepacs.index(folder).set_index("name")["problem"]
    assert problems["100_left"].startswith("truncated or unreadable")
    assert problems["101_left"] == "missing file. Restore it."
    assert problems["102_left"].startswith("label outside 0-4")
    assert problems["nobody"].startswith("no patient")
    assert (problems == "").sum() == len(problems) - 4


def test_without_the_set_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="data get eyepacs_part.*labels.csv"):
        load("eyepacs_part", root=tmp_path)
