"""Claims: verdicts follow from rules, and records notice tampering."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cases.claim_case import below, settle
from xaihelpers.claims import ledger
from xaihelpers.claims import records as claim_records
from xaihelpers.claims import settle as claims
from xaihelpers.claims.types import VERDICTS, Claim, Measure
from xaihelpers.errors import ClaimError

# The claims themselves


def test_all_nineteen_claims_are_there_in_order_with_a_chapter_and_a_rule_in_words() -> None:
    assert list(claims.CLAIMS) == [f"C{number}" for number in range(1, 20)]
    for claim in claims.CLAIMS.values():
        assert claim.chapter[:2].isdigit()
        assert claim.chapter[2] == "_"
        assert len(claim.rule_text) > 20


class AnyMeasures(Mapping[str, Measure]):
    """Every name has a measure, drawn from the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.drawn: dict[str, Measure] = {}

    def __getitem__(self, name: str) -> Measure:
        if name not in self.drawn:
            middle, half = self.random.uniform(-2, 2), self.random.choice([0.001, 0.5])
            self.drawn[name] = Measure(middle, middle - half, middle + half, n=9)
        return self.drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.drawn)

    def __len__(self) -> int:
        return len(self.drawn)


@pytest.mark.parametrize("name", claims.CLAIMS)
def test_every_rule_gives_a_verdict_for_any_figures(name: str) -> None:
    found = {claims.CLAIMS[name].rule(AnyMeasures(seed)) for seed in range(300)}
    assert found <= set(VERDICTS)


@pytest.mark.parametrize(
    ("accuracy", "real", "by_source", "verdict"),
    [
        (99.0, 0, None, "not testable here"),
        (99.0, 1, None, "confirmed"),
        (95.0, 1, 60.0, "confirmed"),  # the interval holds 95.83
        (99.0, 1, 99.5, "depends"),
        (93.0, 1, 99.5, "refuted"),
    ],
)
def test_c7_needs_real_images_and_more_than_their_source(
    accuracy: float, real: int, by_source: float | None, verdict: str
) -> None:
    measures = {"accuracy": Measure(accuracy, accuracy - 1, accuracy + 1, n=900, unit="%")}
    measures["real_images"] = Measure(real)
    if by_source is not None:
        measures["accuracy_by_source_alone"] = Measure(by_source)
    assert claims.CLAIMS["C7"].judge(measures) == verdict


@pytest.mark.parametrize(
    ("resnet", "over_vgg", "over_resnet", "verdict"),
    [
        (11.1765, (0.01, 0.02), (0.01, 0.02), "confirmed"),
        (11.1765, (0.01, 0.02), (-0.01, 0.02), "depends"),
        (11.1765, (0.01, 0.02), (-0.03, -0.01), "refuted"),
        (11.69, (0.01, 0.02), (0.01, 0.02), "refuted"),
    ],
)
def test_c17_needs_the_counts_and_both_differences(
    resnet: float, over_vgg: tuple[float, float], over_resnet: tuple[float, float], verdict: str
) -> None:
    measures = {
        "parameters_densenet121": Measure(6.957),
        "parameters_vgg16": Measure(138.358),
        "parameters_resnet18": Measure(resnet),
        "accuracy_over_vgg16": Measure(sum(over_vgg) / 2, *over_vgg),
        "accuracy_over_resnet18": Measure(sum(over_resnet) / 2, *over_resnet),
    }
    assert claims.CLAIMS["C17"].judge(measures) == verdict


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
    assert claims.read(tmp_path)["C1/rendered"].verdict == "refuted"


def test_there_is_no_way_to_give_a_record_another_verdict(claim: Claim, tmp_path: Path) -> None:
    settled = settle(tmp_path, 0.2)
    with pytest.raises(AttributeError):
        settled.verdict = "confirmed"  # type: ignore[misc]
    with pytest.raises(TypeError):
        replace(settled, verdict="confirmed")  # type: ignore[call-arg]


def test_what_cannot_be_measured_is_not_testable_here(claim: Claim, tmp_path: Path) -> None:
    unknown = {"share": Measure(float("nan")), "other": Measure(1.0)}
    assert claim.judge(unknown) == "not testable here"
    known = {"share": Measure(0.8), "other": Measure(float("nan"))}
    assert claim.judge(known) == "confirmed"  # the rule does not look at the other
    claims.settle("C1", unknown, sources=[], seed=0, profile="quick", results=tmp_path)
    assert claims.read(tmp_path)["C1/rendered"].verdict == "not testable here"


def test_a_missing_measure_is_named_and_nothing_is_written(claim: Claim, tmp_path: Path) -> None:
    with pytest.raises(ClaimError, match="'share'.*other.*above one half"):
        claims.settle(
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
        record["digest"] = claim_records._digest(record)
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
        claims.read(tmp_path)
    with pytest.raises(ClaimError, match=message):
        settle(tmp_path)
    with pytest.raises(ClaimError, match=message):
        ledger.text(tmp_path)


def test_a_rule_that_is_restored_gives_its_verdict_again(
    claim: Claim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(tmp_path)
    monkeypatch.setitem(claims.CLAIMS, "C1", replace(claim, rule=below))
    measures = {"vgg19: largest relative difference": Measure(1e-12)}
    rest: dict[str, Any] = {"seed": 0, "profile": "quick", "results": tmp_path}
    claims.settle("C9", measures, sources=[], **rest)
    assert claims.read(tmp_path)["C1/rendered"].verdict == claim_records.RULE_CHANGED
    monkeypatch.setitem(claims.CLAIMS, "C1", claim)
    assert claims.read(tmp_path)["C1/rendered"].verdict == "confirmed"


def test_a_broken_file_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "claims.json").write_text("{")
    with pytest.raises(ClaimError, match="delete it and settle again"):
        claims.read(tmp_path)
