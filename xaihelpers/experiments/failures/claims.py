"""The claims about adversarial noise and about failures, C13 and C15.

Each rule stands beside its claim, and was fixed before its figures were measured.
"""

from __future__ import annotations

from xaihelpers.claims.rules import Measures
from xaihelpers.claims.types import Claim
from xaihelpers.claims.verdicts import Verdict

SOURCE = "Selvaraju 2017, arXiv 1610.02391"
CHAPTER = "13_failures_adversaries_bias"
ATTACKED = ("scenes", "chest_xray", "fundus")

COLLAPSED = 1e-6  # probability of the true class below which it counts as attacked away
KEPT = 0.8  # share of the energy above chance that must be left
POINTED = 0.75  # share of planted failures whose map must point to the planted cause


def c13(measures: Measures) -> Verdict:
    """Does the map of the true class stay when its probability is gone?"""
    judged = [n for n in ATTACKED if measures[f"{n} probability"].value < COLLAPSED]
    kept = {n: measures[f"{n} energy kept"] for n in judged}
    if not judged:
        return "not testable here"
    if all(kept[n].lowest > KEPT and measures[f"{n} over the answer"].lowest > 0 for n in judged):
        return "confirmed"
    return "refuted" if all(kept[n].highest < KEPT for n in judged) else "depends"


C13 = Claim(
    id="C13",
    statement="Grad-CAM is robust to adversarial noise: the true class is still found at p ~ 1e-17",
    source=SOURCE,
    how=(
        "energy of the true class's map in the true object before and after an attack (PGD, 8 of "
        "255 grey levels) towards the least likely class, above the object's share of the area"
    ),
    chapter=CHAPTER,
    rule_text=(
        "Judged are networks whose true class falls below 1e-6 (median); without one it is not "
        "testable here. A network keeps its map if, of the energy in the true object above the "
        "object's share of the area, the true class's map has above 0.8 left after the attack, and "
        "more energy there than the answer's map (above 0). Confirmed if all keep it; refuted if "
        "in all of them less than 0.8 is left; otherwise it depends."
    ),
    rule=c13,
    measures=tuple(
        f"{n} {what}"
        for n in ATTACKED
        for what in ("probability", "energy kept", "over the answer")
    ),
    optional=tuple(
        f"{n} {what}"
        for n in ATTACKED
        for what in ("energy before", "energy after", "correlation", "area")
    ),
    depends_on="the network",
)


def c15(measures: Measures) -> Verdict:
    """Do the maps point to what made the network fail?"""
    holds = [
        measures["natural: turned, own less other map"].lowest > 0,
        measures["planted: points to the text"].lowest > POINTED,
    ]
    if all(holds):
        return "confirmed"
    return "depends" if any(holds) else "refuted"


C15 = Claim(
    id="C15",
    statement="Grad-CAM explains failures",
    source=SOURCE,
    how=(
        "wrong answers that blurring the answer's hottest tenth turns to the truth, less those "
        "that another failure's map turns; share of planted failures whose map points to the cause"
    ),
    chapter=CHAPTER,
    rule_text=(
        "Two tests. Natural failures: blurring the hottest tenth of the answer's map turns the "
        "answer to the truth more often than blurring the hottest tenth of another failure's map "
        "(difference above 0). Planted failures, caused by a swapped text: the answer's map has "
        "more energy on the text than the true class's map in above 0.75 of them. Confirmed if "
        "both hold, refuted if neither, otherwise it depends."
    ),
    rule=c15,
    measures=("natural: turned, own less other map", "planted: points to the text"),
    optional=("natural: turned by the own map", "natural: turned by the other map"),
    depends_on="the kind of failure",
)


#: In order.
CLAIMS = (C13, C15)
