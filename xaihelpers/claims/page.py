"""The ledger as a page, `claims.md`, and in short for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from xaihelpers.claims import digests
from xaihelpers.claims.records import SettledClaim, data_line
from xaihelpers.claims.types import Claim

ORIGINS = ("rendered", "real")
UNSETTLED = "not yet settled"

HEAD = """# Claims of the sources

Every claim of the sources that these chapters teach from, and what became of it. The rule that
gives the verdict was written before the figure was measured; no verdict here is typed by hand.
Intervals are of 95 %. *Amended* says when a rule, a number of images or a recipe was changed after
a figure was seen.

**Rendered** images are drawn by a program and show no patient: a figure in that column says
something about methods and networks, nothing about medicine. **Real** is filled by
`make reproduce DATA_ROOT=<folder>`.

*Stale* marks a record whose code, rule, chapter, data version or checkpoint has changed since it
was measured; its command measures again. Renew this page with `python -m xaihelpers claims`.
"""

#: By claim and origin, e.g. "C2/rendered": the record and the folder that it lies in.
Stored = Mapping[str, tuple[SettledClaim, Path]]


def text(claims: Iterable[Claim], stored: Stored, folder: Path) -> str:
    """The page of a results folder."""
    claims = list(claims)
    rows = [_row(claim, stored, folder) for claim in claims]
    head = ["| claim | rendered images | real images | amended | chapter, command |"]
    head += ["|---|---|---|---|---|"]
    sections = [_section(claim, stored, folder) for claim in claims]
    return "\n".join([HEAD, *head, *rows, "", *sections])


def _row(claim: Claim, stored: Stored, folder: Path) -> str:
    cells = [_cell(stored.get(f"{claim.id}/{origin}"), folder) for origin in ORIGINS]
    name = f"[**{claim.id}**](#{claim.id.lower()}) {claim.statement}"
    dates = ", ".join(dict.fromkeys(amendment.when for amendment in claim.amendments)) or "-"
    return f"| {name} | {' | '.join(cells)} | {dates} | {_chapter(claim)}, `{claim.command}` |"


def _cell(entry: tuple[SettledClaim, Path] | None, folder: Path) -> str:
    if entry is None:
        return UNSETTLED
    settled, lies_in = entry
    name = settled.headline
    mark = " *(stale)*" if stale(settled, lies_in) else ""
    sets = ", ".join(dict.fromkeys(data["name"] for data in settled.record["data"]))
    on = f" ({sets})" if sets else ""
    figure = settled.record["figure"]
    picture = f" [picture]({_picture(settled, lies_in, folder)})" if figure else ""
    return f"**{settled.in_words}**{mark}: {_words(name)} {settled.measures[name]}{on}{picture}"


def _picture(settled: SettledClaim, lies_in: Path, folder: Path) -> str:
    path = (lies_in / settled.record["figure"]).resolve()
    return path.relative_to(folder.resolve()).as_posix()


def _words(name: str) -> str:
    return name.replace("_", " ")


def _chapter(claim: Claim) -> str:
    return f"[{claim.chapter}](../notebooks/{claim.chapter}.ipynb)"


def stale(settled: SettledClaim, folder: Path) -> list[str]:
    """Why a record no longer speaks for the present state."""
    return digests.stale(settled.record, settled.claim, folder)


def _section(claim: Claim, stored: Stored, folder: Path) -> str:
    lines = [
        f'<a id="{claim.id.lower()}"></a>',
        f"## {claim.id}",
        "",
        f"{claim.statement}. *Source: {claim.source}.*",
        "",
        f"- Measured: {claim.how.rstrip('.')}.",
        f"- Rule: {claim.rule_text.rstrip('.')}.",
        *(
            f"- Amended on {a.when}: {a.what.rstrip('.')}. Verdict before: {a.verdict_before}."
            for a in claim.amendments
        ),
        f"- Chapter {_chapter(claim)}; again with `{claim.command}`.",
        "",
    ]
    for origin in ORIGINS:
        if entry := stored.get(f"{claim.id}/{origin}"):
            lines += [*_record(*entry, folder), ""]
    if not any(f"{claim.id}/{origin}" in stored for origin in ORIGINS):
        lines += [f"{UNSETTLED.capitalize()}.", ""]
    return "\n".join(lines)


def _record(settled: SettledClaim, lies_in: Path, folder: Path) -> list[str]:
    record = settled.record
    lines = [f"**{record['origin'].capitalize()} images: {settled.in_words}.**", ""]
    if reasons := stale(settled, lies_in):
        lines += [f"*Stale: {'; '.join(reasons)}.*", ""]
    lines += ["| measure | value, 95 % interval, n |", "|---|---|"]
    lines += [f"| {_words(name)} | {measure} |" for name, measure in settled.measures.items()]
    lines += ["", f"Data: {data_line(record)}. {_networks(record)}"]
    lines += [f"Profile {record['profile']}, seed {record['seed']}; {_versions(record)}."]
    if record["figure"]:
        lines += ["", f"![{settled.claim.id}]({_picture(settled, lies_in, folder)})"]
    return lines


def _networks(record: Mapping[str, Any]) -> str:
    cards = [f"{c['arch']} `{c['sha256'][:12]}`" for c in record["checkpoints"]]
    tables = [f"[{t['path']}]({t['path']}) `{t['sha256'][:12]}`" for t in record["tables"]]
    parts = [f"Networks: {', '.join(cards)}."] if cards else []
    return " ".join([*parts, *([f"Tables: {', '.join(tables)}."] if tables else [])])


def _versions(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items())


def short(claims: Iterable[Claim], stored: Stored) -> str:
    """One line per claim: verdict on rendered and on real images, stale marks, statement."""
    lines = []
    for claim in claims:
        verdicts = []
        for origin in ORIGINS:
            if entry := stored.get(f"{claim.id}/{origin}"):
                mark = " (stale)" if stale(*entry) else ""
                verdicts.append(f"{origin}: {entry[0].verdict}{mark}")
        lines.append(f"{claim.id:4} {', '.join(verdicts) or UNSETTLED:36} {claim.statement}")
    return "\n".join(lines)
