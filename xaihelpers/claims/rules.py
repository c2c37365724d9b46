"""The kit that verdict rules are made of.

A rule reads measures by name and returns a verdict, or a judgement that says what it rests on.
"Above" and "below" always speak of the whole 95 % interval; where a measure has none, of the value
itself. A rule about effect sizes is made of `Effect`, `all_of` and `across`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xaihelpers.claims.types import Measure
from xaihelpers.claims.verdicts import VERDICTS, Judgement, Verdict
from xaihelpers.errors import ClaimError

Measures = Mapping[str, Measure]


def above(measure: Measure, bound: float) -> bool:
    """Whether the whole interval lies above the bound."""
    return measure.lowest > bound


def below(measure: Measure, bound: float) -> bool:
    """Whether the whole interval lies below the bound."""
    return measure.highest < bound


def ending(measures: Measures, *endings: str) -> dict[str, Measure]:
    """The measures whose names end in one of these texts; the rule reads no other by this."""
    return {name: measures[name] for name in measures if name.endswith(endings)}


@dataclass(frozen=True, kw_only=True)
class Effect:
    """An effect size that decides: confirmed, refuted by evidence of absence, or undecided.

    Args:
        smallest: the smallest effect that matters. Confirmed if the whole interval lies above it.
        margin: the equivalence margin. Refuted if the whole interval lies below it.
        downward: the claim is one of low values: "above" and "below" change places.
        trainings: how many trained networks the interval must cover before anything is confirmed
            or refuted; 0 for a claim about one given network.

    Raises:
        ClaimError: the margin lies beyond the smallest effect, so that both verdicts would fit.

    Example:
        >>> gain = Effect(smallest=0.05, margin=0.02)
        >>> str(gain.judge({"gain": Measure(0.08, 0.06, 0.1)}, "gain"))
        'confirmed'
        >>> str(gain.judge({"gain": Measure(0.03, 0.01, 0.1)}, "gain"))
        'undecided: gain is 0.03 [0.01, 0.1]'
    """

    smallest: float
    margin: float
    downward: bool = False
    trainings: int = 0

    def __post_init__(self) -> None:
        if self.smallest < self.margin if not self.downward else self.smallest > self.margin:
            raise ClaimError(
                f"the margin {self.margin} lies beyond the smallest effect {self.smallest}: a "
                "figure between them would be confirmed and refuted at once"
            )

    def judge(self, measures: Measures, name: str) -> Judgement:
        """What a measure says of the effect.

        Args:
            measures: all measures.
            name: the name of the one to judge.
        """
        measure = measures[name]
        if not measure.known:
            return Judgement("not testable here", f"{name} cannot be measured", (name,))
        verdict = self._verdict(measure)
        if verdict == "undecided":
            return Judgement(verdict, f"{name} is {measure}", (name,))
        if measure.trainings < self.trainings:
            covered = f"{measure.trainings} trainings" if measure.trainings > 1 else "one network"
            reason = f"{name} rests on {covered}, the claim takes {self.trainings} trainings"
            return Judgement("undecided", reason, (name,))
        return Judgement(verdict, decided_by=(name,))

    def _verdict(self, measure: Measure) -> Verdict:
        if self.downward:
            beyond = below(measure, self.smallest)
            absent = above(measure, self.margin)
        else:
            beyond = above(measure, self.smallest)
            absent = below(measure, self.margin)
        return "confirmed" if beyond else "refuted" if absent else "undecided"


def all_of(*parts: Judgement) -> Judgement:
    """The judgement of a claim that needs every part: refuted as soon as one part is.

    Example:
        >>> print(all_of(Judgement("confirmed"), Judgement("undecided", "y is 0.1 [-1, 1]")))
        undecided: y is 0.1 [-1, 1]
    """
    order: tuple[Verdict, ...] = ("refuted", "not testable here", "undecided", "depends")
    for verdict in order:
        if deciding := [part for part in parts if part.verdict == verdict]:
            return _merged(verdict, deciding)
    return _merged("confirmed", parts)


def across(cases: Mapping[str, Judgement]) -> Judgement:
    """The judgement of one claim in several cases, such as networks or layers.

    All alike: that verdict. Confirmed in one case and refuted in another: it depends. Anything
    else is undecided. The reason names the cases.

    Args:
        cases: judgements by the name of the case.

    Example:
        >>> print(across({"vgg19": Judgement("confirmed"), "resnet18": Judgement("refuted")}))
        depends: confirmed for vgg19; refuted for resnet18
    """
    verdicts = {part.verdict for part in cases.values()}
    if len(verdicts) == 1:
        return _merged(verdicts.pop(), list(cases.values()))
    verdict: Verdict = "undecided"
    if "depends" in verdicts or {"confirmed", "refuted"} <= verdicts:
        verdict = "depends"
    groups = {v: [name for name, part in cases.items() if part.verdict == v] for v in VERDICTS}
    reason = "; ".join(f"{v} for {', '.join(names)}" for v, names in groups.items() if names)
    first = ("depends", "confirmed", "refuted") if verdict == "depends" else ("undecided",)
    ranked = sorted(cases.values(), key=lambda part: part.verdict not in first)
    return Judgement(verdict, reason, _names(ranked))


def _merged(verdict: Verdict, parts: Sequence[Judgement]) -> Judgement:
    reason = "; ".join(dict.fromkeys(part.reason for part in parts if part.reason))
    return Judgement(verdict, reason, _names(parts))


def _names(parts: Sequence[Judgement]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in parts for name in part.decided_by))
