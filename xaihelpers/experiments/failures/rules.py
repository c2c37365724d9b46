"""Verdict rules of the claims on failures, attacks, bias (C8, C13 to C15), fixed before measuring.

"Above" and "below" always speak of the whole 95 % interval. "Linked" is the network in whose
training images the marker follows the class, "balanced" the one trained on the same images with
markers drawn by lot.
"""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.claims.types import Measure, Verdict

Measures = Mapping[str, Measure]
ATTACKED = ("scenes", "chest_xray", "fundus")
PAIRS = ("densenet121", "small_vgg_gap")

RATIO = 2.0  # times the heat that the marker's area would get from an even map
USED = 0.02  # accuracy that must fall, when markers are swapped, for a text to count as used
TOLD = 0.9  # share of pictures in which the biased network's map is the hotter one
COLLAPSED = 1e-6  # probability of the true class below which it counts as attacked away
KEPT = 0.8  # share of the energy above chance that must be left
POINTED = 0.75  # share of planted failures whose map must point to the planted cause

C8_TEXT = (
    "A network looks at the text if its heat for COVID on the marker of COVID images is above "
    "2 times the marker's share of the area, and its accuracy falls by above 0.02 when markers "
    "are swapped. Confirmed if all networks do, linked and balanced, of every architecture; "
    "refuted if none does; otherwise it depends."
)


def c8(m: Measures) -> Verdict:
    """Does the X-ray model look at the text?"""
    looks = [
        m[f"{arch} {network} marker ratio"].lowest > RATIO
        and m[f"{arch} {network} accuracy lost when swapped"].lowest > USED
        for arch in PAIRS
        for network in ("linked", "balanced")
    ]
    if all(looks):
        return "confirmed"
    return "depends" if any(looks) else "refuted"


C13_TEXT = (
    "Judged are networks whose true class falls below 1e-6 (median); without one it is not "
    "testable here. A network keeps its map if, of the energy in the true object above the "
    "object's share of the area, the true class's map has above 0.8 left after the attack, and "
    "more energy there than the answer's map (above 0). Confirmed if all keep it; refuted if in "
    "all of them less than 0.8 is left; otherwise it depends."
)


def c13(m: Measures) -> Verdict:
    """Does the map of the true class stay when its probability is gone?"""
    judged = [n for n in ATTACKED if m[f"{n} probability"].value < COLLAPSED]
    kept = {n: m[f"{n} energy kept"] for n in judged}
    if not judged:
        return "not testable here"
    if all(kept[n].lowest > KEPT and m[f"{n} over the answer"].lowest > 0 for n in judged):
        return "confirmed"
    return "refuted" if all(kept[n].highest < KEPT for n in judged) else "depends"


C14_TEXT = (
    "Judged are architectures whose linked network loses above 0.02 accuracy more than the "
    "balanced one when markers are swapped; without one it is not testable here. Confirmed if in "
    "all of them the linked map has more heat on the marker (difference of the ratios above 0), "
    "does so in above 0.9 of the images, and the balanced network has more energy in the finding "
    "(above 0). Refuted if in all of them the difference is not above 0, or the share of images "
    "not above 0.5. Otherwise it depends."
)


def c14(m: Measures) -> Verdict:
    """Do the maps show which network is biased, and that retraining moved them?"""
    used = "accuracy lost, linked less balanced"
    judged = [arch for arch in PAIRS if m[f"{arch} {used}"].lowest > USED]
    if not judged:
        return "not testable here"
    verdicts = {_exposes(m, arch) for arch in judged}
    return verdicts.pop() if len(verdicts) == 1 else "depends"


def _exposes(m: Measures, arch: str) -> Verdict:
    ratio, told = m[f"{arch} marker ratio, linked less balanced"], m[f"{arch} images that tell"]
    if ratio.lowest <= 0 or told.lowest <= 0.5:
        return "refuted"
    moved = m[f"{arch} finding energy, balanced less linked"]
    return "confirmed" if told.lowest > TOLD and moved.lowest > 0 else "depends"


C15_TEXT = (
    "Two tests. Natural failures: blurring the hottest tenth of the answer's map turns the answer "
    "to the truth more often than blurring the hottest tenth of another failure's map (difference "
    "above 0). Planted failures, caused by a swapped text: the answer's map has more energy on "
    "the text than the true class's map in above 0.75 of them. Confirmed if both hold, refuted if "
    "neither, otherwise it depends."
)


def c15(m: Measures) -> Verdict:
    """Do the maps point to what made the network fail?"""
    holds = [
        m["natural: turned, own less other map"].lowest > 0,
        m["planted: points to the text"].lowest > POINTED,
    ]
    if all(holds):
        return "confirmed"
    return "depends" if any(holds) else "refuted"
