"""The kit of rules: effects with margins, cases that agree or do not, and computed reasons."""

import math

import pytest

from xaihelpers.claims import ClaimError, Judgement, Measure
from xaihelpers.claims.rules import Effect, across, all_of

GAIN = Effect(smallest=0.05, margin=0.02)
YES, NO = Judgement("confirmed", decided_by=("yes",)), Judgement("refuted", decided_by=("no",))
OPEN = Judgement("undecided", "open is 0.1 [-1, 1]", ("open",))
UNKNOWN = Judgement("not testable here", "x cannot be measured", ("x",))


def around(value: float, half: float, trainings: int = 0) -> dict[str, Measure]:
    return {"gain": Measure(value, value - half, value + half, n=100, trainings=trainings)}


@pytest.mark.parametrize(
    ("value", "half", "verdict"),
    [
        (0.08, 0.02, "confirmed"),  # the whole interval is beyond the smallest effect
        (0.06, 0.02, "undecided"),
        (0.03, 0.005, "undecided"),  # between margin and smallest effect
        (0.01, 0.02, "undecided"),  # no evidence of absence: the interval reaches 0.03
        (0.0, 0.01, "refuted"),  # the whole interval is on the other side of the margin
        (-0.2, 0.1, "refuted"),
    ],
)
def test_an_effect_is_refuted_by_evidence_of_absence_alone(
    value: float, half: float, verdict: str
) -> None:
    assert GAIN.judge(around(value, half), "gain").verdict == verdict
    downward = Effect(smallest=-0.05, margin=-0.02, downward=True)
    assert downward.judge(around(-value, half), "gain").verdict == verdict


def test_a_margin_beyond_the_smallest_effect_is_refused() -> None:
    with pytest.raises(ClaimError, match="confirmed and refuted at once"):
        Effect(smallest=0.02, margin=0.05)
    with pytest.raises(ClaimError, match="confirmed and refuted at once"):
        Effect(smallest=-0.02, margin=-0.05, downward=True)


def test_one_network_decides_nothing_about_networks_in_general() -> None:
    general = Effect(smallest=0.05, margin=0.02, trainings=5)
    one = general.judge(around(0.08, 0.02), "gain")
    assert str(one) == "undecided: gain rests on one network, the claim takes 5 trainings"
    assert general.judge(around(0.08, 0.02, trainings=3), "gain").verdict == "undecided"
    assert general.judge(around(0.08, 0.02, trainings=5), "gain").verdict == "confirmed"
    assert general.judge(around(0.0, 0.01, trainings=5), "gain").verdict == "refuted"


def test_what_cannot_be_measured_says_so() -> None:
    judgement = GAIN.judge({"gain": Measure(math.nan)}, "gain")
    assert str(judgement) == "not testable here: gain cannot be measured"


@pytest.mark.parametrize(
    ("parts", "verdict", "decided_by"),
    [
        ((YES, YES), "confirmed", ("yes",)),
        ((YES, OPEN), "undecided", ("open",)),
        ((YES, NO, OPEN), "refuted", ("no",)),
        ((UNKNOWN, NO), "refuted", ("no",)),
        ((UNKNOWN, OPEN), "not testable here", ("x",)),
    ],
)
def test_a_claim_of_several_parts_needs_all_of_them(
    parts: tuple[Judgement, ...], verdict: str, decided_by: tuple[str, ...]
) -> None:
    judgement = all_of(*parts)
    assert (judgement.verdict, judgement.decided_by) == (verdict, decided_by)


@pytest.mark.parametrize(
    ("cases", "words", "headline"),
    [
        ({"a": YES, "b": YES}, "confirmed", "yes"),
        ({"a": NO, "b": NO}, "refuted", "no"),
        ({"a": YES, "b": NO}, "depends: confirmed for a; refuted for b", "yes"),
        (
            {"a": OPEN, "b": NO, "c": YES},
            "depends: confirmed for c; refuted for b; undecided for a",
            "no",
        ),
        ({"a": YES, "b": OPEN}, "undecided: confirmed for a; undecided for b", "open"),
        ({"a": OPEN, "b": OPEN}, "undecided: open is 0.1 [-1, 1]", "open"),
        ({"a": UNKNOWN, "b": UNKNOWN}, "not testable here: x cannot be measured", "x"),
    ],
)
def test_it_depends_only_where_one_case_is_confirmed_and_another_refuted(
    cases: dict[str, Judgement], words: str, headline: str
) -> None:
    judgement = across(cases)
    assert str(judgement) == words
    assert judgement.decided_by[0] == headline
