"""The runner: real kernels on tiny chapters, failing, refusing, what chapters are given."""

import json
import os
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

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


def test_the_kernel_must_be_that_of_this_installation(tmp_path: Path) -> None:
    runner.check_kernel()
    with pytest.raises(RunnerError, match="ipykernel install --sys-prefix"):
        runner.check_kernel(tmp_path)
    spec = tmp_path / "share/jupyter/kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["/another/bin/python", "-m", "ipykernel_launcher"]}))
    with pytest.raises(RunnerError, match="is /another/bin/python"):
        runner.check_kernel(tmp_path)


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
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_chapter(home / "notebooks", "00_one", "1")

    def full(*_: object) -> None:
        raise files.StorageError("cannot write results/chapters: No space left on device")

    monkeypatch.setattr(runner, "execute", full)
    assert runner.run(notebooks=home / "notebooks") == 1
    assert "00_one failed: cannot write" in capsys.readouterr().out


def test_chapters_get_one_thread_and_no_progress_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    environment = runner.kernel_environment()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["TQDM_DISABLE"] == "1"
    assert "MPLBACKEND" not in environment
    assert environment["PATH"] == os.environ["PATH"]


class Unlucky(runner.Processes):
    """Kernels die before they start, as many times as said; then they run."""

    def __init__(self, deaths: int) -> None:
        super().__init__()
        self.deaths = deaths

    def run(self, command: list[str], cwd: Path) -> tuple[int, str]:
        self.deaths -= 1
        if self.deaths >= 0:
            return 1, f"RuntimeError: {runner.NEVER_STARTED}\n"
        return super().run(command, cwd)


def test_a_cell_of_a_quick_run_that_never_ends_is_ended_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "LONGEST_QUICK_CELL", 3)
    seen = tmp_path / "seen"
    source = f"""
import pathlib, time
first = not pathlib.Path({str(seen)!r}).exists()
pathlib.Path({str(seen)!r}).touch()
time.sleep(60 if first else 0)
print("ran")
"""
    chapter = write_chapter(tmp_path, "00_small", source)
    start = time.monotonic()
    runner.execute(chapter, tmp_path / "out.ipynb", {"PROFILE": "quick"}, runner.Processes())
    assert text_of(tmp_path / "out.ipynb") == "ran\n"
    assert time.monotonic() - start < 50


def test_a_kernel_that_dies_before_it_starts_is_started_again(tmp_path: Path) -> None:
    chapter = write_chapter(tmp_path, "00_small", "print('ran')")
    runner.execute(chapter, tmp_path / "out.ipynb", {}, Unlucky(deaths=1))
    assert text_of(tmp_path / "out.ipynb") == "ran\n"
    with pytest.raises(runner.ChapterError, match="Kernel died"):
        runner.execute(chapter, tmp_path / "other.ipynb", {}, Unlucky(deaths=runner.STARTS))
    assert not (tmp_path / "other.ipynb").exists()
