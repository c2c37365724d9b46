import os
from pathlib import Path

import pytest

from tests.datasets.layouts import RELEASES, cut, write_aptos, write_radiography
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


@pytest.mark.parametrize(("name", "state"), [("", "holds neither set"), ("no", "is not a folder")])
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
