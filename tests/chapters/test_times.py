"""The times under a chapter's title follow the rule that the index states."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from xaihelpers.chapters import times
from xaihelpers.errors import RunnerError

LINE = "*Reading about 90 min · exercises about 5 min · machine about 30 s on 2 cores"


def chapter(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_notebook(cells=[new_markdown_cell(f"# X\n\n{LINE} · Prerequisites: 01*"), *cells])


def test_words_code_equations_and_figures_take_their_time_to_read() -> None:
    figure = new_output("display_data", data={"image/png": ""})
    prose = new_markdown_cell("word " * 1500 + "$$ a = b $$")  # 10 minutes and 1
    code = new_code_cell("x = 1\n" * 160, outputs=[figure, figure])  # 8 minutes and 1
    assert times.reading(chapter(prose, code)) == 20


def test_exercises_take_five_minutes_and_one_for_a_line_of_the_solution() -> None:
    solution = "<details>\n\n```python\na = 1\n\nb = 2\nc = 3\nd = 4\ne = 5\n```\n\n</details>"
    cells = [new_markdown_cell(solution, metadata={"tags": ["solution"]}) for _ in range(2)]
    assert times.exercises(chapter(cells[0])) == 10
    assert times.exercises(chapter(*cells)) == 20
    assert times.reading(chapter(*cells)) == times.STEP  # solutions are not read through


def test_renewed_times_keep_the_machines_time_and_the_prerequisites() -> None:
    notebook = times.renewed(chapter())
    assert times.stated(notebook) == {"reading": 5, "exercises": 5, "machine": 30}
    assert notebook.cells[0].source.endswith("s on 2 cores · Prerequisites: 01*")


def test_a_head_without_times_says_what_it_needs() -> None:
    with pytest.raises(RunnerError, match=r"needs a line such as '\*Reading about"):
        times.stated(new_notebook(cells=[new_markdown_cell("# X")]))
