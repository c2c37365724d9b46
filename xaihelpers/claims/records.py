"""Settled claims as records in `claims.json`, from which a verdict is read but never chosen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from xaihelpers.claims import digests as claim_digests
from xaihelpers.claims.types import Claim, Measure
from xaihelpers.errors import ClaimError
from xaihelpers.experiments.all_claims import CLAIMS

RULE_CHANGED = "rule changed since"


@dataclass(frozen=True, repr=False)
class Settled:
    """A claim with its measures and what they rest on.

    record: as it stands in `claims.json`, but for measures and verdict.
    """

    claim: Claim
    measures: Mapping[str, Measure]
    record: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """What the claim's rule gives for these measures.

        If the rule is no longer the one that stood when they were taken, there is no verdict:
        a rule must not be fitted to figures that are known.
        """
        if self.record["rule"] != claim_digests.rule(self.claim):
            return RULE_CHANGED
        return self.claim.judge(self.measures)

    @property
    def in_words(self) -> str:
        """The verdict, with what it depends on."""
        on = f" on {self.claim.depends_on}" if self.claim.depends_on else ""
        return f"depends{on}" if self.verdict == "depends" else self.verdict

    def as_json(self) -> dict[str, Any]:
        """Everything that is stored, digest last."""
        measures = {name: _plain(measure) for name, measure in self.measures.items()}
        held = {"verdict": self.verdict, "measures": measures, **self.record}
        return held | {"digest": _digest(held)}

    def __repr__(self) -> str:
        lines = [
            f"{self.claim.id}: {self.claim.statement} ({self.claim.source})",
            f"verdict: {self.in_words}",
            f"rule: {self.claim.rule_text}",
            *(f"  {name} = {measure}" for name, measure in self.measures.items()),
            f"measured on {data_line(self.record)} · profile {self.record['profile']}",
        ]
        return "\n".join(lines)


def _plain(measure: Measure) -> dict[str, Any]:
    return {**asdict(measure), "value": measure.value if measure.known else None}


def _digest(held: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(held, sort_keys=True).encode()).hexdigest()[:16]


def data_line(record: Mapping[str, Any]) -> str:
    """The data of a record in words."""
    sets = [
        f"{d['name']} ({d['origin']}, {d['split']}, {d['count']} images)" for d in record["data"]
    ]
    return ", ".join(sets) or "no data set: it follows from how things are made"


def ledger_folder(results: Path | str) -> Path:
    """The folder whose ledger shows these results: real results lie in `real/` below it."""
    results = Path(results)
    return results.resolve().parent if results.resolve().name == "real" else results


def read(results: Path | str) -> dict[str, Settled]:
    """The records of one folder by claim and origin, e.g. "C2/rendered"; none if none was settled.

    Raises:
        ClaimError: a record that was changed by hand: it does not have its digest, or its verdict
            is not what its rule gives.
    """
    path = Path(results) / "claims.json"
    if not path.exists():
        return {}
    try:
        stored_records = json.loads(path.read_text(encoding="utf-8"))
        return {key: _opened(key, held, path) for key, held in stored_records.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ClaimError):
            raise
        raise ClaimError(f"{path} cannot be read ({error}); delete it and settle again") from error


def _opened(key: str, held: dict[str, Any], path: Path) -> Settled:
    claim = CLAIMS[key.split("/")[0]]
    again = f"`{claim.command}` settles it again, after its entry is deleted from {path}"
    digest, verdict = held.pop("digest"), held["verdict"]
    if digest != _digest(held):
        raise ClaimError(f"the record {key} was changed by hand: {again}")
    del held["verdict"]
    measures = {
        name: Measure(**{**values, "value": float("nan")} if values["value"] is None else values)
        for name, values in held.pop("measures").items()
    }
    settled = Settled(claim, measures, held)
    if settled.verdict not in (verdict, RULE_CHANGED):
        raise ClaimError(
            f"the record {key} says {verdict!r}, its rule gives {settled.verdict!r}: {again}"
        )
    return settled


def stored(results: Path | str) -> dict[str, tuple[Settled, Path]]:
    """All records that a ledger shows, each with the folder it lies in.

    Real results are read from `real/` too, and only there and here; rendered ones from here alone.
    """
    folder = ledger_folder(results)
    found = {key: (record, folder) for key, record in read(folder).items()}
    for key, record in read(folder / "real").items():
        if record.record["origin"] == "real":
            found[key] = (record, folder / "real")
    return found
