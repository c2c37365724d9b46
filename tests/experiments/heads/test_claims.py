"""The rule of C18: each verdict can be reached."""

import pytest

from xaihelpers.claims import Measure
from xaihelpers.experiments.heads.claims import C18


def m(low: float, high: float) -> Measure:
    return Measure((low + high) / 2, low, high, 10)


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
    assert C18.judge({f"frozen: {name}": frozen, f"scratch: {name}": scratch}) == verdict
