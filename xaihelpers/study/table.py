"""Tables that can be stopped and resumed: finished rows stay, and belong to what they rest on.

`ResumableTable` is a CSV file for readers, one row per measurement. `Parts` are Parquet files, one
per batch, which several processes may write at once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from xaihelpers.errors import EvaluationError
from xaihelpers.files import atomic_path, save_table

#: Columns that look like numbers and are none: read as text.
TEXT = ("hits", "checkpoint", "data_version")


def read_table(path: Path | str) -> pd.DataFrame:
    """A measured table; one without rows or columns if the file does not exist.

    Args:
        path: of a CSV file. Its columns in `TEXT` are read as text.
    """
    if not Path(path).exists():
        return pd.DataFrame()
    return pd.read_csv(path, dtype=dict.fromkeys(TEXT, str))


@dataclass(frozen=True)
class ResumableTable:
    """A CSV file whose rows are measured once.

    Rows of another scope are never touched. Rows of this scope that carry another stamp are stale:
    they do not count as done, and the first new row removes them.

    Attributes:
        path: the file; it need not exist.
        keys: columns that tell the rows of one scope apart.
        stamp: column -> value: what the rows rest on, such as a checkpoint or a data version.
        scope: column -> value: the part of the file that is being measured.
        order: columns that the file is sorted by; empty keeps the order of measuring.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "accuracy.csv"
        >>> table = ResumableTable(path, ("seed",), {"data_version": "2"})
        >>> table.measure([0, 1], lambda seeds: pd.DataFrame({"seed": seeds, "accuracy": 0.9}))
        >>> table.measure([0, 1, 2], lambda seeds: pd.DataFrame({"seed": seeds, "accuracy": 0.8}))
        >>> table.rows()["accuracy"].tolist()
        [0.9, 0.9, 0.8]
    """

    path: Path
    keys: tuple[str, ...]
    stamp: Mapping[str, object] = field(default_factory=dict)
    scope: Mapping[str, object] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    def rows(self) -> pd.DataFrame:
        """The finished rows of this scope and stamp."""
        whole = read_table(self.path)
        return whole[_matching(whole, {**self.scope, **self.stamp})].reset_index(drop=True)

    def done(self) -> set[Hashable]:
        """Keys of the finished rows: values where there is one key column, else tuples."""
        return set(self._keys_of(self.rows()))

    def append(self, rows: pd.DataFrame) -> None:
        """Add rows, remove stale ones and those of equal keys, and save.

        Args:
            rows: with the key columns. Columns of scope and stamp are filled in.

        Raises:
            EvaluationError: a key column is missing.
            StorageError: the file cannot be written.
        """
        if absent := [name for name in self.keys if name not in rows]:
            raise EvaluationError(f"rows for {self.path.name} lack the key columns {absent}")
        rows = rows.assign(**{**self.scope, **self.stamp})
        whole = read_table(self.path)
        mine, current = (
            _matching(whole, wanted) for wanted in (self.scope, {**self.scope, **self.stamp})
        )
        fresh = set(self._keys_of(rows))
        renewed = pd.Series([key in fresh for key in self._keys_of(whole)], whole.index, dtype=bool)
        kept = whole[~mine | (current & ~renewed)]
        joined = pd.concat([kept, rows], ignore_index=True) if len(kept) else rows
        save_table(joined.sort_values(list(self.order)) if self.order else joined, self.path)

    def measure(
        self,
        keys: Iterable[Hashable],
        make: Callable[[list[Hashable]], pd.DataFrame],
        chunk: int = 1,
        label: str = "",
    ) -> None:
        """Make the rows that are missing, saving after each chunk; Ctrl-C loses the one in work.

        Args:
            keys: of all rows that are wanted, as `done` gives them.
            make: keys of some missing rows -> these rows.
            chunk: rows made between two saves.
            label: what the progress bar is called.
        """
        done = self.done()
        left = [key for key in keys if key not in done]
        with tqdm(total=len(left), desc=label or self.path.stem, disable=not left) as bar:
            for start in range(0, len(left), chunk):
                part = left[start : start + chunk]
                self.append(make(part))
                bar.update(len(part))

    def _keys_of(self, rows: pd.DataFrame) -> list[Hashable]:
        if rows.empty:
            return []
        if len(self.keys) == 1:
            return rows[self.keys[0]].tolist()
        return list(rows[list(self.keys)].itertuples(index=False, name=None))


def _matching(table: pd.DataFrame, wanted: Mapping[str, object]) -> pd.Series:
    """Which rows hold these values, compared as text; none where a column is missing."""
    chosen = pd.Series(True, table.index, dtype=bool)
    for name, value in wanted.items():
        chosen &= table[name].astype(str).eq(str(value)) if name in table else False
    return chosen


@dataclass(frozen=True)
class Parts:
    """Rows of many batches, a Parquet file each, exact to the last bit.

    Attributes:
        folder: of this table alone; its name should say what the table rests on.
    """

    folder: Path

    def rows(self, number: int, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """The rows of a batch: read if they are there, else made and stored.

        Raises:
            StorageError: the folder cannot be written.
        """
        path = self.folder / f"{number:05d}.parquet"
        if not path.exists():
            with atomic_path(path) as partial:
                make().to_parquet(partial, index=False)
        return pd.read_parquet(path)
