"""The runner: real kernels on tiny chapters, failing, refusing, what chapters are given."""

import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.cases.runner_case import text_of, write_chapter
from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.errors import RunnerError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    return tmp_path


def test_a_run_executes_all_chapters_and_one_failure_stops_no_other(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "notebooks"
    show = "import os, sys\nprint(PROFILE, SEED, os.environ['OMP_NUM_THREADS'], sys.prefix == '%s')"
    write_chapter(folder, "00_good", show % sys.prefix, "print(RESULTS)")
    write_chapter(folder, "01_bad", "print('before')", "raise ValueError('no such grade')")
    write_chapter(folder, "02_good", "print('still run')")

    assert runner.run(seed=3, notebooks=folder) == 1

    made = home / "results" / "chapters"
    assert text_of(made / "00_good.ipynb") == "quick 3 1 True\nresults\n"
    assert text_of(made / "02_good.ipynb") == "still run\n"
    assert not (made / "01_bad.ipynb").exists()
    assert "before" in text_of(made / "01_bad.failed.ipynb")
    printed = capsys.readouterr().out
    assert printed == (made / "summary.md").read_text()
    assert "| 01_bad  | failed  |" in printed
    assert "01_bad failed: cell " in printed
    assert "ValueError: no such grade" in printed
    stored = (made / "00_good.ipynb").read_text()
    assert str(home) not in stored
    assert "papermill" not in stored
    assert not list(made.glob(".*"))


def test_storing_keeps_sources_and_metadata_and_leaves_a_failing_chapter_alone(home: Path) -> None:
    folder = home / "notebooks"
    good = write_chapter(folder, "00_good", "print(SEED)")
    bad = write_chapter(folder, "01_bad", "1 / 0")
    sources, before = [c.source for c in nbformat.read(good, 4).cells], bad.read_bytes()

    assert runner.store(notebooks=folder) == 1

    stored = nbformat.read(good, 4)
    assert [c.source for c in stored.cells] == sources
    assert [c.execution_count for c in stored.cells] == [1, 2]
    assert [c.metadata for c in stored.cells] == [{"tags": ["parameters"]}, {}]
    assert text_of(good) == "0\n"
    assert bad.read_bytes() == before
    assert sorted(p.name for p in folder.iterdir()) == ["00_good.ipynb", "01_bad.ipynb"]


def test_results_and_data_root_are_handed_over_as_absolute_paths(
    home: Path, fake: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_chapter(home / "notebooks", "00_one", "1")
    (home / "real").mkdir()
    monkeypatch.chdir(home)
    runner.run(data_root="real", notebooks=home / "notebooks")
    assert fake[0][1]["DATA_ROOT"] == str(home / "real")
    assert fake[0][1]["RESULTS"] == str(home / "results" / "real")  # never beside rendered ones


def test_a_chapter_without_the_parameter_is_refused_before_anything_runs(
    home: Path, fake: list
) -> None:
    folder = home / "notebooks"
    write_chapter(folder, "00_one", "1")
    write_chapter(folder, "01_two", "1", parameters='PROFILE = "quick"\nSEED = 0')
    with pytest.raises(RunnerError, match="01_two.ipynb has no parameter DATA_ROOT, RESULTS"):
        runner.run(notebooks=folder)
    assert fake == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"profile": "fast"}, "unknown profile 'fast'; choose one of quick, full, gpu"),
        ({"data_root": "/no/such/folder"}, "there is no folder /no/such/folder"),
        ({"only": ["07"]}, "no chapter '07'; there are 00_one"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(home: Path, options: dict, message: str) -> None:
    write_chapter(home / "notebooks", "00_one", "1")
    with pytest.raises(RunnerError, match=message):
        runner.run(notebooks=home / "notebooks", **options)


@pytest.mark.parametrize("name", ["3", "03", "03_fine", "03_fine.ipynb"])
def test_a_chapter_is_found_by_number_or_name(tmp_path: Path, name: str) -> None:
    write_chapter(tmp_path, "00_one", "1")
    wanted = write_chapter(tmp_path, "03_fine", "1")
    assert chapters.select(tmp_path, [name, name]) == [wanted]


def test_a_folder_without_chapters_and_a_broken_notebook_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="no chapter NN_"):
        chapters.select(tmp_path)
    (tmp_path / "00_broken.ipynb").write_text("{")
    with pytest.raises(RunnerError, match="00_broken.ipynb is not a notebook"):
        chapters.read(tmp_path / "00_broken.ipynb")


def test_machine_paths_leave_the_outputs_and_pictures_stay_as_they_are(home: Path) -> None:
    text = f"{home}/data/x.npy {sys.prefix}/lib/y.py {home}sibling /tmp/ipykernel_12/345.py:1"
    picture = {"image/png": f"{home}/", "text/plain": f"'{home}'"}
    outputs = [
        nbformat.v4.new_output("stream", text=text),
        nbformat.v4.new_output("display_data", data=picture),
    ]
    cell = new_code_cell("1", metadata={"papermill": {}, "tags": ["x"]}, outputs=outputs)
    notebook = chapters.portable(new_notebook(cells=[cell], metadata={"papermill": {"a": 1}}))
    stream, display = notebook.cells[0].outputs
    assert stream.text == f"./data/x.npy python/lib/y.py {home}sibling <cell>:1"
    assert display.data == {"image/png": f"{home}/", "text/plain": "'.'"}
    assert notebook.cells[0].metadata == {"tags": ["x"]}
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    nbformat.validate(notebook)


def test_a_full_or_forbidden_disk_is_a_failed_chapter_with_its_reason(
    home: Path, fake: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_chapter(home / "notebooks", "00_one", "1")

    def full(*_: object) -> None:
        raise files.StorageError("cannot write results/chapters: No space left on device")

    monkeypatch.setattr(runner, "_write", full)
    assert runner.run(notebooks=home / "notebooks") == 1
    assert "00_one failed: cannot write" in capsys.readouterr().out


def test_the_longest_chapters_start_first(home: Path, fake: list) -> None:
    folder = home / "notebooks"
    for name, seconds in (("00_short", 10), ("01_long", 90), ("02_middle", 40)):
        path = write_chapter(folder, name, "1")
        notebook = nbformat.read(path, 4)
        times = f"machine about {seconds} s on 2 cores · Prerequisites: none*"
        head = f"*Reading about 5 min · exercises about 5 min · {times}"
        notebook.cells.insert(0, new_markdown_cell(head))
        nbformat.write(notebook, path)
    assert runner.run(notebooks=folder) == 0
    assert [name for name, _ in fake] == ["01_long", "02_middle", "00_short"]
