"""Verdict rules of the retinopathy study's claims (C1 to C6, C9, C18, C19), fixed before measuring.

Each rule reads measures by name and returns a verdict. Where the measures it needs are missing (no
lesion masks, too few images), the claim is not testable here. "Above" and "below" always speak of
the whole 95 % interval.
"""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.claims.types import Measure, Verdict

Measures = Mapping[str, Measure]
NETWORKS = ("efficientnet_b0", "vgg19")


def above(measure: Measure, bound: float) -> bool:
    """Whether the whole interval lies above the bound."""
    return measure.lowest > bound


def below(measure: Measure, bound: float) -> bool:
    """Whether the whole interval lies below the bound."""
    return measure.highest < bound


def ending(measures: Measures, *endings: str) -> dict[str, Measure]:
    """The measures whose names end in one of these words; no other is looked at."""
    return {name: measures[name] for name in measures if name.endswith(endings)}


C1_TEXT = (
    "Confirmed if, in both networks, the heat maps of Grad-CAM++ and Grad-CAM at the tensor "
    "that feeds the pooling correlate above 0.95 and their top 20 % overlap (IoU) above 0.75. "
    "Refuted if the correlation is below 0.95 in both. Otherwise it depends, on network and "
    "layer."
)


def c1(measures: Measures) -> Verdict:
    """Measures: "<network> last correlation", "<network> last overlap"."""
    if not all(
        f"{n} last {what}" in measures for n in NETWORKS for what in ("correlation", "overlap")
    ):
        return "not testable here"
    same = [measures[f"{network} last correlation"] for network in NETWORKS]
    overlap = [measures[f"{network} last overlap"] for network in NETWORKS]
    if all(above(m, 0.95) for m in same) and all(above(m, 0.75) for m in overlap):
        return "confirmed"
    return "refuted" if all(below(m, 0.95) for m in same) else "depends"


C2_TEXT = (
    "Excess: energy outside the retina under XGrad-CAM minus under Grad-CAM, per image, same "
    "tensor. Lift: XGrad-CAM's energy outside over the area outside. Confirmed if, at the "
    "tensor that feeds the pooling of either network, the excess is above 0.02 or the lift "
    "above 1. It depends (on the tensor) if only at another tensor the excess is above 0.02. "
    "Refuted if nowhere."
)


def c2(measures: Measures) -> Verdict:
    """Measures: "<network> <layer> excess" for every layer, "<network> last lift"."""
    if not ending(measures, "last excess"):
        return "not testable here"
    if any(above(m, 0.02) for m in ending(measures, "last excess").values()):
        return "confirmed"
    if any(above(m, 1) for m in ending(measures, "last lift").values()):
        return "confirmed"
    elsewhere = any(above(m, 0.02) for m in ending(measures, " excess").values())
    return "depends" if elsewhere else "refuted"


C3_TEXT = (
    "The whole effect is the energy outside the retina with every suspect switched on minus "
    "with none, divided among the suspects by Shapley shares, for each suspect tensor; tensors "
    "whose whole effect is not above 0.02 have nothing to explain. Confirmed if small gradients "
    "or noise hold a share above half of the whole effect at every remaining tensor; refuted if "
    "both hold shares below a tenth at every one. Otherwise it depends. Without a remaining "
    "tensor: not testable here."
)


def c3(measures: Measures) -> Verdict:
    """Measures: "<tensor>: whole effect", "<tensor>: small gradients", "<tensor>: noise" (shares
    of the whole effect)."""
    effects = ending(measures, ": whole effect")
    tensors = [name.removesuffix(": whole effect") for name, m in effects.items() if above(m, 0.02)]
    if not tensors:
        return "not testable here"
    blamed = [(measures[f"{t}: small gradients"], measures[f"{t}: noise"]) for t in tensors]
    if all(above(gradients, 0.5) or above(noise, 0.5) for gradients, noise in blamed):
        return "confirmed"
    innocent = all(below(gradients, 0.1) and below(noise, 0.1) for gradients, noise in blamed)
    return "refuted" if innocent else "depends"


C4_TEXT = (
    "VGG19's Grad-CAM is sharper at a grid if both its area above half maximum and its entropy "
    "are below EfficientNet-B0's (paired differences below 0). Confirmed if it is sharper at "
    "the native grids (14 x 14 against 7 x 7) and at both equal ones (7 x 7, 14 x 14); refuted "
    "if at none. Otherwise it depends, on the grid."
)


def c4(measures: Measures) -> Verdict:
    """Measures: "<grid>: area above half", "<grid>: entropy", VGG19 minus EfficientNet-B0."""
    grids = [name.removesuffix(": entropy") for name in ending(measures, ": entropy")]
    if not grids:
        return "not testable here"
    sharper = [
        below(measures[f"{grid}: area above half"], 0) and below(measures[f"{grid}: entropy"], 0)
        for grid in grids
    ]
    return "confirmed" if all(sharper) else "depends" if any(sharper) else "refuted"


C5_TEXT = (
    "Grad-CAM at the tensor that feeds the pooling, images that show a lesion. Confirmed if, in "
    "both networks, energy in lesions and pointing are above those of a blob in the centre and "
    "of the same network with random weights (paired differences above 0), and the peak lies "
    "within 15 px of a lesion in more than half of the images (interval above 0.5). Refuted if "
    "no difference is above 0 in either network. Otherwise it depends."
)


def c5(measures: Measures) -> Verdict:
    """Measures: "<network> energy over <baseline>", "<network> pointing over <baseline>",
    "<network> peak within 15 px"."""
    better = [measures[name] for name in measures if " over " in name]
    near = ending(measures, "peak within 15 px")
    if not better or not near:
        return "not testable here"
    if all(above(m, 0) for m in better) and all(above(m, 0.5) for m in near.values()):
        return "confirmed"
    return "depends" if any(above(m, 0) for m in better) else "refuted"


C6_TEXT = (
    "XGrad-CAM against Grad-CAM, per tensor. Smoother: its total variation is lower (paired "
    "difference below 0); steadier: its map correlates more with that of the noisy image (above "
    "0). Confirmed if at some tensor it is smoother and steadier, and raising eps from 1e-12 to "
    "1 lowers its variation there by more than 5 %. Refuted if it is smoother and steadier "
    "nowhere, or only where eps changes the variation by less than 1 %. Otherwise it depends."
)


def c6(measures: Measures) -> Verdict:
    """Measures: "<tensor>: variation", "<tensor>: stability" (XGrad-CAM minus Grad-CAM),
    "<tensor>: eps" (relative change of the variation)."""
    tensors = [name.removesuffix(": eps") for name in ending(measures, ": eps")]
    if not tensors:
        return "not testable here"
    better = [
        measures[f"{tensor}: eps"]
        for tensor in tensors
        if below(measures[f"{tensor}: variation"], 0) and above(measures[f"{tensor}: stability"], 0)
    ]
    if any(below(eps, -0.05) for eps in better):
        return "confirmed"
    idle = all(above(eps, -0.01) and below(eps, 0.01) for eps in better)
    return "refuted" if idle else "depends"


C9_TEXT = (
    "Confirmed if, in float64, Z times Grad-CAM's raw map equals CAM's to 1e-10 (largest "
    "difference over largest value) in every network whose named tensor feeds the average "
    "pooling before a linear head. Refuted if one differs by more than 1e-6. Otherwise it "
    "depends."
)


def c9(measures: Measures) -> Verdict:
    """Measures: "<network>: largest relative difference"."""
    found = ending(measures, ": largest relative difference").values()
    if not found:
        return "not testable here"
    worst = max(m.value for m in found)
    return "confirmed" if worst <= 1e-10 else "refuted" if worst > 1e-6 else "depends"


C18_TEXT = (
    "Accuracy of VGG19 with its fully connected head minus that with average pooling and a "
    "linear head, same images and budget, averaged over seeds, interval over test images. "
    "Confirmed if it is above 0 in every setting; refuted if it is below 0.01 (one point) in "
    "every setting. Otherwise it depends, on the setting."
)


def c18(measures: Measures) -> Verdict:
    """Measures: "<setting>: fully connected minus gap linear"."""
    costs = ending(measures, ": fully connected minus gap linear").values()
    if not costs:
        return "not testable here"
    if all(above(cost, 0) for cost in costs):
        return "confirmed"
    return "refuted" if all(below(cost, 0.01) for cost in costs) else "depends"


C19_TEXT = (
    "XGrad-CAM minus Grad-CAM, per image, at every named tensor of both networks. A tensor is "
    "better if energy in lesions or pointing is above 0 and neither is below 0; worse if either "
    "is below 0. Confirmed if one is better and none is worse; it depends (on the layer) if "
    "some are better and some worse; refuted if none is better."
)


def c19(measures: Measures) -> Verdict:
    """Measures: "<network> <layer>: energy", "<network> <layer>: pointing"."""
    tensors = [name.removesuffix(": energy") for name in ending(measures, ": energy")]
    if not tensors:
        return "not testable here"
    better = worse = False
    for tensor in tensors:
        pair = (measures[f"{tensor}: energy"], measures[f"{tensor}: pointing"])
        harmed = any(below(m, 0) for m in pair)
        worse |= harmed
        better |= not harmed and any(above(m, 0) for m in pair)
    if not better:
        return "refuted"
    return "depends" if worse else "confirmed"
