"""What a record rests on, in words that `claims.json` can hold: data sets, networks, tables."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xaihelpers import files
from xaihelpers.claims import digests
from xaihelpers.errors import ClaimError

if TYPE_CHECKING:
    from xaihelpers.datasets.records import ImageDataset


def describe(sources: Sequence[Any], results: Path) -> dict[str, Any]:
    """The data sets, model cards and tables among `sources`, and the origin of all.

    Args:
        sources: data sets, model cards (mappings) and paths of tables.
        results: the folder that the tables lie in.

    Raises:
        ClaimError: a card without a digest, or a table that does not lie below `results`.
    """
    cards = [source for source in sources if isinstance(source, Mapping)]
    tables = [source for source in sources if isinstance(source, str | Path)]
    sets = [source for source in sources if not isinstance(source, Mapping | str | Path)]
    data = [_dataset(dataset, cards) for dataset in sets]
    origins = {d["origin"] for d in data} or {c.get("data", {}).get("origin") for c in cards}
    return {
        "origin": "real" if origins == {"real"} else "rendered",
        "data": data,
        "checkpoints": [_card(card) for card in cards],
        "tables": [_table(Path(table), results) for table in tables],
    }


def _dataset(dataset: ImageDataset, cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    version = digests.data_version(dataset.name)
    for card in cards:
        data = card.get("data", {})
        if not version and data.get("name") == dataset.name:
            version = str(data.get("version"))
    return {
        "name": dataset.name,
        "origin": dataset.origin,
        "version": version,
        "split": dataset.split,
        "count": len(dataset),
        "size": dataset.size,
        "seed": dataset.seed,
    }


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    if "sha256" not in card:
        raise ClaimError("a model card without sha256 names no checkpoint; save the network first")
    known = {key: card.get(key) for key in ("arch", "seed", "sha256")}
    return known | {"trained_on": card.get("data", {}).get("name")}


def _table(table: Path, results: Path) -> dict[str, str]:
    if not table.is_file() or not table.resolve().is_relative_to(results.resolve()):
        raise ClaimError(f"{table} is not a file below {results}; write the table there first")
    place = table.resolve().relative_to(results.resolve())
    return {"path": place.as_posix(), "sha256": files.sha256(table)}


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide figures."""
    packages = ("xaihelpers", "torch", "torchvision", "numpy")
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}
