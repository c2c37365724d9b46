"""The runner: real kernels on tiny chapters, resuming, failing, stopping."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from xaihelpers import files
from xaihelpers.reproduce import chapters, runner
from xaihelpers.reproduce.chapters import RunnerError

PARAMETERS = 'PROFILE = "quick"\nSEED = 0\nDATA_ROOT = ""\nRESULTS = "../results"'


def write_chapter(folder: Path, name: str, *sources: str, parameters: str = PARAMETERS) -> Path:
    cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def text_of(path: Path) -> str:
    notebook = nbformat.read(path, 4)
    return "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """Replace the execution by a note of what would have been executed."""
    calls: list[tuple[str, dict[str, object]]] = []

    def note(chapter: Path, output: Path, parameters: dict, processes: object) -> None:
        calls.append((chapter.stem, dict(parameters)))
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(chapter.read_bytes())

    monkeypatch.setattr(runner, "execute", note)
    return calls


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


def test_an_interrupt_keeps_what_is_finished_and_resumes_with_the_rest(home: Path) -> None:
    folder = home / "notebooks"
    write_chapter(folder, "00_quick", "print('done')")
    write_chapter(folder, "01_slow", "import time; time.sleep(600)")
    # A shell's background job ignores Ctrl-C, and so do its children unless they ask for it.
    script = (
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\nfrom xaihelpers.reproduce import cli, runner\n"
        "run = lambda arguments: runner.run(notebooks=Path(sys.argv[1]))\n"
        "cli.notebooks = run\nsys.exit(cli.main(['notebooks']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stderr=subprocess.PIPE, text=True
    )
    stamp = home / "results" / "chapters" / "00_quick.stamp.json"
    deadline = time.monotonic() + 240
    while not stamp.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    try:
        errors = process.communicate(timeout=120)[1]
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 130
    assert "stopped; run again to resume" in errors
    made = {p.name for p in stamp.parent.iterdir()}
    assert made == {"00_quick.ipynb", "00_quick.stamp.json", "summary.md"}
    table = (stamp.parent / "summary.md").read_text()
    assert "| 00_quick | done" in table
    assert "| 01_slow  | stopped" in table


def test_a_second_run_does_nothing_and_a_changed_source_is_run_again(
    home: Path, fake: list
) -> None:
    folder = home / "notebooks"
    write_chapter(folder, "00_one", "1")
    write_chapter(folder, "01_two", "1")
    assert runner.run(notebooks=folder) == runner.run(notebooks=folder) == 0
    assert sorted(name for name, _ in fake) == ["00_one", "01_two"]
    write_chapter(folder, "01_two", "2")
    runner.run(notebooks=folder)
    assert [name for name, _ in fake[2:]] == ["01_two"]


def test_what_a_killed_run_left_behind_is_removed(home: Path, fake: list) -> None:
    folder = home / "notebooks"
    write_chapter(folder, "00_one", "1")
    left = home / "results" / "chapters" / ".00_one.ipynb.abc123.ipynb"
    left.parent.mkdir(parents=True)
    left.write_text("{")
    assert runner.run(notebooks=folder) == 0
    assert [path.name for path in left.parent.glob(".*")] == []


def test_a_changed_parameter_checkpoint_or_lost_output_is_run_again(home: Path, fake: list) -> None:
    folder = home / "notebooks"
    write_chapter(folder, "00_one", "1")
    runner.run(notebooks=folder)
    runner.run(notebooks=folder, seed=1)
    assert len(fake) == 2
    files.checkpoints_dir().mkdir(parents=True)
    (files.checkpoints_dir() / "fundus_vgg19.safetensors").write_bytes(b"weights")
    runner.run(notebooks=folder, seed=1)
    assert len(fake) == 3
    (home / "results" / "chapters" / "00_one.ipynb").unlink()
    runner.run(notebooks=folder, seed=1)
    assert len(fake) == 4


@pytest.mark.parametrize(
    ("table", "runs"),
    [
        ("tables/c18_heads.csv", 2),
        ("tables/evidence_fundus_vgg19.csv", 2),
        ("real/tables/c17_networks.csv", 2),
        ("tables/chest_xray_densenet121_answers.csv", 1),  # a chapter writes it
        ("real/tables/c8_marker.csv", 1),  # a chapter copies it
    ],
)
def test_a_table_that_chapters_read_and_do_not_write_is_a_reason(
    table: str, runs: int, home: Path, fake: list
) -> None:
    write_chapter(home / "notebooks", "00_one", "1")
    runner.run(notebooks=home / "notebooks")
    path = home / "results" / table
    path.parent.mkdir(parents=True)
    path.write_text("a\n1\n")
    runner.run(notebooks=home / "notebooks")
    assert len(fake) == runs


def test_outputs_of_a_chapter_are_no_reason_to_run_it_again(home: Path, fake: list) -> None:
    folder = home / "notebooks"
    path = write_chapter(folder, "00_one", "print(1)")
    runner.run(notebooks=folder)
    notebook = nbformat.read(path, 4)
    notebook.cells[1].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    nbformat.write(notebook, path)
    runner.run(notebooks=folder)
    assert len(fake) == 1


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
