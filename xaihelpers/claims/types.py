"""What a claim is made of: a measure with its interval, a verdict, and a rule that links them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from xaihelpers.claims import names
from xaihelpers.claims.verdicts import VERDICTS, Judgement, Verdict
from xaihelpers.errors import ClaimError, EvaluationError
from xaihelpers.files import rounded


class IntervalLike(Protocol):
    """An estimate with the ends of its interval, such as `metrics.intervals.Interval`."""

    @property
    def estimate(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def count(self) -> int: ...
    @property
    def trainings(self) -> int: ...


@dataclass(frozen=True)
class Measure:
    """A measured figure, to six significant digits: more differ between processors.

    Args:
        value: NaN where it cannot be measured on these data; the claim is then not testable here.
        low: the lower end of its 95 % interval; both ends or neither.
        high: the upper end.
        n: the number of independent things (images, networks) that it rests on.
        unit: "", "%", "px" and so on.
        trainings: the number of trained networks that the interval covers; 0 where the interval
            is one over images alone.

    Raises:
        ClaimError: one end of the interval without the other, or a value outside it.

    Example:
        >>> print(Measure(0.912, 0.895, 0.928, n=900))
        0.912 [0.895, 0.928], n = 900
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int = 0
    unit: str = ""
    trainings: int = 0

    def __post_init__(self) -> None:
        for name in ("value", "low", "high"):  # numpy and torch numbers become plain ones
            given = getattr(self, name)
            object.__setattr__(self, name, None if given is None else float(given))
        for name in ("n", "trainings"):
            object.__setattr__(self, name, int(getattr(self, name)))
        if (self.low is None) != (self.high is None):
            raise ClaimError("an interval needs both low and high")
        if self.known and self.low is not None and self.high is not None:
            slack = 1e-9 * max(1.0, abs(self.value))
            if not self.low - slack <= self.value <= self.high + slack:
                raise ClaimError(f"value {self.value} lies outside [{self.low}, {self.high}]")
            object.__setattr__(self, "low", rounded(min(self.low, self.value)))
            object.__setattr__(self, "high", rounded(max(self.high, self.value)))
        object.__setattr__(self, "value", rounded(self.value))

    @classmethod
    def of(cls, interval: IntervalLike, unit: str = "") -> Measure:
        """The measure of an estimate with its interval; NaN where one of the three is not finite.

        A percentile interval of a skewed figure can leave out the estimate; it is then widened.
        """
        ends = (interval.low, interval.estimate, interval.high)
        if not all(map(math.isfinite, ends)):
            return cls(math.nan)  # a share of an effect of 0
        return cls(
            interval.estimate, min(ends), max(ends), interval.count, unit, interval.trainings
        )

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
        rests_on = [f"n = {self.n}"] if self.n else []
        rests_on += [f"{self.trainings} trainings"] if self.trainings else []
        return ", ".join([f"{_digits(self.value)}{ends}{unit}", *rests_on])


def _digits(number: float | None) -> str:
    """Four significant digits, integers in full."""
    assert number is not None
    if number == int(number) and abs(number) < 1e15:
        return str(int(number))
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def measure_or_nan(make: Callable[..., IntervalLike], *arguments: Any, **options: Any) -> Measure:
    """The measure of the interval that `make` returns; NaN where there are too few values for one.

    Args:
        make: a function such as `metrics.intervals.bootstrap_interval`.
        arguments: passed on to `make`, as are `options`.
    """
    try:
        return Measure.of(make(*arguments, **options))
    except EvaluationError:
        return Measure(math.nan)


Rule = Callable[[Mapping[str, Measure]], Verdict | Judgement]


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """A change of a claim's rule, number of images or recipe after a figure was seen.

    Args:
        when: the day of the change, as in "2026-11-21".
        what: what was changed.
        verdict_before: the verdict before the change; "none" where there was no record yet.
    """

    when: str
    what: str
    verdict_before: Verdict | Literal["none"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of a source, and how it is judged: written before anything is measured.

    Args:
        id: "C1", "C2" and so on.
        statement: what the source says.
        source: the paper or project that says it.
        how: what is measured.
        chapter: the name of the chapter that measures it.
        rule_text: the rule in words.
        rule: the same as a function of the measures, by name.
        measures: patterns of the names that the rule reads, e.g. "{network}: gain"; each must be
            there, NaN where it cannot be measured on the data at hand (see `names`).
        optional: patterns of the names of further measures that may be reported.
        depends_on: what the verdict depends on, shown beside "depends" where the rule gives no
            reason of its own.
        amendments: what was changed after a figure was seen.
    """

    id: str
    statement: str
    source: str
    how: str
    chapter: str
    rule_text: str
    rule: Rule
    measures: tuple[str, ...]
    optional: tuple[str, ...] = ()
    depends_on: str = ""
    amendments: tuple[Amendment, ...] = ()

    @property
    def command(self) -> str:
        """The one command that reproduces it."""
        return f"python -m xaihelpers claims {self.id}"

    def judge(self, measures: Mapping[str, Measure]) -> Verdict:
        """The verdict of `judgement`."""
        return self.judgement(measures).verdict

    def judgement(self, measures: Mapping[str, Measure]) -> Judgement:
        """The verdict that follows from the measures, and no other; with its reason.

        "Not testable here" if the rule reads a measure that is NaN, or says so itself. A rule that
        gives a `Judgement` says itself what becomes of such a measure.

        Raises:
            ClaimError: a measure is missing or misnamed, or the rule gives no verdict.
        """
        if wrong := names.problems(self.measures, self.optional, measures):
            raise ClaimError(
                f"{self.id} cannot be settled: {'; '.join(wrong)}. What cannot be measured on some "
                f"data is given as NaN. The rule: {self.rule_text}"
            )
        read = _ReadMeasures(measures)
        given = self.rule(read)
        if isinstance(given, Judgement):
            judgement = given
        elif all(measures[name].known for name in read.names):
            judgement = Judgement(given)
        else:
            judgement = Judgement("not testable here")
        if judgement.verdict not in VERDICTS:
            raise ClaimError(f"{self.id}'s rule gave {judgement.verdict!r}, not one of {VERDICTS}")
        return judgement


class _ReadMeasures(Mapping[str, Measure]):
    """Measures that remember which of them a rule has read."""

    def __init__(self, measures: Mapping[str, Measure]) -> None:
        self._measures = measures
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> Measure:
        measure = self._measures[name]
        self.names.add(name)
        return measure

    def __iter__(self) -> Iterator[str]:
        return iter(self._measures)

    def __len__(self) -> int:
        return len(self._measures)
