"""The ledger: chapters settle claims in it, `python -m xaihelpers claims` shows and reruns them.

A record holds measures, and what they rest on. Its verdict is not a choice: it is what the claim's
rule gives for the measures, when the claim is settled and again whenever the record is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from xaihelpers import files
from xaihelpers.chapters import files as chapter_files
from xaihelpers.claims import digests, page, records
from xaihelpers.claims.records import SettledClaim
from xaihelpers.claims.sources import describe, versions
from xaihelpers.claims.types import Claim, Measure
from xaihelpers.errors import ClaimError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Ledger:
    """What became of a set of claims, in the `claims.json` and `claims.md` of results folders.

    Args:
        claims: the claims by id, in the order in which they are shown.
    """

    def __init__(self, claims: Mapping[str, Claim]) -> None:
        self.claims = claims

    def settle(
        self,
        claim_id: str,
        measures: Mapping[str, Measure],
        *,
        sources: Sequence[Any],
        seed: int,
        profile: str,
        results: Path | str,
        figure: Figure | None = None,
    ) -> SettledClaim:
        """Judge a claim by its rule, store the record below `results`, renew the page.

        A record of a smaller profile does not replace a sound one of a larger profile.

        Args:
            claim_id: "C1", "C2" and so on.
            measures: by the names that the claim expects; NaN where one cannot be measured here.
            sources: model cards, data sets and paths of tables below `results`; the record counts
                as real only if all data are.
            seed: of the run.
            profile: of the run: "quick", "full" or "gpu".
            results: the folder of the run's results.
            figure: saved as `figures/claim_<ID>.png`.

        Raises:
            ClaimError: an unknown claim, a missing or misnamed measure, or stored records that
                were changed by hand. Nothing is written then.
        """
        claim, results = self._claim(claim_id), Path(results)
        claim.judge(measures)  # raises before anything is written
        record = describe(sources, results) | {
            "seed": seed,
            "profile": profile,
            "versions": versions(),
            "figure": f"figures/claim_{claim_id}.png" if figure is not None else "",
            "code": digests.code(),
            "rule": digests.rule(claim),
            "chapter": digests.chapter(claim.chapter),
        }
        settled = SettledClaim(claim, dict(measures), record)
        with _locked(results):
            self._store(settled, results, figure)
        return settled

    def read(self, results: Path | str) -> dict[str, SettledClaim]:
        """The records of one folder by claim and origin, e.g. "C2/rendered".

        Raises:
            ClaimError: the file cannot be read, or a record was changed by hand.
        """
        return records.read(Path(results) / "claims.json", self.claims)

    def stored(self, results: Path | str) -> dict[str, tuple[SettledClaim, Path]]:
        """All records that the page of `results` shows, each with the folder it lies in.

        Real results are read from `real/` too, and only there and here; rendered ones from here
        alone.
        """
        folder = page_folder(results)
        entries = {key: (record, folder) for key, record in self.read(folder).items()}
        for key, record in self.read(folder / "real").items():
            if record.record["origin"] == "real":
                entries[key] = (record, folder / "real")
        return entries

    def write(self, results: Path | str) -> Path:
        """Write `claims.md` from the records of `results` and of `real/` below it; its path."""
        path = page_folder(results) / "claims.md"
        with files.atomic_path(path) as partial:
            partial.write_text(self.text(results), encoding="utf-8")
        return path

    def text(self, results: Path | str) -> str:
        """The page of a results folder."""
        return page.text(self.claims.values(), self.stored(results), page_folder(results))

    def short(self, results: Path | str) -> str:
        """One line per claim: verdict on rendered and on real images, stale marks, statement."""
        return page.short(self.claims.values(), self.stored(results))

    def show(self, results: Path | str | None = None) -> int:
        """Renew `claims.md` and print it in short; returns 0.

        Args:
            results: `files.results_dir()` by default.
        """
        folder = results or files.results_dir()
        self.write(folder)
        print(self.short(folder))
        return 0

    def rerun(self, names: Sequence[str], profile: str, seed: int, data_root: str) -> int:
        """Execute the chapters of these claims and print the records; 1 if one was not settled.

        Args:
            names: ids of claims.
            profile: "quick", "full" or "gpu".
            seed: of the run.
            data_root: the folder of real data; "" for rendered images.

        Raises:
            ClaimError: an unknown claim.
            RunnerError: a chapter that does not exist.
        """
        from xaihelpers.chapters import runner  # here: settling and reading claims runs no chapter

        results = files.results_dir() / "real" if data_root else files.results_dir()
        wanted = sorted({self._claim(name).chapter for name in names})
        chapter_files.select(chapter_files.notebooks_dir(), wanted)
        for chapter in wanted:  # a chapter that is up to date would be kept, not measured again
            (results / "chapters" / f"{chapter}.stamp.json").unlink(missing_ok=True)
        code = runner.run(profile=profile, seed=seed, data_root=data_root, only=wanted)
        settled = self.read(results)
        for name in names:
            own = [record for key, record in settled.items() if key.split("/")[0] == name]
            for record in own:
                print(f"\n{record}\nledger: {page_folder(results) / 'claims.md'}")
            if not own:
                print(f"\n{name}: chapter {self.claims[name].chapter} has not settled it")
                code = 1
        return code

    def _claim(self, claim_id: str) -> Claim:
        if claim_id not in self.claims:
            raise ClaimError(f"there is no claim {claim_id!r}; there are {', '.join(self.claims)}")
        return self.claims[claim_id]

    def _store(self, settled: SettledClaim, results: Path, figure: Figure | None) -> None:
        present = self.read(results)
        key = f"{settled.claim.id}/{settled.record['origin']}"
        if key in present and _outranks(present[key], settled, results):
            return
        if figure is not None:
            files.save_figure(figure, results / settled.record["figure"])
        path = results / "claims.json"
        contents = json.loads(path.read_text(encoding="utf-8")) if present else {}
        contents[key] = settled.as_json()  # the others stay as they were settled
        ordered = {name: contents[name] for name in sorted(contents, key=self._order)}
        with files.atomic_path(path) as partial:
            partial.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
        self.write(results)

    def _order(self, key: str) -> tuple[int, str]:
        name, origin = key.split("/")
        return list(self.claims).index(name), origin


def page_folder(results: Path | str) -> Path:
    """The folder whose page shows these results: real results lie in `real/` below it."""
    results = Path(results)
    return results.resolve().parent if results.resolve().name == "real" else results


def _outranks(old: SettledClaim, new: SettledClaim, results: Path) -> bool:
    """Whether the stored record is sound and of a larger profile."""
    ranks = [_rank(old.record["profile"]), _rank(new.record["profile"])]
    return ranks[0] > ranks[1] and not digests.stale(old.record, old.claim, results)


def _rank(profile: str) -> int:
    from xaihelpers.chapters.runner import PROFILES  # here: reading claims runs no chapter

    return PROFILES.index(profile) if profile in PROFILES else 0


@contextmanager
def _locked(results: Path) -> Iterator[None]:
    folder = page_folder(results)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".claims.lock"):
        yield
