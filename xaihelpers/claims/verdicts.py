"""Verdicts, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Verdict = Literal["confirmed", "refuted", "depends", "undecided", "not testable here"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)


@dataclass(frozen=True)
class Judgement:
    """A verdict with its reason.

    Args:
        verdict: "confirmed"; "refuted", which takes evidence of absence; "depends", where it is
            confirmed in one case and refuted in another; "undecided", where the figures leave it
            open; "not testable here", where a figure cannot be measured.
        reason: the cases that made the verdict, in words; "" where it needs none.
        decided_by: names of the measures that the verdict rests on, the most telling first.
    """

    verdict: Verdict
    reason: str = ""
    decided_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.verdict}: {self.reason}" if self.reason else self.verdict
