"""How long a chapter takes to read, to solve and to run, as the line under its title says.

Reading and exercise times follow a rule, which `notebooks/README.md` states; the machine's time is
measured.
"""

from __future__ import annotations

import re

from nbformat import NotebookNode

from xaihelpers.chapters.files import tags
from xaihelpers.errors import RunnerError

LINE = re.compile(
    r"\*Reading about (?P<reading>\d+) min · exercises about (?P<exercises>\d+) min · "
    r"machine about (?P<machine>\d+) s on 2 cores · Prerequisites: (?P<prerequisites>.+)\*"
)
WORDS, LINES, EQUATIONS, FIGURES = 150, 20, 1, 2  # read in a minute
EXERCISE = 5  # minutes for an exercise, and one more for every line of its solution
STEP = 5  # minutes, to which both times are rounded


def stated(notebook: NotebookNode) -> dict[str, int]:
    """Minutes of "reading" and "exercises" and seconds of the "machine", as the head says.

    Raises:
        RunnerError: the first cell has no line of times.
    """
    found = LINE.search(notebook.cells[0].source)
    if found is None:
        raise RunnerError(
            "a chapter's first cell needs a line such as '*Reading about 25 min · exercises about "
            "15 min · machine about 30 s on 2 cores · Prerequisites: none*'"
        )
    return {name: int(found[name]) for name in ("reading", "exercises", "machine")}


def machine(notebook: NotebookNode) -> float:
    """Seconds of the machine's time as the head states it; 1 where it states none."""
    found = LINE.search(notebook.cells[0].source)
    return float(found["machine"]) if found else 1.0


def reading(notebook: NotebookNode) -> int:
    """Minutes to read prose, code, equations and figures, without exercises and their solutions."""
    cells = [cell for cell in notebook.cells if not _is_work(cell)]
    prose = [cell.source for cell in cells if cell.cell_type == "markdown"]
    code = [cell for cell in cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    figures = sum(any("image/" in kind for kind in o.get("data", {})) for o in outputs)
    minutes = sum(len(text.split()) for text in prose) / WORDS
    minutes += sum(text.count("$$") // 2 for text in prose) / EQUATIONS
    minutes += sum(_lines(cell.source) for cell in code) / LINES + figures / FIGURES
    return _rounded(minutes)


def exercises(notebook: NotebookNode) -> int:
    """Minutes to solve the exercises, judged by the length of their solutions."""
    solutions = [cell.source for cell in notebook.cells if "solution" in tags(cell)]
    code = [re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.M) for text in solutions]
    return _rounded(sum(EXERCISE + _lines("\n".join(blocks)) for blocks in code))


def renewed(notebook: NotebookNode) -> NotebookNode:
    """The notebook with reading and exercise times by the rule; the machine's time stays."""
    machine = stated(notebook)["machine"]
    head = notebook.cells[0]
    line = (
        f"*Reading about {reading(notebook)} min · exercises about {exercises(notebook)} min · "
        rf"machine about {machine} s on 2 cores · Prerequisites: \g<prerequisites>*"
    )
    head.source = LINE.sub(line, head.source)
    return notebook


def _is_work(cell: NotebookNode) -> bool:
    return bool({"exercise", "exercise-check", "solution", "parameters"} & set(tags(cell)))


def _lines(source: str) -> int:
    return sum(bool(line.strip()) for line in source.splitlines())


def _rounded(minutes: float) -> int:
    return max(STEP, STEP * round(minutes / STEP))
