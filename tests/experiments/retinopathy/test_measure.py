"""The retinopathy study's tables: what the size alone tells, and tables with what they rest on."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xaihelpers.datasets.records import Record, Source
from xaihelpers.experiments.retinopathy import measure as retinopathy
from xaihelpers.run import cli

PICTURE = np.zeros((4, 4, 3), np.uint8)


def photographs(sizes: list[tuple[int, int]], grades: list[int]) -> Source:
    items = list(zip(sizes, grades, strict=True))

    def make(item: tuple[tuple[int, int], int]) -> Record:
        (width, height), grade = item
        return Record(PICTURE, grade, meta={"width": width, "height": height})

    return Source("toy", "real", ("a", "b", "c"), "test", 4, 0, np.array(grades), items, make, 1)


def test_the_size_answers_with_its_commonest_grade_and_an_unknown_one_with_the_usual() -> None:
    train = photographs([(9, 9)] * 3 + [(5, 5)] * 2, [0, 0, 2, 1, 1])
    test = photographs([(9, 9), (5, 5), (9, 9), (7, 7)], [0, 1, 2, 0])
    found = retinopathy.size_only(train, test)
    # grade 0: 2 of 2 (the unknown size is answered with 0), grade 1: 1 of 1, grade 2: 0 of 1
    assert found is not None
    assert found.balanced_accuracy == pytest.approx(2 / 3)
    assert found.chance == pytest.approx(1 / 3)


def test_pictures_of_one_size_have_no_size_to_tell_by() -> None:
    plain = Source(
        "toy",
        "rendered",
        ("a",),
        "test",
        4,
        0,
        np.zeros(2),
        [0, 0],
        lambda _: Record(PICTURE, 0),
        1,
    )
    assert retinopathy.size_only(plain, plain) is None


def test_means_of_a_single_image_are_left_out() -> None:
    table = pd.DataFrame({"image": [0, 1, 0], "layer": ["a", "a", "b"], "x": [1.0, 3.0, 1.0]})
    found = retinopathy.intervals(table, "x", {name: {"layer": name} for name in "ab"})
    assert {name: interval.estimate for name, interval in found.items()} == {"a": 2}


def test_only_the_tables_asked_for_are_written_and_only_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(retinopathy.files, "results_dir", lambda: tmp_path)
    asked: dict[str, int] = {}

    def make(count: dict[str, int]) -> pd.DataFrame:
        asked.update(count)
        return pd.DataFrame({"a": [1]})

    monkeypatch.setitem(retinopathy.TABLES, "c6_eps", (make, {"efficientnet_b0": 200}))
    assert cli.main(["measure", "retinopathy", "c6_eps", "--limit", "5"]) == 0
    assert asked == {"efficientnet_b0": 5}
    assert "c6_eps.csv is not written" in capsys.readouterr().out
    assert retinopathy.stored(tmp_path, "c6_eps").empty
    assert cli.main(["measure", "retinopathy", "c6_eps"]) == 0
    assert asked == {"efficientnet_b0": 200}
    assert retinopathy.stored(tmp_path, "c6_eps")["a"].tolist() == [1]
    assert retinopathy.stored(tmp_path, "c2_layers").empty
