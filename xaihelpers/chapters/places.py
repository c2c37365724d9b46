"""Chapters elsewhere than in a clone: badges that lead to Colab, and a cell that sets up there.

Both are made from one address, `[project.urls] Repository` in `pyproject.toml`. Without an address
there are none.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import times
from xaihelpers.chapters.files import tags

BADGE = "<!-- badge -->"  # ends the line: at its start it would make all of it HTML
TAG = "set-up-elsewhere"
SCRIPT = "set_up.py"
CELL = """from importlib.util import find_spec
from urllib.request import urlopen
_ = find_spec("xaihelpers") or exec(urlopen("{script}").read())"""
SETUP = '''"""On Colab, chapters run this: fetch this version, leave torch as it is."""

import os
import subprocess
import sys

import torch
import torchvision

clone = ["git", "clone", "--quiet", "--depth=1", "--branch=v{version}", "{address}", "xai-clone"]
subprocess.run(clone, check=True)
with open("keep.txt", "w") as file:
    file.write(f"torch=={{torch.__version__}}\\ntorchvision=={{torchvision.__version__}}\\n")
pip = [sys.executable, "-m", "pip", "install", "-q", "-c", "keep.txt"]
subprocess.run([*pip, "-e", "./xai-clone[notebooks,peers,real]"], check=True)
sys.path.insert(0, os.path.abspath("xai-clone"))
os.chdir("xai-clone/notebooks")
print("GPU:", torch.cuda.get_device_name() if torch.cuda.is_available() else "none")
'''


@dataclass(frozen=True)
class Project:
    """Where the repository lies ("" if no address is set), and the version of the package."""

    address: str
    version: str

    @property
    def github_name(self) -> str:
        """`owner/name` of a repository on GitHub, which is what Colab opens; else ""."""
        return self.address.partition("github.com/")[2].removesuffix(".git")


def read_project(root: Path) -> Project:
    """The project as `pyproject.toml` in `root` describes it."""
    table = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return Project(table.get("urls", {}).get("Repository", "").rstrip("/"), table["version"])


def badge(project: Project, chapter: str) -> str:
    """The line below a chapter's title: a link to Colab, or to the source; "" without an address.

    Args:
        project: the repository and its version.
        chapter: the chapter's name, such as "05_grad_cam".
    """
    if not project.address:
        return ""
    path = f"blob/v{project.version}/notebooks/{chapter}.ipynb"
    if not project.github_name:
        return f"[This chapter's source]({project.address}/{path}) {BADGE}"
    link = f"https://colab.research.google.com/github/{project.github_name}/{path}"
    return f"[Open in Colab]({link}) {BADGE}"


def set_up_cell(project: Project) -> str:
    """Three lines that run `SCRIPT` where the package is missing; "" where Colab cannot go."""
    if not project.github_name:
        return ""
    script = f"{project.github_name}/v{project.version}/notebooks/{SCRIPT}"
    return CELL.format(script=f"https://raw.githubusercontent.com/{script}")


def placed(notebook: NotebookNode, chapter: str, project: Project) -> NotebookNode:
    """The notebook with the badge and set-up cell that it must have, and nothing else changed."""
    title, *rest = [x for x in notebook.cells[0].source.splitlines() if BADGE not in x]
    rest = rest[1:] if rest and not rest[0] else rest
    head = [title, badge(project, chapter), ""] if project.address else [title, ""]
    notebook.cells[0].source = "\n".join([*head, *rest])
    notebook.cells = [cell for cell in notebook.cells if TAG not in tags(cell)]
    if source := set_up_cell(project):
        (first,) = (i for i, c in enumerate(notebook.cells) if "parameters" in tags(c))
        cell = new_code_cell(source, metadata={"tags": [TAG, "remove-cell"]}, id=TAG)
        notebook.cells.insert(first + 1, cell)
    return number_cells(notebook)


def number_cells(notebook: NotebookNode) -> NotebookNode:
    """The notebook with its code cells numbered from top to bottom, as one run leaves them."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        cell.execution_count = number
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = number
    return notebook


def run(notebooks: Path | None = None) -> int:
    """Bring badge, set-up cell and reading times of every chapter up to date; returns 0.

    Args:
        notebooks: the folder of the chapters; None for the clone's.
    """
    folder = notebooks or chapters.notebooks_dir()
    project = read_project(folder.parent)
    for chapter in chapters.select(folder):
        notebook = times.renewed(placed(chapters.read(chapter), chapter.stem, project))
        _write(chapter, nbformat.writes(notebook) + "\n")
    if project.github_name:
        _write(folder / SCRIPT, SETUP.format(address=project.address, version=project.version))
    print(f"repository: {project.address or 'not set'}")
    return 0


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    with files.atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")
    print(f"{path.name}: brought up to date")
