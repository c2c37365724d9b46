"""Verdict rules of the retinopathy study: each verdict can be reached, and only by its measures."""

from itertools import product

import pytest

from xaihelpers.claims import Measure
from xaihelpers.experiments import CLAIMS
from xaihelpers.experiments.retinopathy.claims import BASELINES, GRIDS, NETWORKS


def m(low: float, high: float) -> Measure:
    return Measure((low + high) / 2, low, high, 10)


UNDECIDED = m(-0.5, 0.5)


def c1(efficient: Measure, vgg: Measure, overlap: Measure) -> dict[str, Measure]:
    measures = {"efficientnet_b0 last correlation": efficient, "vgg19 last correlation": vgg}
    return measures | {f"{network} last overlap": overlap for network in NETWORKS}


@pytest.mark.parametrize(
    ("measures", "verdict"),
    [
        (c1(m(0.96, 0.98), m(0.97, 0.99), m(0.8, 0.9)), "confirmed"),
        (c1(m(0.96, 0.98), m(0.97, 0.99), m(0.7, 0.9)), "depends"),
        (c1(m(0.90, 0.94), m(0.97, 0.99), m(0.8, 0.9)), "depends"),
        (c1(m(0.90, 0.94), m(0.80, 0.90), m(0.8, 0.9)), "refuted"),
    ],
)
def test_c1_asks_for_correlation_and_overlap_in_both_networks(measures, verdict) -> None:
    assert CLAIMS["C1"].judge(measures) == verdict


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
    assert CLAIMS["C2"].judge(measures | {"vgg19 stage3 excess": elsewhere}) == verdict


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
    assert CLAIMS["C3"].judge(measures) == verdict


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
    for grid, value in zip(GRIDS, (equal, equal, native), strict=True):
        measures |= {f"{grid}: area above half": value, f"{grid}: entropy": value}
    assert CLAIMS["C4"].judge(measures) == verdict


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
    measures = {f"{network} peak within 15 px": near for network in NETWORKS}
    for network, baseline in product(NETWORKS, BASELINES):
        measures[f"{network} energy over {baseline}"] = energy
        measures[f"{network} pointing over {baseline}"] = pointing
    assert CLAIMS["C5"].judge(measures) == verdict


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
    assert CLAIMS["C6"].judge(measures) == verdict


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
    assert CLAIMS["C19"].judge(measures) == verdict
