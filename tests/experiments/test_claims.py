"""All claims: complete, in order, and each with a rule that always gives a verdict."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from xaihelpers.claims import ClaimError, Measure
from xaihelpers.claims.verdicts import VERDICTS
from xaihelpers.experiments import CLAIMS, LEDGER


def drawn(name: str, seed: int) -> dict[str, Measure]:
    """Random measures under all names that a claim expects, for two of each placeholder."""
    numbers = random.Random(seed)
    names = {
        re.sub(r"\{\w+\}", text, pattern) for pattern in CLAIMS[name].measures for text in "ab"
    }
    measures = {}
    for expected in sorted(names):
        middle, half = numbers.uniform(-2, 2), numbers.choice([0.001, 0.5])
        measures[expected] = Measure(middle, middle - half, middle + half, n=9)
    return measures


def test_all_nineteen_claims_are_there_in_order_with_a_chapter_and_a_rule_in_words() -> None:
    assert list(CLAIMS) == [f"C{number}" for number in range(1, 20)]
    assert LEDGER.claims is CLAIMS
    for claim in CLAIMS.values():
        assert re.match(r"\d\d_", claim.chapter)
        assert len(claim.rule_text) > 20


@pytest.mark.parametrize("name", CLAIMS)
def test_every_rule_gives_a_verdict_for_any_figures(name: str) -> None:
    assert {CLAIMS[name].judge(drawn(name, seed)) for seed in range(300)} <= set(VERDICTS)


@pytest.mark.parametrize("name", CLAIMS)
def test_a_missing_and_a_misnamed_measure_are_refused(name: str) -> None:
    measures = drawn(name, 0)
    (lost, *_) = measures
    with pytest.raises(ClaimError, match=f'no measure is called "{re.escape(lost)}s"'):
        CLAIMS[name].judge(measures | {f"{lost}s": measures[lost]})
    with pytest.raises(ClaimError, match="is missing"):
        CLAIMS[name].judge({})
    if len(CLAIMS[name].measures) > 1:
        del measures[lost]
        with pytest.raises(ClaimError, match=f'"{re.escape(lost)}" is missing'):
            CLAIMS[name].judge(measures)


@pytest.mark.parametrize("name", sorted(set(CLAIMS) - {"C17"}))
def test_what_cannot_be_measured_is_not_testable_here(name: str) -> None:
    unknown = dict.fromkeys(drawn(name, 0), Measure(float("nan")))
    assert CLAIMS[name].judge(unknown) == "not testable here"


def test_the_committed_records_follow_from_their_rules() -> None:
    settled = LEDGER.read(Path(__file__).parents[2] / "results")
    assert settled
    for record in settled.values():
        assert record.claim.judge(record.measures) in VERDICTS


def test_all_claims_are_read_without_networks_or_data_sets() -> None:
    code = (
        "import sys, xaihelpers.experiments as e; assert len(e.CLAIMS) == 19; "
        "print(sorted({'torch', 'pandas', 'matplotlib', 'papermill'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
