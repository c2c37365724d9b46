"""Claims: verdicts follow from rules, and records notice tampering."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cases.claim_case import below, settle
from xaihelpers.claims import Claim, Measure, records
from xaihelpers.errors import ClaimError
from xaihelpers.experiments import CLAIMS, LEDGER

# Measures and verdicts


def test_a_measure_prints_four_digits_its_interval_and_n() -> None:
    assert str(Measure(0.91234, 0.9, 0.92344, n=900)) == "0.9123 [0.9, 0.9234], n = 900"
    assert str(Measure(134272835, unit="weights")) == "134272835 weights"
    assert str(Measure(float("nan"))) == "not measurable here"


def test_an_interval_has_two_ends_around_its_value() -> None:
    with pytest.raises(ClaimError, match="both low and high"):
        Measure(0.5, low=0.4)
    with pytest.raises(ClaimError, match="outside"):
        Measure(0.5, 0.6, 0.7)


def test_the_verdict_is_what_the_rule_gives(claim: Claim, tmp_path: Path) -> None:
    assert settle(tmp_path, 0.8).verdict == "confirmed"
    assert settle(tmp_path, 0.55).verdict == "refuted"  # its interval reaches below one half
    assert LEDGER.read(tmp_path)["C1/rendered"].verdict == "refuted"


def test_there_is_no_way_to_give_a_record_another_verdict(claim: Claim, tmp_path: Path) -> None:
    settled = settle(tmp_path, 0.2)
    with pytest.raises(AttributeError):
        settled.verdict = "confirmed"  # type: ignore[misc]
    with pytest.raises(TypeError):
        replace(settled, verdict="confirmed")  # type: ignore[call-arg]


def test_the_ninth_digit_of_a_measure_is_not_kept() -> None:
    assert Measure(0.123456789, 0.1, 1 / 3) == Measure(0.123456781, 0.1000000001, 0.33333333)


def test_what_cannot_be_measured_is_not_testable_here(claim: Claim, tmp_path: Path) -> None:
    unknown = {"share": Measure(float("nan")), "other": Measure(1.0)}
    assert claim.judge(unknown) == "not testable here"
    known = {"share": Measure(0.8), "other": Measure(float("nan"))}
    assert claim.judge(known) == "confirmed"  # the rule does not look at the other
    LEDGER.settle("C1", unknown, sources=[], seed=0, profile="quick", results=tmp_path)
    assert LEDGER.read(tmp_path)["C1/rendered"].verdict == "not testable here"


def test_a_missing_measure_is_named_and_nothing_is_written(claim: Claim, tmp_path: Path) -> None:
    with pytest.raises(ClaimError, match='"share" is missing.*above one half'):
        LEDGER.settle(
            "C1", {"other": Measure(1)}, sources=[], seed=0, profile="quick", results=tmp_path
        )
    with pytest.raises(ClaimError, match="no claim 'C99'"):
        settle(tmp_path, name="C99")
    assert list(tmp_path.iterdir()) == []


def test_a_settled_claim_prints_statement_verdict_figures_and_data(
    claim: Claim, tmp_path: Path
) -> None:
    text = str(settle(tmp_path))
    assert claim.statement in text
    assert "verdict: confirmed" in text
    assert "share = 0.8 [0.7, 0.9], n = 5" in text
    assert "chest_xray (rendered, test, 5 images)" in text


# Tampering


def edited(results: Path, change: dict[str, Any], again: bool = False) -> None:
    """Edit the stored record; `again` gives it a digest that fits."""
    path = results / "claims.json"
    held = json.loads(path.read_text())
    record = held["C1/rendered"] | change
    if again:
        del record["digest"]
        record["digest"] = records.digest(record)
    path.write_text(json.dumps({"C1/rendered": record}))


@pytest.mark.parametrize(
    ("change", "again", "message"),
    [
        ({"verdict": "confirmed"}, False, "changed by hand"),
        ({"verdict": "confirmed"}, True, "says 'confirmed', its rule gives 'refuted'"),
        ({"measures": {"share": {"value": 0.9}}}, False, "changed by hand"),
        ({"measures": {"share": {"value": 0.9}}}, True, "says 'refuted', its rule gives 'confir"),
        ({"data": []}, False, "changed by hand"),
        ({"profile": "full"}, False, "changed by hand"),
    ],
)
def test_a_record_changed_by_hand_is_refused(
    claim: Claim, tmp_path: Path, change: dict[str, Any], again: bool, message: str
) -> None:
    settle(tmp_path, 0.2)
    edited(tmp_path, change, again)
    with pytest.raises(ClaimError, match=message):
        LEDGER.read(tmp_path)
    with pytest.raises(ClaimError, match=message):
        settle(tmp_path)
    with pytest.raises(ClaimError, match=message):
        LEDGER.text(tmp_path)


def test_a_rule_that_is_restored_gives_its_verdict_again(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path)
    monkeypatch.setitem(CLAIMS, "C1", replace(claim, rule=below))
    measures = {"vgg19: largest relative difference": Measure(1e-12)}
    rest: dict[str, Any] = {"seed": 0, "profile": "quick", "results": tmp_path}
    LEDGER.settle("C9", measures, sources=[], **rest)
    assert LEDGER.read(tmp_path)["C1/rendered"].verdict == records.RULE_CHANGED
    monkeypatch.setitem(CLAIMS, "C1", claim)
    assert LEDGER.read(tmp_path)["C1/rendered"].verdict == "confirmed"


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text("{")
    with pytest.raises(ClaimError, match="delete it and settle again"):
        LEDGER.read(tmp_path)
