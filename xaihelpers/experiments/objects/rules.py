"""Verdict rules of the claims measured on scenes (C10, C11, C12), fixed before measuring.

"Above" and "below" speak of the whole 95 % interval. Networks are those of the study "scenes".
"""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.claims.types import Measure, Verdict
from xaihelpers.experiments.retinopathy.rules import above, below, ending

Measures = Mapping[str, Measure]

C10_TEXT = (
    "Switch: share of the heat on the two objects of a scene that lies on A when A is asked for, "
    "plus that on B when B is asked for, minus 1; a map that ignores the question gets 0, a "
    "perfect one 1. Detail: area that holds half of Guided Grad-CAM's heat over that of Grad-CAM. "
    "Confirmed if, in every network, the switch of Grad-CAM and of Guided Grad-CAM is above 0.5, "
    "that of guided backpropagation less than half of Grad-CAM's (paired difference below 0), and "
    "detail is below 0.5. Refuted if in no network Grad-CAM's switch is above 0, or in none "
    "guided backpropagation's is less than half of it. Otherwise it depends, on the network."
)


def c10(measures: Measures) -> Verdict:
    """Measures: "<network>: switch of Grad-CAM", "<network>: switch of Guided Grad-CAM",
    "<network>: guided backprop less half of Grad-CAM", "<network>: detail"."""
    plain = ending(measures, ": switch of Grad-CAM").values()
    guided = ending(measures, ": switch of Guided Grad-CAM").values()
    blind = ending(measures, ": guided backprop less half of Grad-CAM").values()
    detail = ending(measures, ": detail").values()
    if not (plain and guided and blind and detail):
        return "not testable here"
    discriminates = all(above(m, 0.5) for m in (*plain, *guided))
    if discriminates and all(below(m, 0) for m in blind) and all(below(m, 0.5) for m in detail):
        return "confirmed"
    nowhere = not any(above(m, 0) for m in plain) or not any(below(m, 0) for m in blind)
    return "refuted" if nowhere else "depends"


C11_TEXT = (
    "Top-1 localisation error at IoU 0.5 (a wrong class is an error) of Grad-CAM's box at 15 % of "
    "the maximum. Gain: that error minus the error of the best fixed box in the centre, whose "
    "size is chosen on other images. Price: that error minus the error at the threshold that is "
    "best on other images. Confirmed if, in every network, the gain is below 0 and the price is "
    "not above 0.1. Refuted if the gain is below 0 in no network. Otherwise it depends, on "
    "network and threshold."
)


def c11(measures: Measures) -> Verdict:
    """Measures: "<network>: gain over a fixed box", "<network>: price of 15 %"."""
    gains = ending(measures, ": gain over a fixed box").values()
    prices = ending(measures, ": price of 15 %").values()
    if not (gains and prices):
        return "not testable here"
    if all(below(m, 0) for m in gains) and not any(above(m, 0.1) for m in prices):
        return "confirmed"
    return "depends" if any(below(m, 0) for m in gains) else "refuted"


C12_TEXT = (
    "Mean IoU over test images of one small segmentation model trained on Grad-CAM's seeds (VGG "
    "with its fully connected head), minus the same model trained on CAM's (the same VGG with "
    "average pooling), seeds cut at 20 % of the maximum and at the threshold that is best for "
    "each on other images. Confirmed if above 0 at both; refuted if not above 0 (upper end) at "
    "both. Otherwise it depends, on the threshold and on chance. Raw seeds are reported as well, "
    "and do not count."
)


def c12(measures: Measures) -> Verdict:
    """Measures: "trained on seeds at 20 %", "trained on seeds at the best threshold", Grad-CAM
    minus CAM."""
    names = ("trained on seeds at 20 %", "trained on seeds at the best threshold")
    if any(name not in measures for name in names):
        return "not testable here"
    differences = [measures[name] for name in names]
    if all(above(m, 0) for m in differences):
        return "confirmed"
    return "refuted" if all(m.highest <= 0 for m in differences) else "depends"
