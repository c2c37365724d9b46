"""One chapter in one kernel: whose kernel it is, what it is given, and how it may end."""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from tests.cases.runner_case import write_chapter
from xaihelpers.chapters import execution
from xaihelpers.chapters.execution import Executed, execute, kernel_environment


def text_of(executed: Executed) -> str:
    assert executed.notebook is not None
    return "".join(
        output.get("text", "")
        for cell in executed.notebook.cells
        for output in cell.get("outputs", [])
    )


def test_a_chapter_runs_where_it_lies_with_its_parameters_and_stays_as_it_is(
    tmp_path: Path,
) -> None:
    chapter = write_chapter(tmp_path, "00_small", "import os\nprint(SEED, os.getcwd())")
    before = chapter.read_bytes()
    executed = execute(chapter, {"SEED": 7})
    assert text_of(executed) == f"7 {tmp_path}\n"
    assert executed.error == ""
    assert chapter.read_bytes() == before


def test_the_kernel_is_that_of_this_installation_whatever_is_installed_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "share" / "kernels" / "python3" / "kernel.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps({"argv": ["/no/such/python"], "display_name": "another"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    chapter = write_chapter(
        tmp_path, "00_small", f"import sys\nprint(sys.prefix == {sys.prefix!r})"
    )
    assert text_of(execute(chapter, {})) == "True\n"


def test_no_port_is_opened(tmp_path: Path) -> None:
    source = """
import json
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
print(app.transport, len(app.ip) < 100)
"""
    chapter = write_chapter(tmp_path, "00_small", source)
    assert text_of(execute(chapter, {})) == "ipc True\n"


def test_an_error_ends_a_chapter_and_leaves_what_came_before(tmp_path: Path) -> None:
    chapter = write_chapter(tmp_path, "00_small", "print('before')", "1 / 0", "print('after')")
    executed = execute(chapter, {})
    assert executed.error == "cell 2: ZeroDivisionError: division by zero"
    assert text_of(executed) == "before\n"


def test_a_kernel_that_dies_is_a_failed_chapter(tmp_path: Path) -> None:
    chapter = write_chapter(tmp_path, "00_small", "import os\nos._exit(3)")
    assert execute(chapter, {}).error == "Kernel died"


def test_a_cell_of_a_quick_run_that_never_ends_is_ended_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "LONGEST_QUICK_CELL", 3)
    mark = tmp_path / "mark"
    source = f"""
import pathlib, time
first = not pathlib.Path({str(mark)!r}).exists()
pathlib.Path({str(mark)!r}).touch()
time.sleep(60 if first else 0)
print("ran")
"""
    chapter = write_chapter(tmp_path, "00_small", source)
    start = time.monotonic()
    executed = execute(chapter, {"PROFILE": "quick"})
    assert (text_of(executed), executed.error) == ("ran\n", "")
    assert time.monotonic() - start < 50


def test_a_cell_that_never_answers_is_named_after_the_last_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "LONGEST_QUICK_CELL", 1)
    monkeypatch.setattr(execution, "TRIES", 1)
    chapter = write_chapter(tmp_path, "00_small", "import time\ntime.sleep(60)")
    assert "timed out" in execute(chapter, {"PROFILE": "quick"}).error


def test_only_quick_runs_on_rendered_data_have_a_longest_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int | None] = []
    monkeypatch.setattr(execution, "_run", lambda notebook, folder, limit: limits.append(limit))
    chapter = write_chapter(tmp_path, "00_small", "1")
    for parameters in ({"PROFILE": "full"}, {"PROFILE": "quick", "DATA_ROOT": "/real"}):
        execute(chapter, parameters)
    assert limits == [None, None]


def test_chapters_get_one_thread_and_no_progress_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    environment = kernel_environment()
    assert environment["OMP_NUM_THREADS"] == "1"
    assert environment["TQDM_DISABLE"] == "1"
    assert "MPLBACKEND" not in environment
    assert environment["PATH"] == os.environ["PATH"]
