"""What a claim is made of: a measure with its interval, a verdict, and a rule that links them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from xaihelpers.errors import ClaimError

Verdict = Literal["confirmed", "refuted", "depends", "not testable here"]
VERDICTS: tuple[Verdict, ...] = ("confirmed", "refuted", "depends", "not testable here")


@dataclass(frozen=True)
class Measure:
    """A measured figure.

    value: NaN where it cannot be measured on these data; the claim is then not testable here.
    low, high: its 95 % interval, both or neither.
    n: how many independent things (images, networks) it rests on. unit: "", "%", "px" ...

    Raises:
        ClaimError: one end of the interval without the other, or a value outside it.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    unit: str = ""

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):  # numpy and torch numbers become plain ones
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else float(given))
        object.__setattr__(self, "n", int(self.n))
        if (self.low is None) != (self.high is None):
            raise ClaimError("an interval needs both low and high")
        if self.known and self.low is not None and self.high is not None:
            slack = 1e-9 * max(1.0, abs(self.value))
            if not self.low - slack <= self.value <= self.high + slack:
                raise ClaimError(f"value {self.value} lies outside [{self.low}, {self.high}]")

    @property
    def known(self) -> bool:
        """Whether there is a finite value."""
        return math.isfinite(self.value)

    @property
    def lowest(self) -> float:
        """Lower end of the interval; the value itself where there is none."""
        return self.value if self.low is None else self.low

    @property
    def highest(self) -> float:
        """Upper end of the interval; the value itself where there is none."""
        return self.value if self.high is None else self.high

    def __str__(self) -> str:
        """`0.912 [0.895, 0.928], n = 900`, to four significant digits."""
        if not self.known:
            return "not measurable here"
        ends = f" [{_digits(self.low)}, {_digits(self.high)}]" if self.low is not None else ""
        unit = f" {self.unit}" if self.unit else ""
        return f"{_digits(self.value)}{ends}{unit}" + (f", n = {self.n}" if self.n else "")


def _digits(number: float | None) -> str:
    """Four significant digits, integers in full."""
    assert number is not None
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.4g}"


Rule = Callable[[Mapping[str, Measure]], Verdict]


@dataclass(frozen=True)
class Claim:
    """A statement of a source, and how it will be judged: written before anything is measured.

    how: what is measured. chapter: where. rule_text: the rule in words.
    rule: the same as a function of the measures, by name. depends_on: what it depends on, shown
    beside the verdict "depends".
    """

    id: str
    statement: str
    source: str
    how: str
    chapter: str
    rule_text: str
    rule: Rule
    depends_on: str = ""

    @property
    def command(self) -> str:
        """The one command that reproduces it."""
        return f"python -m xaihelpers claims {self.id}"

    def judge(self, measures: Mapping[str, Measure]) -> Verdict:
        """The verdict that follows from the measures, and no other.

        Raises:
            ClaimError: there are none, the rule needs one that is missing, or it gives no verdict.
        """
        if not measures:
            raise ClaimError(f"{self.id} cannot be settled without a measure")
        asked = _Asked(measures)
        try:
            verdict = self.rule(asked)
        except KeyError as error:
            raise ClaimError(
                f"{self.id}'s rule needs the measure {error}; given are {', '.join(measures)}. "
                f"The rule: {self.rule_text}"
            ) from error
        if verdict not in VERDICTS:
            raise ClaimError(f"{self.id}'s rule gave {verdict!r}, not one of {VERDICTS}")
        if not all(measures[name].known for name in asked.names):
            return "not testable here"
        return verdict


class _Asked(Mapping[str, Measure]):
    """Measures that remember which of them a rule has looked at."""

    def __init__(self, measures: Mapping[str, Measure]) -> None:
        self._measures = measures
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Measure:
        found = self._measures[name]
        self.names.add(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._measures)

    def __len__(self) -> int:
        return len(self._measures)
