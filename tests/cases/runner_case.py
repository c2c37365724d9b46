"""Tiny chapters for the runner, and what they print."""

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

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
