"""What is written is whole or not there at all."""

import errno
import os
from pathlib import Path

import pytest

from xaihelpers import files


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
