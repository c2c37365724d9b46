"""The claims about the text at the edge of a radiograph, C8 and C14.

Each rule stands beside its claim, and was fixed before its figures were measured.

"Linked" is the network in whose training images the marker follows the class, "balanced" the one
trained on the same images with markers drawn by lot.
"""

from __future__ import annotations

from xaihelpers.claims.rules import Measures
from xaihelpers.claims.types import Amendment, Claim
from xaihelpers.claims.verdicts import Verdict

CHAPTER = "13_failures_adversaries_bias"
PAIRS = ("densenet121", "small_vgg_gap")

RATIO = 2.0  # times the heat that the marker's area would get from an even map
USED = 0.02  # accuracy that must fall, when markers are swapped, for a text to count as used
TOLD = 0.9  # share of pictures in which the biased network's map is the hotter one


def c8(measures: Measures) -> Verdict:
    """Does the X-ray model look at the text?"""
    looks = [
        measures[f"{arch} {network} marker ratio"].lowest > RATIO
        and measures[f"{arch} {network} accuracy lost when swapped"].lowest > USED
        for arch in PAIRS
        for network in ("linked", "balanced")
    ]
    if all(looks):
        return "confirmed"
    return "depends" if any(looks) else "refuted"


C8 = Claim(
    id="C8",
    statement="The X-ray model also looks at the text at the top left",
    source="the X-ray project",
    how=(
        "heat for COVID on the text over the text's share of the area, and accuracy lost when "
        "texts are swapped, for networks trained with and without a link of text and class"
    ),
    chapter=CHAPTER,
    rule_text=(
        "A network looks at the text if its heat for COVID on the marker of COVID images is above "
        "2 times the marker's share of the area, and its accuracy falls by above 0.02 when markers "
        "are swapped. Confirmed if all networks do, linked and balanced, of every architecture; "
        "refuted if none does; otherwise it depends."
    ),
    rule=c8,
    measures=tuple(
        f"{arch} {network} {what}"
        for arch in PAIRS
        for network in ("linked", "balanced")
        for what in ("marker ratio", "accuracy lost when swapped")
    ),
    depends_on="whether the text is linked to the class in training",
    amendments=(
        Amendment(
            when="2026-11-21",
            what=(
                "the rule speaks of two pairs of networks, before of one: a pilot with nine "
                "patients had suggested that the first pair, the DenseNets, ignores the text. "
                "The second pair was not yet trained. By the first wording the verdict would be "
                '"refuted"'
            ),
            verdict_before="none",
        ),
    ),
)


def c14(measures: Measures) -> Verdict:
    """Do the maps show which network is biased, and that retraining moved them?"""
    used = "accuracy lost, linked less balanced"
    judged = [arch for arch in PAIRS if measures[f"{arch} {used}"].lowest > USED]
    if not judged:
        return "not testable here"
    verdicts = {_exposes(measures, arch) for arch in judged}
    return verdicts.pop() if len(verdicts) == 1 else "depends"


def _exposes(measures: Measures, arch: str) -> Verdict:
    ratio = measures[f"{arch} marker ratio, linked less balanced"]
    told = measures[f"{arch} images that tell"]
    if ratio.lowest <= 0 or told.lowest <= 0.5:
        return "refuted"
    moved = measures[f"{arch} finding energy, balanced less linked"]
    return "confirmed" if told.lowest > TOLD and moved.lowest > 0 else "depends"


C14 = Claim(
    id="C14",
    statement="Grad-CAM exposes a bias of the data set",
    source="Selvaraju 2017, arXiv 1610.02391",
    how=(
        "heat on the marker of a network that uses it less that of a network trained on balanced "
        "data, image by image; energy that moves to the finding"
    ),
    chapter=CHAPTER,
    rule_text=(
        "Judged are architectures whose linked network loses above 0.02 accuracy more than the "
        "balanced one when markers are swapped; without one it is not testable here. Confirmed if "
        "in all of them the linked map has more heat on the marker (difference of the ratios above "
        "0), does so in above 0.9 of the images, and the balanced network has more energy in the "
        "finding (above 0). Refuted if in all of them the difference is not above 0, or the share "
        "of images not above 0.5. Otherwise it depends."
    ),
    rule=c14,
    measures=tuple(
        f"{arch} {what}"
        for arch in PAIRS
        for what in (
            "accuracy lost, linked less balanced",
            "marker ratio, linked less balanced",
            "images that tell",
            "finding energy, balanced less linked",
        )
    ),
    depends_on="the image",
    amendments=(
        Amendment(
            when="2026-11-21",
            what=(
                "the rule speaks of two pairs of networks, before of one: a pilot with nine "
                "patients had suggested that the first pair, the DenseNets, ignores the text. "
                "The second pair was not yet trained. By the first wording the verdict would be "
                '"not testable here"'
            ),
            verdict_before="none",
        ),
    ),
)


#: In order.
CLAIMS = (C8, C14)
