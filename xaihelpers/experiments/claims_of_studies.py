"""The claims of the two case studies, C1-C8 and C17, and their rules: see `claim_rules`."""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.claims.types import Claim, Measure, Verdict
from xaihelpers.experiments.failures import rules as failure_rules
from xaihelpers.experiments.retinopathy import rules as retinopathy_rules

Measures = Mapping[str, Measure]

RETINOPATHY = "the retinopathy project"
XRAY = "the X-ray project"
STUDY, CHEST, BIAS = "14_aptos", "15_chest_xray", "13_failures_adversaries_bias"


def _c7(m: Measures) -> Verdict:
    accuracy, by_source = m["accuracy"], m.get("accuracy_by_source_alone")
    if not m["real_images"].value:
        return "not testable here"
    if accuracy.highest < 95.83:
        return "refuted"
    if by_source is not None and by_source.value >= accuracy.lowest:
        return "depends"
    return "confirmed"


def _c17(m: Measures) -> Verdict:
    counts = [
        (m["parameters_densenet121"], 7.0, 1.0),
        (m["parameters_vgg16"], 138.0, 1.0),
        (m["parameters_resnet18"], 11.17, 0.01),
    ]
    if any(abs(count.value - said) >= unit for count, said, unit in counts):
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
        "correlation and overlap of the two heat maps of each test image, by layer",
        STUDY,
        retinopathy_rules.C1_TEXT,
        retinopathy_rules.c1,
        depends_on="the network and the layer",
    ),
    Claim(
        "C2",
        "XGrad-CAM lights image corners where nothing is (EfficientNet-B0, also VGG19)",
        RETINOPATHY,
        "energy outside the retina disc, XGrad-CAM less Grad-CAM, image by image, by layer",
        STUDY,
        retinopathy_rules.C2_TEXT,
        retinopathy_rules.c2,
        depends_on="the tensor that is hooked",
    ),
    Claim(
        "C3",
        "XGrad-CAM lights corners because gradients are too small, or because of noise there",
        RETINOPATHY,
        "Shapley shares of nine suspects in the energy outside the retina, from all combinations",
        STUDY,
        retinopathy_rules.C3_TEXT,
        retinopathy_rules.c3,
        depends_on="the tensor that is hooked",
    ),
    Claim(
        "C4",
        "VGG19 gives sharper maps than EfficientNet-B0",
        RETINOPATHY,
        "area above half maximum and entropy, VGG19 less EfficientNet-B0, native and equal grids",
        STUDY,
        retinopathy_rules.C4_TEXT,
        retinopathy_rules.c4,
        depends_on="the size of the grid",
    ),
    Claim(
        "C5",
        "Grad-CAM finds what a doctor would look at",
        RETINOPATHY,
        "energy in lesion masks and pointing, less those of a centre prior and of random weights",
        STUDY,
        retinopathy_rules.C5_TEXT,
        retinopathy_rules.c5,
        depends_on="the baseline, and how near counts as found",
    ),
    Claim(
        "C6",
        "XGrad-CAM is smoother and more stable because of its epsilon",
        RETINOPATHY,
        "total variation and stability under noise, XGrad-CAM less Grad-CAM; eps from 1e-12 to 1",
        STUDY,
        retinopathy_rules.C6_TEXT,
        retinopathy_rules.c6,
        depends_on="the tensor",
    ),
    Claim(
        "C7",
        "DenseNet-121 reaches 95.83 % accuracy on COVID, Normal and Viral Pneumonia",
        XRAY,
        "accuracy on the test set, beside that of a rule which knows an image's source alone",
        CHEST,
        "not testable here on rendered images, as the figure is one about real radiographs; "
        "refuted if the accuracy is below 95.83 (upper end); depends if a rule that sees only the "
        "source reaches it as well; else confirmed",
        _c7,
        depends_on="the source: where an image comes from tells the class as well",
    ),
    Claim(
        "C8",
        "The X-ray model also looks at the text at the top left",
        XRAY,
        "heat for COVID on the text over the text's share of the area, and accuracy lost when "
        "texts are swapped, for networks trained with and without a link of text and class",
        BIAS,
        failure_rules.C8_TEXT,
        failure_rules.c8,
        depends_on="whether the text is linked to the class in training",
    ),
    Claim(
        "C17",
        'DenseNet-121 has "only" 7 M parameters and beats VGG-16 (138 M) and ResNet-18 (11.17 M)',
        XRAY,
        "parameters in millions, with the head (1000 classes, 3 classes, none) that comes nearest "
        "to the figure; accuracy on the same test images after the same training, DenseNet-121 "
        "less each of the others",
        CHEST,
        "refuted if a count is off by a unit of its last digit or more with every head, or "
        "another network is better (upper end below 0); confirmed if DenseNet-121 is better than "
        "both (lower ends above 0); else depends",
        _c17,
        depends_on="the network it is compared with; the counts are as claimed",
    ),
)
