from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.datasets.layouts import lungs, write_covid_3class, write_lung_boxes
from xaihelpers.datasets import DataError, load
from xaihelpers.datasets.real import covid_lung_boxes

LAYOUTS = pytest.mark.parametrize("coco", [True, False], ids=["coco", "table"])


@LAYOUTS
def test_boxes_are_scaled_to_the_stored_picture(tmp_path: Path, coco: bool) -> None:
    write_lung_boxes(tmp_path, coco)
    data = load("covid_lung_boxes", "all", size=128, root=tmp_path)
    assert len(data) == 10
    for i in range(10):
        record = data[i]
        overlap = record.masks["lung_boxes"] & lungs(128)
        either = record.masks["lung_boxes"] | lungs(128)
        assert overlap.sum() / either.sum() > 0.9
        boxes = record.meta["boxes"]
        assert isinstance(boxes, dict)
        x0, y0, x1, y1 = boxes["right"]
        assert (x0, y0) == pytest.approx((128 / 6, 128 / 5), abs=0.2)
        assert x1 < boxes["left"][0]  # of the patient: the right lung is on the picture's left
        assert y1 == pytest.approx(128 * 0.8, abs=0.2)


@LAYOUTS
def test_findings_become_classes_and_stay_in_meta(tmp_path: Path, coco: bool) -> None:
    write_lung_boxes(tmp_path, coco)
    data = load("covid_lung_boxes", "all", size=32, root=tmp_path)
    assert np.bincount(data.labels, minlength=4).tolist() == [2, 2, 4, 2]
    for i in range(len(data)):
        assert covid_lung_boxes.label_of(str(data[i].meta["finding"])) == data[i].label
        assert data[i].meta["licence"] == "CC BY 4.0"


def test_pictures_of_a_patient_stay_together(tmp_path: Path) -> None:
    folder = write_lung_boxes(tmp_path, count=20)
    table = covid_lung_boxes.index(folder)
    assert (table.groupby("group")["cluster"].nunique() == 1).all()
    assert table["cluster"].nunique() == 10


def test_copies_of_another_set_are_left_out_with_their_patient(tmp_path: Path) -> None:
    folder = write_lung_boxes(tmp_path)
    other = write_covid_3class(tmp_path)
    copy = (folder / "images" / "chest é 4.jpg").read_bytes()
    (other / "train" / "Normal" / "taken.jpeg").write_bytes(copy)
    whole = load("covid_lung_boxes", "all", size=32, root=tmp_path)
    apart = load("covid_lung_boxes", "all", size=32, root=tmp_path, apart_from="covid_3class")
    names = {apart[i].name for i in range(len(apart))}
    assert len(whole) == 10
    assert names == {f"chest é {n}" for n in range(10) if n not in (4, 5)}
    assert apart.report.endswith("2 of 10 images left out: 2 set aside.")


@pytest.mark.parametrize(
    ("other", "message"), [("mnist", "use one of covid_3class"), ("radiography", "is not under")]
)
def test_an_unknown_or_absent_other_set_is_refused(
    tmp_path: Path, other: str, message: str
) -> None:
    write_lung_boxes(tmp_path)
    with pytest.raises(DataError, match=message):
        load("covid_lung_boxes", "all", root=tmp_path, apart_from=other)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"right_w": 0}, "box: the right lung's box .* has no area"),
        ({"left_x": 500}, "box: the left lung's box lies outside"),
        ({"filename": "gone.jpg"}, "missing file. Restore it."),
    ],
)
def test_unusable_rows_say_why(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    folder = write_lung_boxes(tmp_path, coco=False)
    table = pd.read_csv(folder / "labels.csv").astype(object)
    table.loc[3, list(change)] = list(change.values())
    table.to_csv(folder / "labels.csv", index=False)
    with pytest.raises(DataError, match=f"1 of 10 images cannot be used.*{problem}"):
        load("covid_lung_boxes", "all", root=tmp_path)


def test_a_damaged_annotation_file_is_named(tmp_path: Path) -> None:
    folder = write_lung_boxes(tmp_path)
    (folder / "annotations" / "annotations.json").write_text("{}")
    with pytest.raises(DataError, match=r"annotations\.json is not the COCO file expected"):
        load("covid_lung_boxes", root=tmp_path)
