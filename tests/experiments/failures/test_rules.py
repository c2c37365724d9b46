"""Rules on failures, attacks and bias: each verdict can be reached, by its measures only."""

import pytest

from xaihelpers.claims.types import Measure
from xaihelpers.experiments.all_claims import CLAIMS
from xaihelpers.experiments.failures import rules


def m(low: float, high: float) -> Measure:
    return Measure((low + high) / 2, low, high, 10)


def c8(linked: tuple[Measure, Measure], balanced: tuple[Measure, Measure]) -> dict[str, Measure]:
    return {
        f"{arch} {network} {what}": measure
        for arch in rules.PAIRS
        for network, pair in (("linked", linked), ("balanced", balanced))
        for what, measure in zip(("marker ratio", "accuracy lost when swapped"), pair, strict=True)
    }


LOOKS, SEES_ONLY, USES_ONLY = (
    (m(3, 4), m(0.1, 0.2)),
    (m(3, 4), m(-0.01, 0.05)),
    (m(1, 3), m(0.1, 0.2)),
)


@pytest.mark.parametrize(
    ("linked", "balanced", "verdict"),
    [
        (LOOKS, LOOKS, "confirmed"),
        (LOOKS, SEES_ONLY, "depends"),
        (LOOKS, USES_ONLY, "depends"),
        (SEES_ONLY, USES_ONLY, "refuted"),
    ],
)
def test_c8_asks_for_heat_on_the_text_and_for_its_use(linked, balanced, verdict) -> None:
    assert rules.c8(c8(linked, balanced)) == verdict


def c13(**networks: tuple[float, Measure, Measure]) -> dict[str, Measure]:
    measures = {}
    for name in rules.ATTACKED:
        probability, kept, over = networks.get(name, (0.1, m(0, 0), m(0, 0)))
        measures[f"{name} probability"] = Measure(probability)
        measures[f"{name} energy kept"] = kept
        measures[f"{name} over the answer"] = over
    return measures


@pytest.mark.parametrize(
    ("networks", "verdict"),
    [
        ({"scenes": (1e-9, m(0.85, 0.95), m(0.1, 0.2))}, "confirmed"),
        ({"scenes": (1e-9, m(0.85, 0.95), m(-0.1, 0.2))}, "depends"),
        ({"scenes": (1e-9, m(0.7, 0.9), m(0.1, 0.2))}, "depends"),
        ({"scenes": (1e-9, m(0.2, 0.3), m(0.1, 0.2))}, "refuted"),
        (
            {
                "scenes": (1e-9, m(0.2, 0.3), m(0.1, 0.2)),
                "fundus": (1e-9, m(0.9, 0.95), m(0.1, 0.2)),
            },
            "depends",
        ),
        ({"scenes": (1e-3, m(0.9, 0.95), m(0.1, 0.2))}, "not testable here"),
    ],
)
def test_c13_judges_only_networks_whose_true_class_is_gone(networks, verdict) -> None:
    assert rules.c13(c13(**networks)) == verdict


def c14(*architectures: tuple[Measure, Measure, Measure, Measure]) -> dict[str, Measure]:
    names = (
        "accuracy lost, linked less balanced",
        "marker ratio, linked less balanced",
        "images that tell",
        "finding energy, balanced less linked",
    )
    return {
        f"{arch} {name}": measure
        for arch, four in zip(rules.PAIRS, architectures, strict=True)
        for name, measure in zip(names, four, strict=True)
    }


@pytest.mark.parametrize(
    ("used", "ratio", "told", "moved", "verdict"),
    [
        (m(0.1, 0.2), m(1, 2), m(0.92, 0.98), m(0.1, 0.2), "confirmed"),
        (m(0.1, 0.2), m(1, 2), m(0.85, 0.98), m(0.1, 0.2), "depends"),
        (m(0.1, 0.2), m(1, 2), m(0.92, 0.98), m(-0.1, 0.2), "depends"),
        (m(0.1, 0.2), m(-1, 2), m(0.92, 0.98), m(0.1, 0.2), "refuted"),
        (m(0.1, 0.2), m(1, 2), m(0.4, 0.7), m(0.1, 0.2), "refuted"),
        (m(0.01, 0.2), m(1, 2), m(0.92, 0.98), m(0.1, 0.2), "not testable here"),
    ],
)
def test_c14_needs_a_bias_and_maps_that_show_it_and_its_cure(
    used, ratio, told, moved, verdict
) -> None:
    unbiased = (m(-0.01, 0.01), m(-1, 1), m(0.3, 0.7), m(-0.1, 0.1))
    assert rules.c14(c14((used, ratio, told, moved), unbiased)) == verdict


def test_c14_depends_where_architectures_disagree() -> None:
    yes = (m(0.1, 0.2), m(1, 2), m(0.92, 0.98), m(0.1, 0.2))
    no = (m(0.1, 0.2), m(-1, 2), m(0.92, 0.98), m(0.1, 0.2))
    assert rules.c14(c14(yes, yes)) == "confirmed"
    assert rules.c14(c14(yes, no)) == "depends"


@pytest.mark.parametrize(
    ("natural", "planted", "verdict"),
    [
        (m(0.1, 0.3), m(0.8, 0.9), "confirmed"),
        (m(-0.1, 0.3), m(0.8, 0.9), "depends"),
        (m(0.1, 0.3), m(0.7, 0.9), "depends"),
        (m(-0.1, 0.3), m(0.7, 0.9), "refuted"),
    ],
)
def test_c15_asks_for_natural_and_for_planted_failures(natural, planted, verdict) -> None:
    measures = {
        "natural: turned, own less other map": natural,
        "planted: points to the text": planted,
    }
    assert rules.c15(measures) == verdict


def test_the_ledger_holds_these_rules() -> None:
    for name in ("C8", "C13", "C14", "C15"):
        assert CLAIMS[name].rule is getattr(rules, name.lower())
        assert CLAIMS[name].rule_text == getattr(rules, f"{name}_TEXT")
        assert CLAIMS[name].chapter == "13_failures_adversaries_bias"
