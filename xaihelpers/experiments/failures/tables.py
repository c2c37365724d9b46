"""The measured tables of failures, attacks and the marker experiment: where they lie, how grown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd

from xaihelpers import files
from xaihelpers.setups import Setup
from xaihelpers.study import ResumableTable, read_table

#: Table -> the command that measures it.
MEASURED_BY = {
    "c8_marker": "python -m xaihelpers measure marker",
    "c13_attacks": "python -m xaihelpers measure attacks",
    "c15_failures": "python -m xaihelpers measure failures",
}
EXACT = ("p_before", "p_after")  # probabilities so small that decimals would lose them


def table_path(name: str, results: Path | str | None = None) -> Path:
    """Where a measured table lies, below `files.results_dir()` by default."""
    return Path(results or files.results_dir()) / "tables" / f"{name}.csv"


def read(name: str, results: Path | str) -> pd.DataFrame:
    """The measured table below `results`, where a copy of the shipped one is put or renewed.

    Raises:
        FileNotFoundError: neither exists.
    """
    path, shipped = table_path(name, results), table_path(name)
    if not path.exists() and not shipped.exists():
        raise FileNotFoundError(f"{shipped} is not measured yet; run {MEASURED_BY[name]}")
    if shipped.exists() and (not path.exists() or path.read_bytes() != shipped.read_bytes()):
        with files.atomic_path(path) as partial:
            shutil.copy(shipped, partial)
    return read_table(path)


def measured_table(name: str, setup: Setup, scope: dict[str, str]) -> ResumableTable:
    """A table with one row per image of a scope, for as long as the network stays the same."""
    stamp = {"checkpoint": setup.card["sha256"][:12]}
    return ResumableTable(table_path(name), ("index",), stamp, scope)


def rounded(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with five decimals, except `EXACT`, so that the tables stay small."""
    numbers = rows.select_dtypes("float").columns.difference(EXACT)
    return rows.assign(**{column: rows[column].astype(float).round(5) for column in numbers})
