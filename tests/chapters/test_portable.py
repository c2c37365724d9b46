"""A relative home means one folder to all, and paths are replaced where they stand as paths."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from xaihelpers.chapters import files as chapters
from xaihelpers.chapters.execution import kernel_environment


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `out` means."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XAIHELPERS_HOME", "out")
    return tmp_path.resolve() / "out"


def stored(text: str) -> str:
    """What is kept of an output."""
    cell = new_code_cell("1", outputs=[new_output("stream", text=text)])
    kept: str = chapters.portable(new_notebook(cells=[cell])).cells[0].outputs[0].text
    return kept


def test_chapters_look_into_the_callers_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel_environment()["XAIHELPERS_HOME"] == str(home)
    monkeypatch.delenv("XAIHELPERS_HOME")
    assert "XAIHELPERS_HOME" not in kernel_environment()


def test_words_that_look_like_the_home_stay(home: Path) -> None:
    assert stored("maps without masks, out of 5") == "maps without masks, out of 5"
    assert stored(f"/mnt{home}/x") == f"/mnt{home}/x"


@pytest.mark.parametrize("before", ["", "'", "(", "=", "file://", "a\n", r"a\n", "\x1b[0;32m"])
def test_the_home_is_replaced_wherever_a_path_may_begin(home: Path, before: str) -> None:
    text = f"{before}{home}/data/x.npy:{home}/results {home}"
    assert stored(text) == f"{before}./data/x.npy:results ."
