"""One claim with a rule simple enough to see through, and what settling it needs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat

from xaihelpers.claims import Measure, Verdict, digests
from xaihelpers.claims.records import SettledClaim
from xaihelpers.experiments import LEDGER

LIMIT = 0.5


class Stub:
    """What a record describes of a data set."""

    split, size, seed = "test", 64, 0

    def __init__(self, name: str = "chest_xray", origin: str = "rendered") -> None:
        self.name, self.origin = name, origin

    def __len__(self) -> int:
        return 5


def above(m: Mapping[str, Measure]) -> Verdict:
    """Confirmed above the limit."""
    return "confirmed" if m["share"].lowest > LIMIT else "refuted"


def below(m: Mapping[str, Measure]) -> Verdict:
    return "confirmed" if m["share"].lowest < LIMIT else "refuted"


def write_chapter(folder: Path, code: str, prose: str = "words", exercise: str = "y = 0") -> None:
    cells = [nbformat.v4.new_markdown_cell(prose), nbformat.v4.new_code_cell(code)]
    cells.append(nbformat.v4.new_code_cell(exercise, metadata={"tags": ["exercise"]}))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "01_one.ipynb")


def settle(results: Path, share: float = 0.8, name: str = "C1", **options: Any) -> SettledClaim:
    given: dict[str, Any] = {"sources": [Stub()], "seed": 0, "profile": "quick"} | options
    measures = {"share": Measure(share, share - 0.1, share + 0.1, n=5)}
    return LEDGER.settle(name, measures, results=results, **given)


def reasons(results: Path) -> list[str]:
    (settled,) = LEDGER.read(results).values()
    return digests.stale(settled.record, settled.claim, results)
