"""Where things live on disk, and how they are written: to a temporary file first, then replaced."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from xaihelpers.errors import StorageError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

VISIBLE = 2  # grey levels of 255 between two renderings that look the same
DIGITS = 6  # significant ones of a stored number


def home() -> Path:
    """Folder of `data/` and `results/`: `XAIHELPERS_HOME`, else the clone, else `~/.xaihelpers`."""
    if chosen := os.environ.get("XAIHELPERS_HOME"):
        return Path(chosen).expanduser().resolve()
    clone = Path(__file__).resolve().parents[1]
    return clone if (clone / "pyproject.toml").exists() else Path.home() / ".xaihelpers"


def data_dir() -> Path:
    """Folder of the rendered cache and, by default, of the real data."""
    return home() / "data"


def results_dir() -> Path:
    """Folder of everything a run writes."""
    return home() / "results"


def checkpoints_dir() -> Path:
    """Folder of the shipped checkpoints and their model cards."""
    return results_dir() / "checkpoints"


@contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`: on success it replaces `path`, else it is removed.

    Raises:
        StorageError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix
        )
        os.close(handle)
        partial = Path(name)
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}. "
            f"Check that {path.parent} is writable and has free space, or set XAIHELPERS_HOME "
            "to a folder that does."
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def sha256(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rounded(number: float) -> float:
    """The number to `DIGITS` significant digits; a whole number stays as it is."""
    return number if number.is_integer() else float(f"{number:.{DIGITS}g}")


def save_table(table: pd.DataFrame, path: Path | str) -> None:
    """Write a table as CSV, atomically, its numbers to `DIGITS` significant digits.

    More digits differ between processors, so that a rerun elsewhere would change the file.
    """
    with atomic_path(path) as partial:
        table.to_csv(partial, index=False, float_format=f"%.{DIGITS}g")


def save_figure(figure: Figure, path: Path | str, **options: Any) -> None:
    """Write a figure as PNG, atomically, unless the file there looks the same.

    Args:
        figure: what to draw.
        path: of the PNG file.
        options: of matplotlib's `savefig`, such as `dpi`.
    """
    path = Path(path)
    with atomic_path(path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None}, **options)
        if path.exists() and look_the_same(partial, path):
            partial.write_bytes(path.read_bytes())


def look_the_same(first: Path | IO[bytes], second: Path | IO[bytes]) -> bool:
    """Whether two pictures are of equal size and nowhere more than `VISIBLE` grey levels apart.

    Args:
        first, second: files with a picture each; what is no picture looks like nothing else.
    """
    import numpy as np
    from PIL import Image, ImageChops, UnidentifiedImageError

    try:
        with Image.open(first) as one, Image.open(second) as other:
            if one.size != other.size:
                return False
            apart = ImageChops.difference(one.convert("RGBA"), other.convert("RGBA"))
    except UnidentifiedImageError:
        return False
    return bool(np.asarray(apart).max(initial=0) <= VISIBLE)
