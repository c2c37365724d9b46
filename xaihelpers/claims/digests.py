"""What a settled claim rests on, as digests: code, rule, chapter, checkpoints, data, tables.

Comments, docstrings and blank lines do not count: rewording never makes a record stale.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.claims.reach import reached, statements
from xaihelpers.claims.types import Claim, Measure
from xaihelpers.errors import CheckpointError, RunnerError

#: Every package that decides a figure. Of these, a folder counts whole as soon as one of its
#: modules is imported. `claims.py` of an experiment is left out: the rule's digest covers it.
MEASURING = ("cams", "networks", "datasets", "setups", "metrics", "study", "experiments")
UNCOUNTED = {"exercise", "exercise-check", "parameters", "places"}  # tags of cells


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def code() -> dict[str, str]:
    """Digests of the folders of the measuring packages that this process has imported from."""
    return {name: digest for name in sorted(_imported()) if (digest := part(name))}


def _imported() -> set[str]:
    """Folders such as "datasets.rendered.fundus"; modules of the first level, such as "setups"."""
    parts = set()
    for name, loaded in list(sys.modules.items()):
        package, _, below = name.partition(".")
        first, _, rest = below.partition(".")
        if package != "xaihelpers" or first not in MEASURING or below.endswith(".claims"):
            continue
        if not rest and not hasattr(loaded, "__path__"):
            parts.add(first)
        elif not hasattr(loaded, "__path__"):
            parts.add(below.rpartition(".")[0])
    return parts


def part(name: str) -> str:
    """Digest of the modules of a folder such as "cams.engine", or of one module; "" if neither."""
    path = chapters.PACKAGE / name.replace(".", "/")
    paths = sorted(path.glob("*.py")) if path.is_dir() else [path.with_suffix(".py")]
    counted = [path for path in paths if path.exists() and path.name != "claims.py"]
    digests = [f"{path.name} {_module(path, _stamp(path))}" for path in counted]
    return _short("\n".join(digests)) if digests else ""


def _stamp(path: Path) -> tuple[int, int]:
    """Changes whenever a file does; a file that was read once need not be read again."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@cache
def _module(path: Path, stamp: tuple[int, int]) -> str:
    return _short(statements(path.read_text(encoding="utf-8")))


def rule(claim: Claim) -> str:
    """Digest of a claim's rule: all that decides its verdict, wherever in the package it stands.

    That is the rule's function and every function, class and constant of ours that it reaches, the
    names of measures that it expects, and how rules are applied and measures are read. A function
    may move to another module or change its docstring: the digest stays.
    """
    read = [vars(Measure)[name].fget for name in ("known", "lowest", "highest")]
    expected = repr((claim.measures, claim.optional))
    return _short("\n".join([*sorted(reached(claim.rule, Claim.judgement, *read)), expected]))


def chapter(name: str) -> str:
    """Digest of a chapter's code cells, exercises left out; "" where there is no such chapter."""
    try:
        path = chapters.notebooks_dir() / f"{name}.ipynb"
        return _chapter(path, _stamp(path))
    except (RunnerError, OSError):
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
    from xaihelpers.datasets.registry import RENDERED  # here: reading claims loads no data sets

    return str(RENDERED[name].VERSION) if name in RENDERED else ""


def _known_checkpoints(results: Path) -> set[str]:
    from xaihelpers.networks import checkpoints  # here: reading claims loads no networks

    folders = {results, results / "real", files.results_dir(), files.results_dir() / "real"}
    paths = [path for folder in folders for path in folder.glob("checkpoints/*.safetensors")]
    known = set()
    for path in paths:
        try:
            known.add(checkpoints.read_card(path)["sha256"])
        except CheckpointError:
            continue  # an unreadable card vouches for nothing
    return known


def stale(record: Mapping[str, Any], claim: Claim, results: Path) -> list[str]:
    """Why a stored record no longer speaks for the present state; empty if it does.

    Args:
        record: as it is stored.
        claim: the claim that it settles.
        results: the folder that its tables and checkpoints lie in.
    """
    changed = [name for name, digest in record["code"].items() if part(name) != digest]
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
