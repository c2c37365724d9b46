"""The claim that Grad-CAM generalises CAM, C9, and its rule, fixed before measuring."""

from __future__ import annotations

from xaihelpers.claims.rules import Measures, ending
from xaihelpers.claims.types import Claim
from xaihelpers.claims.verdicts import Verdict


def c9(measures: Measures) -> Verdict:
    """Is Grad-CAM equal to CAM, up to the factor Z, in the worst network?"""
    differences = ending(measures, ": largest relative difference").values()
    worst = max(m.value for m in differences)
    return "confirmed" if worst <= 1e-10 else "refuted" if worst > 1e-6 else "depends"


C9 = Claim(
    id="C9",
    statement="Grad-CAM generalises CAM",
    source="Selvaraju 2017, arXiv 1610.02391",
    how="largest difference of Z times Grad-CAM and CAM behind average pooling, float64",
    chapter="06_cam_is_grad_cam",
    rule_text=(
        "Confirmed if, in float64, Z times Grad-CAM's raw map equals CAM's to 1e-10 (largest "
        "difference over largest value) in every network whose named tensor feeds the average "
        "pooling before a linear head. Refuted if one differs by more than 1e-6. Otherwise it "
        "depends."
    ),
    rule=c9,
    measures=("{network}: largest relative difference",),
)


#: In order.
CLAIMS = (C9,)
