"""What is written is whole or not there at all."""

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from xaihelpers import files

TABLES = sorted((Path(__file__).resolve().parents[1] / "results" / "tables").glob("*.csv"))


def test_a_finished_write_replaces_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "table.csv"
    for text in ("old", "new"):
        with files.atomic_path(target) as partial:
            partial.write_text(text)
    assert target.read_text() == "new"
    assert os.listdir(target.parent) == ["table.csv"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="halfway"), files.atomic_path(target) as partial:
        partial.write_text("ne")
        raise RuntimeError("halfway")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


def test_a_full_disk_is_named_with_a_remedy(tmp_path: Path) -> None:
    with (
        pytest.raises(files.StorageError, match="XAIHELPERS_HOME"),
        files.atomic_path(tmp_path / "table.csv"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file where a folder should be")
    with (
        pytest.raises(files.StorageError, match=r"cannot write .*table\.csv"),
        files.atomic_path(tmp_path / "results" / "table.csv"),
    ):
        pass


def test_home_is_chosen_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    assert files.checkpoints_dir() == tmp_path / "results" / "checkpoints"
    assert files.data_dir() == tmp_path / "data"


def test_a_home_given_in_short_is_a_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for short in ("out", "./out", "~/out"):
        monkeypatch.setenv("XAIHELPERS_HOME", short)
        assert files.home() == tmp_path.resolve() / "out"


def test_a_number_keeps_six_significant_digits() -> None:
    assert files.rounded(123456.789) == 123457
    assert files.rounded(0.000123456789) == 0.000123457
    assert files.rounded(1 / 3) == 0.333333
    assert files.rounded(134272835.0) == 134272835


def test_a_table_is_written_with_six_significant_digits_and_whole_numbers_in_full(
    tmp_path: Path,
) -> None:
    table = pd.DataFrame({"share": [1 / 3, np.nan], "count": [123456789, 0], "hits": ["0110", "1"]})
    files.save_table(table, tmp_path / "table.csv")
    assert (tmp_path / "table.csv").read_text() == (
        "share,count,hits\n0.333333,123456789,0110\n,0,1\n"
    )


def test_the_ninth_digit_does_not_change_a_stored_table(tmp_path: Path) -> None:
    for value in (0.123456789, 0.123456781):
        files.save_table(pd.DataFrame({"a": [value]}), tmp_path / "table.csv")
        assert (tmp_path / "table.csv").read_text() == "a\n0.123457\n"


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_committed_table_is_as_it_would_be_written_again(path: Path, tmp_path: Path) -> None:
    files.save_table(pd.read_csv(path, dtype={"hits": str}), tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == path.read_bytes()


def figure(level: int) -> Figure:
    drawn = Figure(figsize=(1, 1), dpi=20, facecolor=(level / 255,) * 3)
    return drawn


def test_a_figure_is_replaced_only_if_it_looks_different(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    files.save_figure(figure(100), path)
    before = path.read_bytes()
    files.save_figure(figure(102), path)
    assert path.read_bytes() == before
    files.save_figure(figure(103), path)
    assert path.read_bytes() != before


def test_a_figure_of_another_size_or_over_a_broken_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    path.write_bytes(b"no picture")
    for dpi in (20, 40):
        files.save_figure(figure(100), path, dpi=dpi)
        with Image.open(path) as written:
            assert written.size == (dpi, dpi)
