"""What a settled claim rests on, as digests: code, rule, chapter, checkpoints, data, tables.

Comments, docstrings and blank lines do not count: rewording never makes a record stale.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.claims.types import Claim
from xaihelpers.datasets.registry import RENDERED
from xaihelpers.networks import checkpoints

MEASURING = (
    "cams",
    "networks",
    "datasets",
    "metrics",
    "study",
    "experiments",
)  # packages that decide a figure
UNCOUNTED = {"exercise", "exercise-check", "parameters", "places"}  # cells that never do


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def statements(source: str) -> str:
    """Python source without comment lines, docstrings, blank lines and trailing space."""
    silent: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if ast.get_docstring(node, clean=False) is not None:
            said = node.body[0]
            silent |= set(range(said.lineno, (said.end_lineno or said.lineno) + 1))
    lines = [line.rstrip() for n, line in enumerate(source.splitlines(), 1) if n not in silent]
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("#"))


def code() -> dict[str, str]:
    """Digest of every module of the measuring packages that this process has imported."""
    packages = tuple(f"xaihelpers.{package}." for package in MEASURING)
    names = sorted(name.split(".", 1)[1] for name in sys.modules if name.startswith(packages))
    return {name: digest for name in names if (digest := module(name))}


def module(name: str) -> str:
    """Digest of a module such as "cams.maps"; "" if there is none."""
    path = chapters.PACKAGE / (name.replace(".", "/") + ".py")
    return _module(path, _stamp(path)) if path.exists() else ""


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever a file does; what is read once need not be read again."""
    found = path.stat()
    return found.st_mtime_ns, found.st_size


@cache
def _module(path: Path, stamp: tuple[int, int]) -> str:
    return _short(statements(path.read_text(encoding="utf-8")))


def rule(claim: Claim) -> str:
    """Digest of a claim's rule: its function, what that refers to, and how rules are applied."""
    return _short("\n".join([*_referred(claim.rule, {}).values(), _source(Claim.judge)]))


@cache
def _source(function: Callable[..., Any]) -> str:
    return statements(dedent(inspect.getsource(function)))


def _referred(function: Callable[..., Any], found: dict[str, str]) -> dict[str, str]:
    """Sources by name: the function, the functions and constants of its module that it uses."""
    found[function.__qualname__] = _source(function)
    names: list[str] = []
    pending = [function.__code__]
    while pending:
        code = pending.pop()
        names += code.co_names
        pending += [const for const in code.co_consts if inspect.iscode(const)]
    for name in sorted(set(names) & set(function.__globals__) - set(found)):
        value = function.__globals__[name]
        if inspect.isfunction(value) and value.__module__ == function.__module__:
            _referred(value, found)
        elif isinstance(value, int | float | str | tuple):
            found[name] = f"{name} = {value!r}"
    return found


def chapter(name: str) -> str:
    """Digest of a chapter's code cells, exercises left out; "" where there is no such chapter."""
    try:
        path = chapters.notebooks_dir() / f"{name}.ipynb"
        return _chapter(path, _stamp(path))
    except (chapters.RunnerError, OSError):
        return ""


@cache
def _chapter(path: Path, stamp: tuple[int, int]) -> str:
    counted = [
        cell.source
        for cell in chapters.read(path).cells
        if cell.cell_type == "code" and not UNCOUNTED & set(cell.metadata.get("tags", []))
    ]
    return _short("\n\n".join(source.rstrip() for source in counted))


def data_version(name: str) -> str:
    """The renderer's version as text; "" for a set that is not rendered."""
    return str(RENDERED[name].VERSION) if name in RENDERED else ""


def _known_checkpoints(results: Path) -> set[str]:
    folders = {results, results / "real", files.results_dir(), files.results_dir() / "real"}
    paths = [path for folder in folders for path in folder.glob("checkpoints/*.safetensors")]
    found = set()
    for path in paths:
        try:
            found.add(checkpoints.read_card(path)["sha256"])
        except checkpoints.CheckpointError:
            continue  # an unreadable card vouches for nothing
    return found


def stale(record: Mapping[str, Any], claim: Claim, results: Path) -> list[str]:
    """Why a stored record no longer speaks for the present state; empty if it does.

    record: as stored. results: the folder that its tables and checkpoints lie in.
    """
    changed = [name for name, digest in record["code"].items() if module(name) != digest]
    reasons = [f"code changed: {', '.join(changed)}"] if changed else []
    if record["rule"] != rule(claim):
        reasons.append("the rule changed")
    if record["chapter"] != chapter(claim.chapter):
        reasons.append(f"chapter {claim.chapter} changed")
    for data in record["data"]:
        if (now := data_version(data["name"])) and now != data["version"]:
            reasons.append(f"{data['name']} is now version {now}, was {data['version']}")
    present = _known_checkpoints(results) if record["checkpoints"] else set()
    for card in record["checkpoints"]:
        if card["sha256"] not in present:
            reasons.append(f"checkpoint {card['sha256'][:12]} ({card['arch']}) is gone or changed")
    for table in record["tables"]:
        path = results / table["path"]
        if not path.exists() or files.sha256(path) != table["sha256"]:
            reasons.append(f"{table['path']} changed")
    return reasons
