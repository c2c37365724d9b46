"""Chapters elsewhere than in a clone: badges that lead to Colab, and a cell that sets up there.

Both are made from one address, `[project.urls] Repository` in `pyproject.toml`. None is invented:
until one is set, the badge says how to set it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from xaihelpers import files
from xaihelpers.chapters import files as chapters

BADGE = "<!-- badge -->"  # ends the line: at its start it would make all of it HTML
TAG = "set-up-elsewhere"
UNSET = (
    "*Open in Colab: not yet, this copy names no repository (`[project.urls] Repository` in "
    "`pyproject.toml`, then `python -m xaihelpers badges`).*"
)
SETUP = """# In a clone this does nothing. On Colab it fetches the package; torch stays as it is.
import importlib.util

if importlib.util.find_spec("xaihelpers") is None:
    import os
    import subprocess
    import sys

    import torch
    import torchvision

    source = "{address}"
    if not source:
        raise RuntimeError("this copy names no repository: clone it, then `make lab`")
    clone = ["git", "clone", "--quiet", "--depth=1", "--branch=v{version}", source, "xai-clone"]
    subprocess.run(clone, check=True)
    with open("keep.txt", "w") as file:
        file.write(f"torch=={{torch.__version__}}\\ntorchvision=={{torchvision.__version__}}\\n")
    pip = [sys.executable, "-m", "pip", "install", "-q", "-c", "keep.txt", "-e", "./xai-clone"]
    subprocess.run(pip, check=True)
    sys.path.insert(0, os.path.abspath("xai-clone"))
    os.chdir("xai-clone/notebooks")
    print("GPU:", torch.cuda.get_device_name() if torch.cuda.is_available() else "none")"""


def project(root: Path) -> tuple[str, str]:
    """(address of the repository or "", version) as `pyproject.toml` in `root` has them."""
    found = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return found.get("urls", {}).get("Repository", "").rstrip("/"), found["version"]


def badge(address: str, version: str, chapter: str) -> str:
    """The line below a chapter's title: a Colab badge, or how to get one.

    Colab opens notebooks of GitHub by `/github/<owner>/<name>/blob/<tag>/<path>`; other hosts get
    a plain link.
    """
    if not address:
        return f"{UNSET} {BADGE}"
    path = f"blob/v{version}/notebooks/{chapter}.ipynb"
    host, _, name = address.partition("github.com/")
    if not name:
        return f"[This chapter's source]({address}/{path}) {BADGE}"
    link = f"https://colab.research.google.com/github/{name.removesuffix('.git')}/{path}"
    return f"[Open in Colab]({link}) {BADGE}"


def placed(notebook: NotebookNode, chapter: str, address: str, version: str) -> NotebookNode:
    """The notebook with the badge line and set-up cell it must have; everything else as it was."""
    lines = notebook.cells[0].source.splitlines()
    kept = [line for line in lines if BADGE not in line]
    title, rest = kept[0], kept[1:]
    rest = rest[1:] if rest and not rest[0] else rest
    notebook.cells[0].source = "\n".join([title, badge(address, version, chapter), "", *rest])
    source = SETUP.format(address=address, version=version)
    cells = [cell for cell in notebook.cells if TAG in tags(cell)]
    if not cells:
        (first,) = (i for i, c in enumerate(notebook.cells) if "parameters" in tags(c))
        cells = [new_code_cell(metadata={"tags": [TAG]}, id=TAG)]
        notebook.cells.insert(first + 1, cells[0])
    cells[0].source = source
    return notebook


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    found: list[str] = cell.metadata.get("tags", [])
    return found


def run(notebooks: Path | None = None) -> int:
    """Bring badge and set-up cell of every chapter up to date, in place; returns 0.

    A chapter that had no set-up cell must be executed again (`python -m xaihelpers notebooks`).
    """
    folder = notebooks or chapters.notebooks_dir()
    address, version = project(folder.parent)
    for chapter in chapters.select(folder):
        before = chapter.read_text(encoding="utf-8")
        notebook = placed(chapters.read(chapter), chapter.stem, address, version)
        after = nbformat.writes(notebook) + "\n"
        if after != before:
            with files.atomic_path(chapter) as partial:
                partial.write_text(after, encoding="utf-8")
            print(f"{chapter.name}: brought up to date")
    print(f"repository: {address or 'not set'}")
    return 0
