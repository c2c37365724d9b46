"""The rules of C8 and C14: each verdict can be reached, by their measures only."""

import pytest

from xaihelpers.claims import Measure
from xaihelpers.experiments.marker.claims import C8, C14, PAIRS


def m(low: float, high: float) -> Measure:
    return Measure((low + high) / 2, low, high, 10)


def c8(linked: tuple[Measure, Measure], balanced: tuple[Measure, Measure]) -> dict[str, Measure]:
    return {
        f"{arch} {network} {what}": measure
        for arch in PAIRS
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
    assert C8.judge(c8(linked, balanced)) == verdict


def c14(*architectures: tuple[Measure, Measure, Measure, Measure]) -> dict[str, Measure]:
    names = (
        "accuracy lost, linked less balanced",
        "marker ratio, linked less balanced",
        "images that tell",
        "finding energy, balanced less linked",
    )
    return {
        f"{arch} {name}": measure
        for arch, four in zip(PAIRS, architectures, strict=True)
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
    assert C14.judge(c14((used, ratio, told, moved), unbiased)) == verdict


def test_c14_depends_where_architectures_disagree() -> None:
    yes = (m(0.1, 0.2), m(1, 2), m(0.92, 0.98), m(0.1, 0.2))
    no = (m(0.1, 0.2), m(-1, 2), m(0.92, 0.98), m(0.1, 0.2))
    assert C14.judge(c14(yes, yes)) == "confirmed"
    assert C14.judge(c14(yes, no)) == "depends"
