"""The rule of C9: each verdict can be reached."""

import pytest

from xaihelpers.claims import Measure
from xaihelpers.experiments.identities.claims import C9


@pytest.mark.parametrize(
    ("worst", "verdict"), [(1e-12, "confirmed"), (1e-8, "depends"), (0.1, "refuted")]
)
def test_c9_is_about_the_worst_network(worst, verdict) -> None:
    name = "largest relative difference"
    measures = {f"densenet121: {name}": Measure(1e-15), f"resnet50: {name}": Measure(worst)}
    assert C9.judge(measures) == verdict
