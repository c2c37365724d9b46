"""The runner: what a stopped run keeps, and what makes a later one run a chapter again."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from tests.cases.runner_case import write_chapter
from xaihelpers import files
from xaihelpers.chapters import runner


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    return tmp_path


def test_an_interrupt_keeps_what_is_finished_and_resumes_with_the_rest(home: Path) -> None:
    folder = home / "notebooks"
    write_chapter(folder, "00_quick", "print('done')")
    write_chapter(folder, "01_slow", "import time; time.sleep(600)")
    # A shell's background job ignores Ctrl-C, and so do its children unless they ask for it.
    script = (
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path\nfrom xaihelpers.chapters import runner\n"
        "from xaihelpers.run import cli\n"
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
