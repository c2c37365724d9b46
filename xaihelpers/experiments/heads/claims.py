"""The claim about the cost of CAM's head, C18, and its rule, fixed before measuring."""

from __future__ import annotations

from xaihelpers.claims.rules import Measures, above, below, ending
from xaihelpers.claims.types import Claim
from xaihelpers.claims.verdicts import Verdict


def c18(measures: Measures) -> Verdict:
    """Does the head that CAM needs cost accuracy in every setting?"""
    costs = ending(measures, ": fully connected minus gap linear").values()
    if all(above(cost, 0) for cost in costs):
        return "confirmed"
    return "refuted" if all(below(cost, 0.01) for cost in costs) else "depends"


C18 = Claim(
    id="C18",
    statement="CAM needs a changed architecture, which costs accuracy",
    source="Selvaraju 2017, arXiv 1610.02391",
    how=(
        "accuracy of VGG19 with its fully connected head less that with average pooling and one "
        "linear layer, on frozen maps and from a random start"
    ),
    chapter="14_aptos",
    rule_text=(
        "Accuracy of VGG19 with its fully connected head minus that with average pooling and a "
        "linear head, same images and budget, averaged over seeds, interval over test images. "
        "Confirmed if it is above 0 in every setting; refuted if it is below 0.01 (one point) in "
        "every setting. Otherwise it depends, on the setting."
    ),
    rule=c18,
    measures=("{setting}: fully connected minus gap linear",),
    optional=("{setting}: project minus gap linear",),
    depends_on="the setting: frozen maps or trained together",
)


#: In order.
CLAIMS = (C18,)
