"""The measured tables of failures, attacks and the marker experiment: read, grown, checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from xaihelpers import files
from xaihelpers.files import save_table
from xaihelpers.setups import Setup

#: Table -> the command that measures it.
MEASURED_BY = {
    "c8_marker": "python -m xaihelpers.experiments.marker.measure",
    "c13_attacks": "python -m xaihelpers.experiments.failures.measure attacks",
    "c15_failures": "python -m xaihelpers.experiments.failures.measure failures",
}


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
    return pd.read_csv(path)


def parts(items: Sequence[int], size: int) -> Iterator[list[int]]:
    """The items in lists of at most `size`."""
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def grow(name: str, rows: pd.DataFrame, setup: Setup) -> None:
    """Append rows to a table, rounded so that it stays small."""
    path = table_path(name)
    before = [pd.read_csv(path)] if path.exists() else []
    numbers = rows.select_dtypes("float").columns.difference(["p_before", "p_after"])
    rows = rows.assign(**{column: rows[column].astype(float).round(5) for column in numbers})
    rows["checkpoint"] = setup.card["sha256"][:12]
    save_table(pd.concat([*before, rows], ignore_index=True), path)


def done(name: str, setup: Setup, keys: dict[str, str], searched: int = 0) -> set[int]:
    """The images that a table holds for these keys.

    Rows of an older checkpoint, or of a search through fewer images than `searched`, are removed.
    """
    path = table_path(name)
    if not path.exists():
        return set()
    table = pd.read_csv(path)
    asked = (table[list(keys)] == list(keys.values())).all(axis=1)
    old = asked & (table["checkpoint"] != setup.card["sha256"][:12])
    if searched:
        old |= asked & (table["searched"] < searched)
    if old.any():
        save_table(table[~old], path)
    return set(table[asked & ~old]["index"])
