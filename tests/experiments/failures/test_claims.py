"""The rules of C13 and C15: each verdict can be reached, by their measures only."""

import pytest

from xaihelpers.claims import Measure
from xaihelpers.experiments.failures.claims import ATTACKED, C13, C15


def m(low: float, high: float) -> Measure:
    return Measure((low + high) / 2, low, high, 10)


def c13(**networks: tuple[float, Measure, Measure]) -> dict[str, Measure]:
    measures = {}
    for name in ATTACKED:
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
    assert C13.judge(c13(**networks)) == verdict


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
    assert C15.judge(measures) == verdict
