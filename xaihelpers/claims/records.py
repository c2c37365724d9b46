"""Settled claims as records in `claims.json`, from which a verdict is read but never chosen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from xaihelpers.claims import digests
from xaihelpers.claims.types import Claim, Measure
from xaihelpers.claims.verdicts import Judgement
from xaihelpers.errors import ClaimError

RULE_CHANGED = "rule changed since"


@dataclass(frozen=True, repr=False)
class SettledClaim:
    """A claim with its measures and what they rest on.

    Args:
        claim: the claim.
        measures: its measures, by name.
        record: all else that `claims.json` holds of it, but for the verdict.
    """

    claim: Claim
    measures: Mapping[str, Measure]
    record: Mapping[str, Any]

    @property
    def verdict(self) -> str:
        """The verdict that the claim's rule gives for these measures.

        If the rule is no longer the one that stood when they were taken, there is no verdict:
        a rule must not be fitted to figures that are known.
        """
        return self.judgement.verdict if self.judgement else RULE_CHANGED

    @cached_property
    def judgement(self) -> Judgement | None:
        """The verdict with its reason; None if the rule has changed."""
        if self.record["rule"] != digests.rule(self.claim):
            return None
        return self.claim.judgement(self.measures)

    @property
    def in_words(self) -> str:
        """The verdict, with its reason or with what it depends on."""
        if self.judgement and self.judgement.reason:
            return str(self.judgement)
        on = f" on {self.claim.depends_on}" if self.claim.depends_on else ""
        return f"depends{on}" if self.verdict == "depends" else self.verdict

    @property
    def headline(self) -> str:
        """The name of the measure that the verdict rests on; the first if the rule names none."""
        decided_by = self.judgement.decided_by if self.judgement else ()
        return next(iter(decided_by or self.measures))

    def as_json(self) -> dict[str, Any]:
        """Everything that is stored, digest last."""
        measures = {name: _plain(measure) for name, measure in self.measures.items()}
        content = {"verdict": self.verdict, "measures": measures, **self.record}
        return content | {"digest": digest(content)}

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


def digest(content: Mapping[str, Any]) -> str:
    """The digest of a record, by which a change by hand is noticed."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def data_line(record: Mapping[str, Any]) -> str:
    """The data of a record in words."""
    sets = [
        f"{d['name']} ({d['origin']}, {d['split']}, {d['count']} images)" for d in record["data"]
    ]
    return ", ".join(sets) or "no data set: it follows from how things are made"


def read(path: Path, claims: Mapping[str, Claim]) -> dict[str, SettledClaim]:
    """The records of a file by claim and origin, e.g. "C2/rendered"; none if there is no file.

    Raises:
        ClaimError: the file cannot be read, or a record was changed by hand: it does not have its
            digest, or its verdict is not what its rule gives.
    """
    if not path.exists():
        return {}
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        return {key: _settled(key, content, path, claims) for key, content in contents.items()}
    except ClaimError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClaimError(f"{path} cannot be read ({error}); delete it and settle again") from error


def _settled(
    key: str, content: dict[str, Any], path: Path, claims: Mapping[str, Claim]
) -> SettledClaim:
    claim = claims[key.split("/")[0]]
    again = f"`{claim.command}` settles it again, after its entry is deleted from {path}"
    stored_digest, verdict = content.pop("digest"), content["verdict"]
    if stored_digest != digest(content):
        raise ClaimError(f"the record {key} was changed by hand: {again}")
    del content["verdict"]
    measures = {
        name: Measure(**{**values, "value": float("nan")} if values["value"] is None else values)
        for name, values in content.pop("measures").items()
    }
    settled = SettledClaim(claim, measures, content)
    if settled.verdict not in (verdict, RULE_CHANGED):
        raise ClaimError(
            f"the record {key} says {verdict!r}, its rule gives {settled.verdict!r}: {again}"
        )
    return settled
