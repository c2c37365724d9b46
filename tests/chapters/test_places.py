"""Badges and set-up cells: made from one address, the same in every chapter, and harmless here."""

import importlib.util
import io
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from xaihelpers.chapters import places

ROOT = Path(__file__).resolve().parents[2]
VERSION = "1.2"
ADDRESS = "https://github.com/someone/xai.git"
COLAB = "https://colab.research.google.com/github/someone/xai/blob/v1.2/notebooks/05_x.ipynb"


def chapter() -> nbformat.NotebookNode:
    times = "*Reading about 5 min · exercises about 5 min · machine about 1 s on 2 cores"
    cells = [
        new_markdown_cell(f"# 05 · X\n\n{times} · Prerequisites: none*"),
        new_code_cell("SEED = 0", metadata={"tags": ["parameters"]}),
        new_code_cell("print(SEED)"),
    ]
    return new_notebook(cells=cells)


def of(address: str) -> places.Project:
    return places.Project(address, VERSION)


def placed(address: str) -> nbformat.NotebookNode:
    return places.placed(chapter(), "05_x", of(address))


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")), ids=str)
def test_every_chapter_has_the_badge_and_the_cell_of_this_repository(path: Path) -> None:
    stored = nbformat.read(path, 4)
    expected = places.placed(nbformat.read(path, 4), path.stem, places.read_project(ROOT))
    assert stored == expected, "run: python -m xaihelpers badges"


def test_a_badge_leads_to_this_version_of_the_chapter_in_colab() -> None:
    assert COLAB in places.badge(of(ADDRESS), "05_x")


def test_without_an_address_there_is_neither_badge_nor_set_up_cell() -> None:
    assert placed("").cells[0].source == chapter().cells[0].source
    assert [cell.source for cell in placed("").cells] == [c.source for c in chapter().cells]


def test_a_host_that_colab_does_not_open_gets_a_plain_link_and_no_set_up_cell() -> None:
    notebook = placed("https://codeberg.org/someone/xai")
    assert (
        "https://codeberg.org/someone/xai/blob/v1.2/notebooks/05_x.ipynb"
        in (notebook.cells[0].source.splitlines()[1])
    )
    assert len(notebook.cells) == len(chapter().cells)


def test_the_set_up_cell_has_three_lines_and_the_site_leaves_it_out() -> None:
    cell = placed(ADDRESS).cells[2]
    assert len(cell.source.splitlines()) == 3
    assert "remove-cell" in cell.metadata.tags


def test_placing_twice_changes_nothing_and_a_new_address_replaces_the_old_one() -> None:
    once = placed(ADDRESS)
    assert places.placed(nbformat.from_dict(once), "05_x", of(ADDRESS)) == once
    moved = places.placed(once, "05_x", of("https://github.com/other/xai"))
    assert [cell.cell_type for cell in moved.cells] == ["markdown", "code", "code", "code"]
    assert moved.cells[0].source.splitlines()[1].count("colab") == 1
    assert "other/xai" in moved.cells[2].source
    assert "someone" not in moved.cells[2].source


def test_code_cells_are_numbered_from_top_to_bottom_whatever_is_placed_between() -> None:
    counts = [cell.execution_count for cell in placed(ADDRESS).cells if cell.cell_type == "code"]
    assert counts == [1, 2, 3]


def test_the_set_up_cell_does_nothing_where_the_package_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_: pytest.fail("asked the network"))
    exec(placed(ADDRESS).cells[2].source, {})


def test_elsewhere_the_set_up_cell_runs_the_script_of_this_version(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def answer(address: str) -> io.BytesIO:
        asked.append(address)
        return io.BytesIO(b"ran = True")

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    names: dict[str, object] = {}
    exec(placed(ADDRESS).cells[2].source, names)
    assert names["ran"]
    assert asked == ["https://raw.githubusercontent.com/someone/xai/v1.2/notebooks/set_up.py"]


def test_the_script_installs_this_version_and_keeps_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = []

    def run(command: list[str], check: bool) -> None:
        commands.append(command)
        (tmp_path / "xai-clone" / "notebooks").mkdir(parents=True, exist_ok=True)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr(sys, "path", [*sys.path])
    exec(places.SETUP.format(address=ADDRESS, version=VERSION), {})

    clone, install = commands
    assert "--branch=v1.2" in clone
    assert ADDRESS in clone
    assert install[-4:] == ["-c", "keep.txt", "-e", "./xai-clone[notebooks,peers,real]"]
    torch = sys.modules["torch"]
    assert f"torch=={torch.__version__}" in (tmp_path / "keep.txt").read_text().splitlines()
    assert os.getcwd() == str(tmp_path / "xai-clone" / "notebooks")
    assert capsys.readouterr().out.startswith("GPU: ")


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
    assert ADDRESS in (tmp_path / "notebooks" / "set_up.py").read_text()
    assert "05_x.ipynb: brought" in capsys.readouterr().out
    places.run(tmp_path / "notebooks")
    assert "brought" not in capsys.readouterr().out
