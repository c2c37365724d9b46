"""What every committed chapter keeps to, and that its exercises can be solved as it says."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from xaihelpers.chapters import times
from xaihelpers.chapters.execution import kernel_environment

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
CHAPTERS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
PARAMETERS = {"PROFILE": "quick", "SEED": 0, "DATA_ROOT": "", "RESULTS": "../results"}
HEADINGS = ("## After this chapter you can", "## Exercises", "## References")
MACHINE_PATHS = re.compile(r"/(?:root|tmp|home|work|Users)/")
CHECK_OUTPUT = "nbval-check-output"
SLACK = 5  # minutes between a stated time and the rule: a changed sentence is no failure
SANITIZE = Path(__file__).with_name("sanitize.cfg")
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: NotebookNode, *tags: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if set(tags) & set(cell.metadata.get("tags", []))]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def printed(cell: NotebookNode) -> list[str]:
    return "".join(output.get("text", "") for output in cell.outputs).splitlines()


def test_there_are_chapters() -> None:
    assert CHAPTERS, f"no chapter NN_*.ipynb in {FOLDER}"


@each_chapter
def test_a_chapter_opens_with_its_number_title_and_times(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    assert notebook.cells[0].source.startswith(f"# {path.stem[:2]} · ")
    stated = times.stated(notebook)
    assert abs(stated["reading"] - times.reading(notebook)) <= SLACK, "run: xaihelpers badges"
    assert abs(stated["exercises"] - times.exercises(notebook)) <= SLACK, "run: xaihelpers badges"


@each_chapter
def test_the_index_states_the_times_of_a_chapter(path: Path) -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    stated = times.stated(nbformat.read(path, 4))
    (row,) = (line for line in index.splitlines() if f"({path.name})" in line)
    assert "{reading} min | {exercises} min | {machine} s |".format(**stated) in row


@each_chapter
def test_what_prepares_a_chapter_is_out_of_the_readers_sight(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    (imports,) = (cell for cell in code_cells(notebook) if "notebook.setup(SEED)" in cell.source)
    assert tagged(notebook, "hide-input") == [imports]
    assert not any("NBVAL" in cell.source or "pyproject" in cell.source for cell in notebook.cells)


@each_chapter
def test_a_chapter_has_objectives_exercises_and_references(path: Path) -> None:
    prose = "\n".join(
        cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "markdown"
    )
    lines = prose.splitlines()
    assert [heading for heading in HEADINGS if heading not in lines] == []


@each_chapter
def test_the_first_code_cell_holds_the_parameters_with_their_defaults(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    cell = code_cells(notebook)[0]
    assert tagged(notebook, "parameters") == [cell]
    assigned = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.parse(cell.source).body
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
    }
    assert assigned | PARAMETERS == assigned


@each_chapter
def test_code_cells_have_at_most_25_lines(path: Path) -> None:
    cells = code_cells(nbformat.read(path, 4))
    assert [c.source for c in cells if len(c.source.splitlines()) > 25] == []


@each_chapter
def test_a_chapter_was_executed_once_from_top_to_bottom(path: Path) -> None:
    cells = code_cells(nbformat.read(path, 4))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))


@each_chapter
def test_stored_outputs_hold_results_but_no_errors_warnings_or_progress_bars(path: Path) -> None:
    stored = outputs(nbformat.read(path, 4))
    assert stored, "no outputs are stored; run: python -m xaihelpers notebooks"
    assert any(
        "image/png" in o.get("data", {}) or "image/jpeg" in o.get("data", {}) for o in stored
    )
    assert [o.evalue for o in stored if o.output_type == "error"] == []
    assert [o.text for o in stored if o.get("name") == "stderr"] == []


@each_chapter
def test_a_chapter_stays_under_one_and_a_half_megabytes(path: Path) -> None:
    assert path.stat().st_size < 1_500_000


@each_chapter
def test_no_path_of_a_machine_is_stored(path: Path) -> None:
    notebook = nbformat.read(path, 4)
    texts = [cell.source for cell in notebook.cells] + [str(notebook.metadata)]
    for output in outputs(notebook):
        texts.append(str(output.get("text", "")))
        texts += [str(v) for k, v in output.get("data", {}).items() if not k.startswith("image/")]
    assert [text for text in texts if MACHINE_PATHS.search(text)] == []


@each_chapter
def test_each_exercise_is_a_stub_a_check_and_a_folded_solution(path: Path) -> None:
    cells = tagged(nbformat.read(path, 4), "exercise", "exercise-check", "solution")
    order = [cell.metadata.tags[0] for cell in cells]
    assert order, "a chapter needs at least one exercise"
    assert order == ["exercise", "exercise-check", "solution"] * (len(order) // 3)
    for cell in cells[2::3]:
        assert cell.source.startswith("<details><summary>Solution</summary>")
        assert cell.source.rstrip().endswith("</details>")
        assert len(solution_blocks(cell)) == 1


@each_chapter
def test_every_stub_is_stored_as_not_yet_solved(path: Path) -> None:
    for cell in tagged(nbformat.read(path, 4), "exercise-check"):
        lines = printed(cell)
        assert lines
        assert [line for line in lines if ": not yet (" not in line] == []


def solution_blocks(cell: NotebookNode) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", cell.source, flags=re.DOTALL | re.MULTILINE)


def solved(path: Path) -> NotebookNode:
    """The chapter as a learner leaves it: stubs solved, so that every check must say "pass"."""
    notebook = nbformat.read(path, 4)
    solutions = tagged(notebook, "solution")
    for stub, solution in zip(tagged(notebook, "exercise"), solutions, strict=True):
        stub.source = solution_blocks(solution)[0]
    for cell in tagged(notebook, "exercise-check"):
        cell.metadata.tags = sorted({*cell.metadata.tags, CHECK_OUTPUT})
        for output in cell.outputs:
            output.text = re.sub(r": not yet \(.*", ": pass", output.text)
    return notebook


def nbval(notebook: NotebookNode, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    """Run a chapter in a scratch copy of the repository's folders; compare its marked outputs."""
    path = folder / "notebooks" / name
    path.parent.mkdir()
    for part in ("tables", "claims.json"):
        source, copy = FOLDER.parent / "results" / part, folder / "results" / part
        if source.is_dir():
            shutil.copytree(source, copy)
        elif source.exists():
            shutil.copy(source, copy)
    nbformat.write(notebook, path)
    command = [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider"]
    command += ["--nbval-lax", "--nbval-current-env", f"--nbval-sanitize-with={SANITIZE}"]
    command += ["--nbval-cell-timeout=300", str(path)]
    return subprocess.run(
        command, cwd=folder, env=kernel_environment(), capture_output=True, text=True
    )


@each_chapter
def test_text_that_matters_is_marked_for_comparison(path: Path) -> None:
    marked = tagged(nbformat.read(path, 4), CHECK_OUTPUT)
    assert marked
    assert [cell.source for cell in marked if not printed(cell)] == []


@pytest.mark.slow
@each_chapter
def test_a_rerun_gives_the_stored_text_and_the_solutions_pass(path: Path, tmp_path: Path) -> None:
    done = nbval(solved(path), tmp_path, path.name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_text_that_changed_is_noticed(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell(
        "print(1 + 1)",
        metadata={"tags": [CHECK_OUTPUT]},
        execution_count=1,
        outputs=[nbformat.v4.new_output("stream", name="stdout", text="3\n")],
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    done = nbval(notebook, tmp_path, "00_wrong.ipynb")
    assert done.returncode == 1
    assert "Cell outputs differ" in done.stdout
