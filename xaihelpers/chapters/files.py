"""The chapters as files: which there are, what their parameters are, what they depend on."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from xaihelpers import files
from xaihelpers.errors import RunnerError

PACKAGE = Path(__file__).resolve().parents[1]
#: Below the results folder: what chapters read and none of them writes.
INPUTS = (
    "checkpoints/*.safetensors",
    "tables/c[0-9]*.csv",
    "tables/evidence_*.csv",
    "tables/photographs_*.csv",
    "tables/starts.csv",
    "real/checkpoints/*.safetensors",
    "real/tables/c17_networks.csv",
    "real/tables/evidence_*.csv",
)


def notebooks_dir() -> Path:
    """The clone's `notebooks/`; chapters are not part of the installed package."""
    folder = PACKAGE.parent / "notebooks"
    if not folder.is_dir():
        raise RunnerError(f"no chapters at {folder}; they come with a clone of the repository")
    return folder


def select(folder: Path, names: Sequence[str] | None = None) -> list[Path]:
    """The chapters `NN_*.ipynb` of a folder in order, or those asked for by number or name."""
    chapters = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not chapters:
        raise RunnerError(f"there is no chapter NN_*.ipynb in {folder}")
    if not names:
        return chapters
    chosen = []
    for name in names:
        stem = name.removesuffix(".ipynb")
        found = [c for c in chapters if c.stem == stem or c.stem[:2] == stem.zfill(2)]
        if not found:
            raise RunnerError(
                f"there is no chapter {name!r}; there are {', '.join(c.stem for c in chapters)}"
            )
        chosen += found
    return sorted(set(chosen))


def read(chapter: Path) -> NotebookNode:
    """The notebook at `chapter`, in the current format."""
    try:
        return nbformat.read(chapter, as_version=4)
    except (ValueError, KeyError, AttributeError) as error:  # what nbformat raises on a broken file
        raise RunnerError(f"{chapter} is not a notebook: {error}") from error


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    names: list[str] = cell.metadata.get("tags", [])
    return names


def parameter_names(notebook: NotebookNode) -> set[str]:
    """Names assigned in the cell tagged `parameters`."""
    cells = [cell for cell in notebook.cells if "parameters" in tags(cell)]
    statements = [s for cell in cells for s in ast.parse(cell.source).body]
    return {
        target.id
        for statement in statements
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }


def refuse_unknown(chapter: Path, parameters: Mapping[str, object]) -> None:
    """Raise `RunnerError` for a parameter that the chapter does not have (papermill only warns)."""
    known = parameter_names(read(chapter))
    if unknown := sorted(set(parameters) - known):
        raise RunnerError(
            f"{chapter.name} has no parameter {', '.join(unknown)}: its cell tagged 'parameters' "
            f"sets {', '.join(sorted(known)) or 'none'}"
        )


def environment_digest() -> str:
    """Hex digest of what chapters depend on: package sources, versions, networks, `INPUTS`."""
    digest = hashlib.sha256(f"{platform.python_version()} {metadata.version('torch')}".encode())
    inputs = {path for pattern in INPUTS for path in files.results_dir().glob(pattern)}
    for path in [*sorted(PACKAGE.rglob("*.py")), *sorted(inputs)]:
        digest.update(f"{path.name} {files.sha256(path)}\n".encode())
    return digest.hexdigest()


def key(chapter: Path, parameters: Mapping[str, object], environment: str) -> str:
    """Hex digest that changes when a rerun could give something else: sources, not outputs."""
    cells = [(c.cell_type, c.source, tags(c)) for c in read(chapter).cells]
    content = json.dumps([cells, dict(parameters), environment], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def first_error(notebook: NotebookNode) -> str:
    """The first error output as one line, or ""."""
    for number, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                text = str(output.evalue).splitlines()
                return f"cell {number}: {output.ename}: {text[0] if text else ''}"
    return ""


def portable(notebook: NotebookNode, data_root: str = "") -> NotebookNode:
    """The notebook without traces of the machine that ran it: paths, run times, run metadata."""
    places = {
        str(files.results_dir()): "results",
        str(files.home()): ".",
        str(PACKAGE.parent): ".",
        sys.prefix: "python",
        str(Path.home()): "~",
    }
    if data_root:
        places[data_root] = "<DATA_ROOT>"
    ordered = sorted(places.items(), key=lambda item: -len(item[0]))
    kernel_files = re.escape(tempfile.gettempdir()) + r"/ipykernel_\d+/\d+\.py"
    # No path begins within a word, but one may follow the "\n" of a repr or the code of a colour.
    before, after = r"(^|[^\w.-]|\\[nrt]|\x1b\[[\d;]*m)", r"(?=[/\s'\"\\:,)\]>]|$)"

    def clean(value: Any, kind: str = "") -> Any:
        if isinstance(value, str) and not kind.startswith("image/"):
            value = re.sub(kernel_files, "<cell>", value)
            for place, name in ordered:
                value = re.sub(before + re.escape(place) + after, rf"\g<1>{name}", value)
        elif isinstance(value, list):
            return [clean(item) for item in value]
        elif isinstance(value, dict):
            return nbformat.from_dict({k: clean(v, k) for k, v in value.items()})
        return value

    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {
                "display_name": "Python 3 (ipykernel)",
                "language": "python",
                "name": "python3",
            },
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        kept = tags(cell)
        cell.metadata = nbformat.from_dict({"tags": kept} if kept else {})
        if "injected-parameters" in kept:
            cell.source = clean(cell.source)
        if "outputs" in cell:
            cell.outputs = [clean(output) for output in cell.outputs]
    return notebook
