"""Settling claims: chapters call `settle`, `python -m xaihelpers claims` shows and reruns.

A record holds measures, and what they rest on. Its verdict is not a choice: it is what the claim's
rule gives for the measures, when the claim is settled and again whenever the record is read.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock
from matplotlib.figure import Figure

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.claims import digests as claim_digests
from xaihelpers.claims import ledger
from xaihelpers.claims.records import Settled, ledger_folder, read, stored
from xaihelpers.claims.types import Claim, Measure
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import ClaimError
from xaihelpers.experiments.all_claims import CLAIMS

__all__ = ["CLAIMS", "Claim", "ClaimError", "Measure", "Settled", "read", "settle", "stored"]


def _describe_data(dataset: ImageDataset, cards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    version = claim_digests.data_version(dataset.name)
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


def _describe_card(card: Mapping[str, Any]) -> dict[str, Any]:
    if "sha256" not in card:
        raise ClaimError("a model card without sha256 names no checkpoint; save the network first")
    known = {key: card.get(key) for key in ("arch", "seed", "sha256")}
    return known | {"trained_on": card.get("data", {}).get("name")}


def _describe(sources: Sequence[Any], results: Path) -> dict[str, Any]:
    """The part of a record that says what it rests on."""
    cards = [source for source in sources if isinstance(source, Mapping)]
    tables = [source for source in sources if isinstance(source, str | Path)]
    sets = [source for source in sources if not isinstance(source, Mapping | str | Path)]
    data = [_describe_data(dataset, cards) for dataset in sets]
    origins = {d["origin"] for d in data} or {c.get("data", {}).get("origin") for c in cards}
    return {
        "origin": "real" if origins == {"real"} else "rendered",
        "data": data,
        "checkpoints": [_describe_card(card) for card in cards],
        "tables": [_describe_table(Path(table), results) for table in tables],
    }


def _describe_table(table: Path, results: Path) -> dict[str, str]:
    if not table.is_file() or not table.resolve().is_relative_to(results.resolve()):
        raise ClaimError(f"{table} is not a file below {results}; write the table there first")
    place = table.resolve().relative_to(results.resolve())
    return {"path": place.as_posix(), "sha256": files.sha256(table)}


def _versions() -> dict[str, str]:
    packages = ("xaihelpers", "torch", "torchvision", "numpy")
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}


def settle(
    claim_id: str,
    measures: Mapping[str, Measure],
    *,
    sources: Sequence[Any],
    seed: int,
    profile: str,
    results: Path | str,
    figure: Figure | None = None,
) -> Settled:
    """Judge a claim by its rule, store the record below `results`, renew the ledger.

    A record of a smaller profile does not replace a sound one of a larger profile.

    Args:
        measures: what the rule of `CLAIMS[claim_id]` reads; more are stored as well.
        sources: model cards, data sets and paths of tables below `results`; real only if all are.
        figure: saved as `figures/claim_<ID>.png`.

    Raises:
        ClaimError: unknown claim, missing measure, or stored records that were changed by hand.
    """
    if claim_id not in CLAIMS:
        raise ClaimError(f"there is no claim {claim_id!r}; there are {', '.join(CLAIMS)}")
    claim, results = CLAIMS[claim_id], Path(results)
    claim.judge(measures)  # said before anything is written
    record = _describe(sources, results) | {
        "seed": seed,
        "profile": profile,
        "versions": _versions(),
        "figure": f"figures/claim_{claim_id}.png" if figure is not None else "",
        "code": claim_digests.code(),
        "rule": claim_digests.rule(claim),
        "chapter": claim_digests.chapter(claim.chapter),
    }
    settled = Settled(claim, dict(measures), record)
    with _locked(results):
        _store(settled, results, figure)
    return settled


def _store(settled: Settled, results: Path, figure: Figure | None) -> None:
    held = read(results)
    key = f"{settled.claim.id}/{settled.record['origin']}"
    if key in held and _outranks(held[key], settled, results):
        return
    if figure is not None:
        with files.atomic_path(results / settled.record["figure"]) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})
    path = results / "claims.json"
    written = json.loads(path.read_text(encoding="utf-8")) if held else {}
    written[key] = settled.as_json()  # the others stay as they were settled
    ordered = {name: written[name] for name in sorted(written, key=_order)}
    with files.atomic_path(path) as partial:
        partial.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    ledger.write(results)


def _order(key: str) -> tuple[int, str]:
    name, origin = key.split("/")
    return int(name[1:]), origin


def _outranks(old: Settled, new: Settled, results: Path) -> bool:
    """Whether the stored record is sound and of a larger profile."""
    ranks = [_rank(old.record["profile"]), _rank(new.record["profile"])]
    return ranks[0] > ranks[1] and not claim_digests.stale(old.record, old.claim, results)


def _rank(profile: str) -> int:
    return runner.PROFILES.index(profile) if profile in runner.PROFILES else 0


@contextmanager
def _locked(results: Path) -> Iterator[None]:
    folder = ledger_folder(results)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".claims.lock"):
        yield


def rerun(names: Sequence[str], profile: str, seed: int, data_root: str) -> int:
    """Execute the chapters of these claims and print the records; 1 if one was not settled."""
    for name in names:
        if name not in CLAIMS:
            raise ClaimError(f"there is no claim {name!r}; there are {', '.join(CLAIMS)}")
    results = files.results_dir() / "real" if data_root else files.results_dir()
    wanted = sorted({CLAIMS[name].chapter for name in names})
    chapters.select(chapters.notebooks_dir(), wanted)
    for chapter in wanted:  # a chapter that is up to date would be kept, not measured again
        (results / "chapters" / f"{chapter}.stamp.json").unlink(missing_ok=True)
    code = runner.run(profile=profile, seed=seed, data_root=data_root, only=wanted)
    records = read(results)
    for name in names:
        settled = [s for key, s in records.items() if key.split("/")[0] == name]
        for record in settled:
            print(f"\n{record}\nledger: {ledger_folder(results) / 'claims.md'}")
        if not settled:
            print(f"\n{name}: chapter {CLAIMS[name].chapter} has not settled it")
            code = 1
    return code


def show(results: Path | None = None) -> int:
    """Renew `claims.md`, print it in short."""
    folder = results or files.results_dir()
    ledger.write(folder)
    print(ledger.short(folder))
    return 0
