"""The claims of the two case studies, C1-C8 and C17, and their rules: see `claim_rules`."""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.reproduce.claim_types import Claim, Measure, Verdict

Measures = Mapping[str, Measure]

RETINOPATHY = "the retinopathy project"
XRAY = "the X-ray project"
STUDY, CHEST, BIAS = "14_aptos", "15_chest_xray", "13_failures_adversaries_bias"


def _c1(m: Measures) -> Verdict:
    networks = [m["pearson_efficientnet_b0"], m["pearson_vgg19"]]
    if all(correlation.lowest >= 0.9 for correlation in networks):
        return "confirmed"
    return "refuted" if all(c.highest < 0.9 for c in networks) else "depends"


def _c2(m: Measures) -> Verdict:
    last, signed = m["corner_excess_last"], m["corner_excess_signed"]
    if last.lowest > 0.02:
        return "confirmed"
    return "depends" if signed.lowest > 0.02 else "refuted"


def _c3(m: Measures) -> Verdict:
    share = m["share_small_gradients_or_noise"]
    if share.lowest > 0.5:
        return "confirmed"
    return "refuted" if share.highest < 0.5 else "depends"


def _c4(m: Measures) -> Verdict:
    native, equal = m["area_difference_native"], m["area_difference_equal_grid"]
    if native.highest < 0 and equal.highest < 0:
        return "confirmed"
    return "refuted" if native.highest >= 0 and equal.highest >= 0 else "depends"


def _c5(m: Measures) -> Verdict:
    over_centre, over_random = m["energy_over_centre_prior"], m["energy_over_random_weights"]
    if over_centre.lowest > 0 and over_random.lowest > 0:
        return "confirmed"
    return "refuted" if over_centre.highest < 0 or over_random.highest < 0 else "depends"


def _c6(m: Measures) -> Verdict:
    moved, smoother = m["largest_change_small_eps"], m["total_variation_difference"]
    if moved.lowest > 0.01 and smoother.highest < 0:
        return "confirmed"
    return "refuted" if moved.highest <= 0.01 else "depends"


def _c7(m: Measures) -> Verdict:
    accuracy = m["accuracy"]
    if accuracy.lowest >= 95.83 or accuracy.lowest <= 95.83 <= accuracy.highest:
        return "confirmed"
    return "refuted"


def _c8(m: Measures) -> Verdict:
    energy, drop = m["marker_energy_difference"], m["accuracy_drop_on_swap"]
    if energy.lowest > 0 and drop.lowest > 0:
        return "confirmed"
    return "refuted" if energy.highest <= 0 or drop.highest <= 0 else "depends"


def _c17(m: Measures) -> Verdict:
    counts = [
        (m["parameters_densenet121"], 7.0, 0.5),
        (m["parameters_vgg16"], 138.0, 0.5),
        (m["parameters_resnet18"], 11.17, 0.005),
    ]
    if any(abs(count.value - said) > slack for count, said, slack in counts):
        return "refuted"
    over = [m["accuracy_over_vgg16"], m["accuracy_over_resnet18"]]
    if all(difference.lowest > 0 for difference in over):
        return "confirmed"
    return "refuted" if any(difference.highest < 0 for difference in over) else "depends"


#: In order.
ALL = (
    Claim(
        "C1",
        "Grad-CAM++ is almost identical to Grad-CAM (EfficientNet-B0 and VGG19)",
        RETINOPATHY,
        "mean Pearson correlation of the two maps of each test image, at the last stage",
        STUDY,
        "confirmed if the mean is at least 0.9 in both networks (lower ends); refuted if below 0.9 "
        "in both (upper ends); else depends",
        _c1,
        depends_on="the network",
    ),
    Claim(
        "C2",
        "XGrad-CAM lights image corners where nothing is (EfficientNet-B0, also VGG19)",
        RETINOPATHY,
        "XGrad-CAM's share of heat outside the retina disc, less that of Grad-CAM, image by image",
        STUDY,
        "confirmed if the excess is above 0.02 at the last stage (lower end); depends if only at "
        "an earlier, signed tensor; else refuted",
        _c2,
        depends_on="the tensor that is hooked",
    ),
    Claim(
        "C3",
        "XGrad-CAM lights corners because gradients are too small, or because of noise there",
        RETINOPATHY,
        "share of the excess of C2 that small gradients and noise explain, beside the other causes",
        STUDY,
        "confirmed if they explain more than half (lower end); refuted if less than half "
        "(upper end); else depends",
        _c3,
        depends_on="chance: the interval holds one half",
    ),
    Claim(
        "C4",
        "VGG19 gives sharper maps than EfficientNet-B0",
        RETINOPATHY,
        "area above half of the maximum, VGG19 less EfficientNet-B0, at native and at equal grids",
        STUDY,
        "confirmed if the difference is below 0 at native and at equal grid size (upper ends); "
        "refuted if at neither; else depends",
        _c4,
        depends_on="the size of the grid",
    ),
    Claim(
        "C5",
        "Grad-CAM finds what a doctor would look at",
        RETINOPATHY,
        "share of heat in lesion masks, less that of a centre prior and of random weights",
        STUDY,
        "confirmed if above both baselines (lower ends above 0); refuted if below one (upper end "
        "below 0); else depends",
        _c5,
        depends_on="the baseline",
    ),
    Claim(
        "C6",
        "XGrad-CAM is smoother and more stable because of its epsilon",
        RETINOPATHY,
        "largest change of a map for eps from 1e-12 to 1e-4; total variation less Grad-CAM's",
        STUDY,
        "confirmed if eps moves maps by more than 0.01 and they are smoother than Grad-CAM's; "
        "refuted if eps moves none by more than 0.01; else depends",
        _c6,
        depends_on="what is meant: eps acts, but does not smooth",
    ),
    Claim(
        "C7",
        "DenseNet-121 reaches 95.83 % accuracy on COVID, Normal and Viral Pneumonia",
        XRAY,
        "accuracy on the test set, which no training or choice has seen",
        CHEST,
        "confirmed if the interval holds 95.83 or lies above it; else refuted",
        _c7,
    ),
    Claim(
        "C8",
        "The X-ray model also looks at the text at the top left",
        XRAY,
        "share of heat on the marker, less its share for a network trained without the link; "
        "accuracy lost when markers are swapped",
        BIAS,
        "confirmed if both are above 0 (lower ends); refuted if one is not (upper end); else "
        "depends",
        _c8,
        depends_on="whether the marker is linked to the class in training",
    ),
    Claim(
        "C17",
        'DenseNet-121 has "only" 7 M parameters and beats VGG-16 (138 M) and ResNet-18 (11.17 M)',
        XRAY,
        "parameters in millions as published (1000 classes; ResNet-18 with 3); accuracy on the "
        "same test images after the same training, DenseNet-121 less each of the others",
        CHEST,
        "refuted if a count is not the one claimed (7 and 138 to half a million, 11.17 to the last "
        "digit) or another network is better (upper end below 0); confirmed if better than both "
        "(lower ends above 0); else depends",
        _c17,
        depends_on="the network it is compared with; the counts are as claimed",
    ),
)
