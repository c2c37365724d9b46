"""Badges and set-up cells: made from one address, the same in every chapter, and harmless here."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from xaihelpers.chapters import places

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "https://github.com/someone/xai.git"
COLAB = "https://colab.research.google.com/github/someone/xai/blob/v1.2/notebooks/05_x.ipynb"


def chapter() -> nbformat.NotebookNode:
    cells = [
        new_markdown_cell("# 05 · X\n\n*Runtime: about 1 s*"),
        new_code_cell("SEED = 0", metadata={"tags": ["parameters"]}),
        new_code_cell("print(SEED)"),
    ]
    return new_notebook(cells=cells)


def set_up(address: str) -> str:
    return places.placed(chapter(), "05_x", address, "1.2").cells[2].source


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=str)
def test_every_chapter_has_the_badge_and_the_cell_of_this_repository(path: Path) -> None:
    stored = nbformat.read(path, 4)
    expected = places.placed(nbformat.read(path, 4), path.stem, *places.project(ROOT))
    assert stored == expected, "run: python -m xaihelpers badges"


def test_a_badge_leads_to_this_version_of_the_chapter_in_colab() -> None:
    assert COLAB in places.badge(ADDRESS, "1.2", "05_x")


def test_without_an_address_the_badge_says_how_to_set_one() -> None:
    text = places.badge("", "1.2", "05_x")
    assert "pyproject.toml" in text
    assert "http" not in text


def test_a_host_that_colab_does_not_open_gets_a_plain_link() -> None:
    text = places.badge("https://codeberg.org/someone/xai", "1.2", "05_x")
    assert "https://codeberg.org/someone/xai/blob/v1.2/notebooks/05_x.ipynb" in text


def test_placing_twice_changes_nothing_and_a_new_address_replaces_the_old_one() -> None:
    once = places.placed(chapter(), "05_x", "", "1.2")
    twice = places.placed(nbformat.from_dict(once), "05_x", "", "1.2")
    assert [cell.source for cell in twice.cells] == [cell.source for cell in once.cells]
    moved = places.placed(twice, "05_x", ADDRESS, "1.3")
    assert [cell.cell_type for cell in moved.cells] == ["markdown", "code", "code", "code"]
    assert moved.cells[0].source.splitlines()[1].count("colab") == 1
    assert f'"{ADDRESS}"' in moved.cells[2].source


def test_the_set_up_cell_does_nothing_where_the_package_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subprocess, "run", None)
    before = os.getcwd(), [*sys.path]
    exec(set_up(ADDRESS), {})
    assert (os.getcwd(), sys.path) == before


def test_elsewhere_it_installs_this_version_and_keeps_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = []

    def run(command: list[str], check: bool) -> None:
        commands.append(command)
        (tmp_path / "xai-clone" / "notebooks").mkdir(parents=True, exist_ok=True)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(set_up(ADDRESS), {})

    clone, install = commands
    assert "--branch=v1.2" in clone
    assert ADDRESS in clone
    assert install[-4:] == ["-c", "keep.txt", "-e", "./xai-clone"]
    torch = sys.modules["torch"]
    assert f"torch=={torch.__version__}" in (tmp_path / "keep.txt").read_text().splitlines()
    assert os.getcwd() == str(tmp_path / "xai-clone" / "notebooks")
    assert capsys.readouterr().out.startswith("GPU: ")


def test_elsewhere_without_an_address_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match="make lab"):
        exec(set_up(""), {})


def test_all_chapters_of_a_folder_are_brought_up_to_date(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nversion = "1.2"\n[project.urls]\nRepository = "{ADDRESS}"\n'
    )
    path = tmp_path / "notebooks" / "05_x.ipynb"
    nbformat.write(chapter(), path)
    assert places.run(tmp_path / "notebooks") == 0
    assert COLAB in nbformat.read(path, 4).cells[0].source
    assert "05_x.ipynb: brought" in capsys.readouterr().out
    places.run(tmp_path / "notebooks")
    assert "brought" not in capsys.readouterr().out
