"""The claims of the retinopathy project, C1 to C6, and XGrad-CAM's own, C19.

Each rule stands beside its claim, and was fixed before its figures were measured.
"""

from __future__ import annotations

from xaihelpers.claims.rules import Measures, above, below, ending
from xaihelpers.claims.types import Amendment, Claim
from xaihelpers.claims.verdicts import Verdict

SOURCE = "the retinopathy project"
CHAPTER = "14_aptos"
NETWORKS = ("efficientnet_b0", "vgg19")
GRIDS = ("7 x 7", "14 x 14", "native (14 x 14 and 7 x 7)")
BASELINES = ("centre", "random weights")
GUESSED = ("small gradients", "noise")  # what the source took for the cause
OTHERS = ("formula", "tensor", "coarse grid", "zero padding", "eps", "no ReLU", "placement")


def c1(measures: Measures) -> Verdict:
    """Are the maps of Grad-CAM++ and Grad-CAM alike where the pooling is fed?"""
    same = [measures[f"{network} last correlation"] for network in NETWORKS]
    overlap = [measures[f"{network} last overlap"] for network in NETWORKS]
    if all(above(m, 0.95) for m in same) and all(above(m, 0.75) for m in overlap):
        return "confirmed"
    return "refuted" if all(below(m, 0.95) for m in same) else "depends"


C1 = Claim(
    id="C1",
    statement="Grad-CAM++ is almost identical to Grad-CAM (EfficientNet-B0 and VGG19)",
    source=SOURCE,
    how="correlation and overlap of the two heat maps of each test image, by layer",
    chapter=CHAPTER,
    rule_text=(
        "Confirmed if, in both networks, the heat maps of Grad-CAM++ and Grad-CAM at the tensor "
        "that feeds the pooling correlate above 0.95 and their top 20 % overlap (IoU) above 0.75. "
        "Refuted if the correlation is below 0.95 in both. Otherwise it depends, on network and "
        "layer."
    ),
    rule=c1,
    measures=tuple(f"{n} last {what}" for n in NETWORKS for what in ("correlation", "overlap")),
    optional=("{network} {layer} correlation", "{network} {layer} overlap"),
    depends_on="the network and the layer",
    amendments=(
        Amendment(
            when="2026-11-21",
            what="160 images, before 80, for EfficientNet-B0",
            verdict_before="depends",
        ),
    ),
)


def c2(measures: Measures) -> Verdict:
    """Does XGrad-CAM light what lies outside the retina, and at which tensor?"""
    if any(above(m, 0.02) for m in ending(measures, "last excess").values()):
        return "confirmed"
    if any(above(m, 1) for m in ending(measures, "last lift").values()):
        return "confirmed"
    elsewhere = any(above(m, 0.02) for m in ending(measures, " excess").values())
    return "depends" if elsewhere else "refuted"


C2 = Claim(
    id="C2",
    statement="XGrad-CAM lights image corners where nothing is (EfficientNet-B0, also VGG19)",
    source=SOURCE,
    how="energy outside the retina disc, XGrad-CAM less Grad-CAM, image by image, by layer",
    chapter=CHAPTER,
    rule_text=(
        "Excess: energy outside the retina under XGrad-CAM minus under Grad-CAM, per image, same "
        "tensor. Lift: XGrad-CAM's energy outside over the area outside. Confirmed if, at the "
        "tensor that feeds the pooling of either network, the excess is above 0.02 or the lift "
        "above 1. It depends (on the tensor) if only at another tensor the excess is above 0.02. "
        "Refuted if nowhere."
    ),
    rule=c2,
    measures=("{network} last excess", "{network} last lift"),
    optional=("{network} {layer} excess",),
    depends_on="the tensor that is hooked",
    amendments=(
        Amendment(
            when="2026-11-21",
            what="160 images, before 80, for EfficientNet-B0",
            verdict_before="refuted",
        ),
    ),
)


def c3(measures: Measures) -> Verdict:
    """Do small gradients or noise make up the effect, wherever there is one?"""
    effects = ending(measures, ": whole effect")
    tensors = [name.removesuffix(": whole effect") for name, m in effects.items() if above(m, 0.02)]
    if not tensors:
        return "not testable here"
    blamed = [(measures[f"{t}: small gradients"], measures[f"{t}: noise"]) for t in tensors]
    if all(above(gradients, 0.5) or above(noise, 0.5) for gradients, noise in blamed):
        return "confirmed"
    innocent = all(below(gradients, 0.1) and below(noise, 0.1) for gradients, noise in blamed)
    return "refuted" if innocent else "depends"


C3 = Claim(
    id="C3",
    statement="XGrad-CAM lights corners because gradients are too small, or because of noise there",
    source=SOURCE,
    how="Shapley shares of nine suspects in the energy outside the retina, from all combinations",
    chapter=CHAPTER,
    rule_text=(
        "The whole effect is the energy outside the retina with every suspect switched on minus "
        "with none, divided among the suspects by Shapley shares, for each suspect tensor; tensors "
        "whose whole effect is not above 0.02 have nothing to explain. Confirmed if small "
        "gradients or noise hold a share above half of the whole effect at every remaining tensor; "
        "refuted if both hold shares below a tenth at every one. Otherwise it depends. Without a "
        "remaining tensor: not testable here."
    ),
    rule=c3,
    measures=("{tensor}: small gradients", "{tensor}: noise", "{tensor}: whole effect"),
    optional=tuple(f"{{tensor}}: {suspect}" for suspect in OTHERS),
    depends_on="the tensor that is hooked",
    amendments=(
        Amendment(
            when="2026-11-21",
            what="80 images, before 40",
            verdict_before="not testable here",
        ),
        Amendment(
            when="2026-11-21",
            what="64 images, before 80",
            verdict_before="refuted",
        ),
    ),
)


def c4(measures: Measures) -> Verdict:
    """Is VGG19's map sharper at every grid? Measures are VGG19 minus EfficientNet-B0."""
    sharper = [
        below(measures[f"{grid}: area above half"], 0) and below(measures[f"{grid}: entropy"], 0)
        for grid in GRIDS
    ]
    return "confirmed" if all(sharper) else "depends" if any(sharper) else "refuted"


C4 = Claim(
    id="C4",
    statement="VGG19 gives sharper maps than EfficientNet-B0",
    source=SOURCE,
    how="area above half maximum and entropy, VGG19 less EfficientNet-B0, native and equal grids",
    chapter=CHAPTER,
    rule_text=(
        "VGG19's Grad-CAM is sharper at a grid if both its area above half maximum and its entropy "
        "are below EfficientNet-B0's (paired differences below 0). Confirmed if it is sharper at "
        "the native grids (14 x 14 against 7 x 7) and at both equal ones (7 x 7, 14 x 14); refuted "
        "if at none. Otherwise it depends, on the grid."
    ),
    rule=c4,
    measures=tuple(f"{grid}: {what}" for grid in GRIDS for what in ("area above half", "entropy")),
    depends_on="the size of the grid",
)


def c5(measures: Measures) -> Verdict:
    """Is Grad-CAM better than maps that cannot know, and near a lesion?"""
    better = [measures[name] for name in measures if " over " in name]
    near = ending(measures, "peak within 15 px").values()
    if all(above(m, 0) for m in better) and all(above(m, 0.5) for m in near):
        return "confirmed"
    return "depends" if any(above(m, 0) for m in better) else "refuted"


C5 = Claim(
    id="C5",
    statement="Grad-CAM finds what a doctor would look at",
    source=SOURCE,
    how="energy in lesion masks and pointing, less those of a centre prior and of random weights",
    chapter=CHAPTER,
    rule_text=(
        "Grad-CAM at the tensor that feeds the pooling, images that show a lesion. Confirmed if, "
        "in both networks, energy in lesions and pointing are above those of a blob in the centre "
        "and of the same network with random weights (paired differences above 0), and the peak "
        "lies within 15 px of a lesion in more than half of the images (interval above 0.5). "
        "Refuted if no difference is above 0 in either network. Otherwise it depends."
    ),
    rule=c5,
    measures=(
        *(
            f"{n} {what} over {b}"
            for n in NETWORKS
            for what in ("energy", "pointing")
            for b in BASELINES
        ),
        *(f"{n} peak within 15 px" for n in NETWORKS),
    ),
    depends_on="the baseline, and how near counts as found",
    amendments=(
        Amendment(
            when="2026-11-21",
            what="128 images with a lesion, before 64, for EfficientNet-B0",
            verdict_before="depends",
        ),
    ),
)


def c6(measures: Measures) -> Verdict:
    """Is XGrad-CAM smoother and steadier, and because of eps? Measures are less Grad-CAM's."""
    tensors = [name.removesuffix(": eps") for name in ending(measures, ": eps")]
    better = [
        measures[f"{tensor}: eps"]
        for tensor in tensors
        if below(measures[f"{tensor}: variation"], 0) and above(measures[f"{tensor}: stability"], 0)
    ]
    if any(below(eps, -0.05) for eps in better):
        return "confirmed"
    idle = all(above(eps, -0.01) and below(eps, 0.01) for eps in better)
    return "refuted" if idle else "depends"


C6 = Claim(
    id="C6",
    statement="XGrad-CAM is smoother and more stable because of its epsilon",
    source=SOURCE,
    how="total variation and stability under noise, XGrad-CAM less Grad-CAM; eps from 1e-12 to 1",
    chapter=CHAPTER,
    rule_text=(
        "XGrad-CAM against Grad-CAM, per tensor. Smoother: its total variation is lower (paired "
        "difference below 0); steadier: its map correlates more with that of the noisy image "
        "(above 0). Confirmed if at some tensor it is smoother and steadier, and raising eps from "
        "1e-12 to 1 lowers its variation there by more than 5 %. Refuted if it is smoother and "
        "steadier nowhere, or only where eps changes the variation by less than 1 %. Otherwise it "
        "depends."
    ),
    rule=c6,
    measures=("{tensor}: stability", "{tensor}: variation", "{tensor}: eps"),
    depends_on="the tensor",
    amendments=(
        Amendment(
            when="2026-11-21",
            what="32 images, before 40",
            verdict_before="refuted",
        ),
    ),
)


def c19(measures: Measures) -> Verdict:
    """Is XGrad-CAM better than Grad-CAM at some layer, and worse at none?"""
    tensors = [name.removesuffix(": energy") for name in ending(measures, ": energy")]
    better = worse = False
    for tensor in tensors:
        pair = (measures[f"{tensor}: energy"], measures[f"{tensor}: pointing"])
        harmed = any(below(m, 0) for m in pair)
        worse |= harmed
        better |= not harmed and any(above(m, 0) for m in pair)
    if not better:
        return "refuted"
    return "depends" if worse else "confirmed"


C19 = Claim(
    id="C19",
    statement="XGrad-CAM can improve on Grad-CAM's attention area",
    source="Fu 2020, arXiv 2008.02312",
    how="energy in lesion masks and pointing, XGrad-CAM less Grad-CAM, image by image, by layer",
    chapter=CHAPTER,
    rule_text=(
        "XGrad-CAM minus Grad-CAM, per image, at every named tensor of both networks. A tensor is "
        "better if energy in lesions or pointing is above 0 and neither is below 0; worse if "
        "either is below 0. Confirmed if one is better and none is worse; it depends (on the "
        "layer) if some are better and some worse; refuted if none is better."
    ),
    rule=c19,
    measures=("{network} {layer}: energy", "{network} {layer}: pointing"),
    depends_on="the layer",
    amendments=(
        Amendment(
            when="2026-11-21",
            what="128 images with a lesion, before 64, for EfficientNet-B0",
            verdict_before="depends",
        ),
    ),
)


#: In order.
CLAIMS = (C1, C2, C3, C4, C5, C6, C19)
