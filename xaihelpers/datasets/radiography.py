"""Reader of the real radiography set."""

from pathlib import Path

from xaihelpers.datasets.records import DataError, Source


def find(root: Path) -> Path | None:
    """The set's folder under `root`, if it is there."""
    return None


def source(root: Path, split: str, size: int, seed: int, skip_bad: bool = False) -> Source:
    """The records of a split."""
    raise DataError(f"no radiography data under {root}.")
