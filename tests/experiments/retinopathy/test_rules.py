"""Verdict rules of the retinopathy study: each verdict can be reached, and only by its measures."""

from math import nan

import pytest

from xaihelpers.claims.types import Measure
from xaihelpers.experiments.all_claims import CLAIMS
from xaihelpers.experiments.retinopathy import rules


def m(low: float, high: float) -> Measure:
    return Measure((low + high) / 2, low, high, 10)


UNDECIDED = m(-0.5, 0.5)


def c1(efficient: Measure, vgg: Measure, overlap: Measure) -> dict[str, Measure]:
    measures = {"efficientnet_b0 last correlation": efficient, "vgg19 last correlation": vgg}
    return measures | {f"{network} last overlap": overlap for network in rules.NETWORKS}


@pytest.mark.parametrize(
    ("measures", "verdict"),
    [
        (c1(m(0.96, 0.98), m(0.97, 0.99), m(0.8, 0.9)), "confirmed"),
        (c1(m(0.96, 0.98), m(0.97, 0.99), m(0.7, 0.9)), "depends"),
        (c1(m(0.90, 0.94), m(0.97, 0.99), m(0.8, 0.9)), "depends"),
        (c1(m(0.90, 0.94), m(0.80, 0.90), m(0.8, 0.9)), "refuted"),
        ({"efficientnet_b0 last correlation": m(0.96, 0.98)}, "not testable here"),
    ],
)
def test_c1_asks_for_correlation_and_overlap_in_both_networks(measures, verdict) -> None:
    assert rules.c1(measures) == verdict


@pytest.mark.parametrize(
    ("excess", "lift", "elsewhere", "verdict"),
    [
        (m(0.03, 0.05), m(0.5, 0.6), m(0, 0.01), "confirmed"),
        (m(0.00, 0.01), m(1.1, 1.3), m(0, 0.01), "confirmed"),
        (m(0.00, 0.01), m(0.5, 1.2), m(0.03, 0.2), "depends"),
        (m(0.00, 0.01), m(0.5, 0.6), m(0.01, 0.2), "refuted"),
    ],
)
def test_c2_looks_at_the_pooled_tensor_first(excess, lift, elsewhere, verdict) -> None:
    measures = {"vgg19 last excess": excess, "vgg19 last lift": lift}
    assert rules.c2(measures | {"vgg19 stage3 excess": elsewhere}) == verdict


def c3(whole: Measure, gradients: Measure, noise: Measure, tensor: str = "a") -> dict[str, Measure]:
    return {
        f"{tensor}: whole effect": whole,
        f"{tensor}: small gradients": gradients,
        f"{tensor}: noise": noise,
    }


@pytest.mark.parametrize(
    ("measures", "verdict"),
    [
        (c3(m(0.1, 0.2), m(0.6, 0.8), m(0, 0.1)), "confirmed"),
        (c3(m(0.1, 0.2), m(0.0, 0.05), m(-0.1, 0.09)), "refuted"),
        (c3(m(0.1, 0.2), m(0.0, 0.05), m(-0.1, 0.2)), "depends"),
        (c3(m(0.0, 0.2), m(0.6, 0.8), m(0.6, 0.8)), "not testable here"),
        (
            c3(m(0.1, 0.2), m(0.6, 0.8), m(0, 0.1)) | c3(m(0.1, 0.2), m(0, 0.1), m(0, 0.1), "b"),
            "depends",
        ),
        # a tensor without an effect has no say
        (
            c3(m(0.1, 0.2), m(0.6, 0.8), m(0, 0.1)) | c3(m(0.0, 0.2), m(0, 0.1), m(0, 0.1), "b"),
            "confirmed",
        ),
    ],
)
def test_c3_blames_only_what_holds_a_share_of_the_whole_effect(measures, verdict) -> None:
    assert rules.c3(measures) == verdict


@pytest.mark.parametrize(
    ("native", "equal", "verdict"),
    [
        (m(-0.2, -0.1), m(-0.2, -0.1), "confirmed"),
        (m(-0.2, -0.1), m(-0.2, 0.1), "depends"),
        (m(-0.2, 0.1), UNDECIDED, "refuted"),
    ],
)
def test_c4_asks_for_sharper_maps_at_every_grid(native, equal, verdict) -> None:
    measures = {}
    for grid, value in (("native", native), ("7 x 7", equal)):
        measures |= {f"{grid}: area above half": value, f"{grid}: entropy": value}
    assert rules.c4(measures) == verdict


@pytest.mark.parametrize(
    ("energy", "pointing", "near", "verdict"),
    [
        (m(0.01, 0.02), m(0.1, 0.2), m(0.6, 0.8), "confirmed"),
        (m(0.01, 0.02), m(0.1, 0.2), m(0.2, 0.4), "depends"),
        (m(0.01, 0.02), UNDECIDED, m(0.6, 0.8), "depends"),
        (UNDECIDED, UNDECIDED, m(0.6, 0.8), "refuted"),
    ],
)
def test_c5_wants_better_than_blind_and_near_a_lesion(energy, pointing, near, verdict) -> None:
    measures = {
        "vgg19 energy over random weights": energy,
        "vgg19 pointing over centre": pointing,
        "vgg19 peak within 15 px": near,
    }
    assert rules.c5(measures) == verdict


@pytest.mark.parametrize(
    ("variation", "stability", "eps", "verdict"),
    [
        (m(-0.2, -0.1), m(0.1, 0.2), m(-0.2, -0.1), "confirmed"),
        (m(-0.2, -0.1), m(0.1, 0.2), m(-0.03, -0.02), "depends"),
        (m(-0.2, -0.1), m(0.1, 0.2), m(-0.001, 0.001), "refuted"),
        (m(-0.2, -0.1), UNDECIDED, m(-0.2, -0.1), "refuted"),
    ],
)
def test_c6_needs_smoother_and_steadier_and_eps_as_the_cause(
    variation, stability, eps, verdict
) -> None:
    measures = {"a: variation": variation, "a: stability": stability, "a: eps": eps}
    assert rules.c6(measures) == verdict


@pytest.mark.parametrize(
    ("worst", "verdict"), [(1e-12, "confirmed"), (1e-8, "depends"), (0.1, "refuted")]
)
def test_c9_is_about_the_worst_network(worst, verdict) -> None:
    name = "largest relative difference"
    measures = {f"densenet121: {name}": Measure(1e-15), f"resnet50: {name}": Measure(worst)}
    assert rules.c9(measures) == verdict


@pytest.mark.parametrize(
    ("frozen", "scratch", "verdict"),
    [
        (m(0.01, 0.02), m(0.03, 0.05), "confirmed"),
        (m(-0.01, 0.005), m(-0.1, -0.05), "refuted"),
        (m(-0.01, 0.005), m(0.03, 0.05), "depends"),
    ],
)
def test_c18_asks_for_a_cost_in_every_setting(frozen, scratch, verdict) -> None:
    name = "fully connected minus gap linear"
    assert rules.c18({f"frozen: {name}": frozen, f"scratch: {name}": scratch}) == verdict


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((m(0.1, 0.2), UNDECIDED), (UNDECIDED, UNDECIDED), "confirmed"),
        ((m(0.1, 0.2), UNDECIDED), (m(-0.2, -0.1), UNDECIDED), "depends"),
        ((m(0.1, 0.2), m(-0.2, -0.1)), (UNDECIDED, UNDECIDED), "refuted"),
        ((UNDECIDED, UNDECIDED), (UNDECIDED, UNDECIDED), "refuted"),
    ],
)
def test_c19_counts_layers_that_are_better_and_worse(first, second, verdict) -> None:
    measures = {}
    for layer, (energy, pointing) in (("last", first), ("stage4", second)):
        measures |= {f"vgg19 {layer}: energy": energy, f"vgg19 {layer}: pointing": pointing}
    assert rules.c19(measures) == verdict


@pytest.mark.parametrize("name", ["c1", "c2", "c3", "c4", "c5", "c6", "c9", "c18", "c19"])
def test_what_cannot_be_measured_here_is_not_testable_here(name: str) -> None:
    assert getattr(rules, name)({"lesion masks": Measure(nan)}) == "not testable here"


def test_an_unknown_measure_that_a_rule_does_not_read_changes_no_verdict() -> None:
    unknown = {"lesion masks": Measure(nan)}
    c5 = {
        "vgg19 energy over random weights": m(0.01, 0.02),
        "vgg19 peak within 15 px": m(0.6, 0.8),
    }
    assert CLAIMS["C5"].judge(c5 | unknown) == "confirmed"
    c9 = {"vgg19: largest relative difference": Measure(1e-12)}
    assert CLAIMS["C9"].judge(c9 | unknown) == "confirmed"
    c9["resnet50: largest relative difference"] = Measure(nan)
    assert CLAIMS["C9"].judge(c9) == "not testable here"
