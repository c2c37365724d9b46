import os
import shutil
from pathlib import Path

import pytest

from tests.datasets.layouts import (
    RELEASES,
    chest,
    cut,
    write,
    write_aptos,
    write_covid_3class,
    write_eyepacs,
    write_idrid,
    write_lung_boxes,
    write_radiography,
)
from xaihelpers.datasets.real.check import check, check_command


def test_a_sound_folder_is_counted_against_the_published_figures(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    write_radiography(tmp_path, "2021")
    report = check(tmp_path)
    assert report.ok
    words = " ".join(str(report).split())
    assert "No DR 6 1805" in words
    assert "2021 release" in words
    assert "Lung Opacity 5 6012" in words
    assert "lung masks: 20" in words
    assert words.endswith("All images can be used.")


def test_duplicates_conflicts_and_telling_sizes_are_named(tmp_path: Path) -> None:
    write_aptos(tmp_path)
    text = str(check(tmp_path))
    assert "same picture more than once (1 pictures): 2 (train_images/0e0000000000.PNG" in text
    assert "same picture, different labels (1 pictures): 2 (train_images/torn1.png" in text
    assert "all 6 images of 248 x 192 are No DR: the size gives the label away" in text


@pytest.mark.parametrize("release", RELEASES)
def test_the_release_is_told(tmp_path: Path, release: str) -> None:
    write_radiography(tmp_path, release)
    assert f"{release} release" in str(check(tmp_path))


def test_unusable_files_are_named_with_a_remedy(tmp_path: Path) -> None:
    folder = write_aptos(tmp_path)
    cut(folder / "train_images" / "1e0000000002.png")
    (folder / "train_images" / "2e0000000002.png").unlink()
    report = check(tmp_path)
    assert not report.ok
    assert "1e0000000002.png: truncated or unreadable" in str(report)
    assert "2e0000000002.png: missing file. Restore it." in str(report)
    assert "unusable images: 2 in all. Mend them, or load with skip_bad=True" in str(report)


def test_missing_and_unreadable_metadata_is_named_but_does_not_fail(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "first")
    (folder / "NORMAL.matadata.xlsx").write_text("not a workbook")
    (folder / "COVID-19.metadata.xlsx").unlink()
    report = check(tmp_path)
    assert report.ok
    assert "metadata of Normal not used" in str(report)
    assert "no metadata workbook for COVID" in str(report)


def test_an_unreadable_csv_is_reported_and_the_other_set_still_checked(tmp_path: Path) -> None:
    (write_aptos(tmp_path, per_grade=1, side=32) / "train.csv").write_bytes(b"")
    write_radiography(tmp_path, "2021")
    report = check(tmp_path)
    assert not report.ok
    assert "cannot be read as csv" in str(report)
    assert "2021 release" in str(report)


@pytest.mark.parametrize(
    ("name", "state"), [("", "holds no set known here"), ("no", "is not a folder")]
)
def test_a_folder_without_data_says_what_is_expected(tmp_path: Path, name: str, state: str) -> None:
    report = check(tmp_path / name)
    assert not report.ok
    for words in (state, "aptos2019/", "data/README.md", "data get aptos"):
        assert words in str(report)


def test_checking_writes_nothing_into_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "kaggle"
    write_aptos(root, per_grade=1, side=32)
    before = sorted(os.walk(root))
    check(root)
    assert sorted(os.walk(root)) == before


def test_the_command_prints_the_report_and_returns_the_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_aptos(tmp_path)
    assert check_command(tmp_path) == 0
    assert "APTOS 2019 in" in capsys.readouterr().out
    assert check_command(tmp_path / "no") == 1


def test_every_known_set_is_looked_at(tmp_path: Path) -> None:
    writers = (write_eyepacs, write_idrid, write_covid_3class, write_lung_boxes)
    for writer in writers:
        writer(tmp_path)
    report = check(tmp_path)
    assert report.ok
    for title in ("EyePACS (part) in", "IDRiD in", "COVID three classes in", "COVID lung boxes in"):
        assert title in str(report)


def test_one_class_alone_is_reported_as_incomplete(tmp_path: Path) -> None:
    folder = write_radiography(tmp_path, "2021")
    for name in ("Normal", "Viral Pneumonia", "Lung_Opacity"):
        shutil.rmtree(folder / name)
    write_aptos(tmp_path)
    report = check(tmp_path)
    assert not report.ok
    assert f"COVID-19 Radiography in {folder}" in str(report)
    assert "incomplete: it lacks Normal/, Viral Pneumonia/, Lung_Opacity/" in str(report)
    assert "All images can be used" not in str(report)


def test_an_empty_folder_of_a_sets_name_is_reported(tmp_path: Path) -> None:
    (tmp_path / "idrid").mkdir()
    assert "IDRiD in" in str(check(tmp_path))
    assert "lacks 1. Original Images/, 2. All Segmentation Groundtruths/" in str(check(tmp_path))


def test_fewer_images_than_published_are_named(tmp_path: Path) -> None:
    write_idrid(tmp_path)
    assert "note: 75 of the 81 published are not here" in str(check(tmp_path))


def test_folders_of_images_that_are_no_known_set_are_named(tmp_path: Path) -> None:
    write_covid_3class(tmp_path)
    write(tmp_path / "holiday" / "beach.jpg", chest(0, 0, 32))
    report = check(tmp_path)
    assert report.ok
    assert f"{tmp_path / 'holiday'} holds images and is no set known here" in str(report)
    assert "Covid19-dataset holds images and is no set" not in str(report)


def test_kinds_of_files_and_what_they_give_away_are_named(tmp_path: Path) -> None:
    write_covid_3class(tmp_path)
    text = str(check(tmp_path))
    assert "files: JPEG colour 13, PNG grey 6, JPEG grey 1" in text
    assert "all 6 images of PNG grey are COVID: the kind of file gives the label away" in text


def test_near_duplicates_across_the_publishers_split_are_named(tmp_path: Path) -> None:
    write_covid_3class(tmp_path)
    text = str(check(tmp_path))
    assert "near-duplicates (2 clusters): 4 (" in text
    assert "clusters on both sides of the publisher's split (2): 4 (" in text


def test_patients_are_counted_and_are_no_near_duplicates(tmp_path: Path) -> None:
    write_eyepacs(tmp_path)
    text = str(check(tmp_path))
    assert "patients: 8; both eyes of one always stay together" in text
    assert "near-duplicates" not in text


def test_shortcuts_stand_beside_chance(tmp_path: Path) -> None:
    write_covid_3class(tmp_path, per_class=9)
    words = " ".join(str(check(tmp_path)).split())
    assert "tells the class with a balanced accuracy (chance 0.33, n = 29) of" in words
    for what in ("outer 3 of 32 pixels", "file type and size", "32 x 32 thumbnail"):
        assert f"from the {what}" in words


def test_grades_are_asked_as_referable_or_not(tmp_path: Path) -> None:
    write_eyepacs(tmp_path, patients=20)
    assert "tells whether the grade is referable with a balanced accuracy (chance 0.50" in str(
        check(tmp_path)
    )
