"""The claims of the methods' papers, C9-C16, C18 and C19, and their rules: see `claim_rules`."""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.claims.types import Claim, Measure, Verdict
from xaihelpers.experiments.failures import rules as failure_rules
from xaihelpers.experiments.objects import rules as scenes_rules
from xaihelpers.experiments.retinopathy import rules as retinopathy_rules

Measures = Mapping[str, Measure]

GRAD_CAM = "Selvaraju 2017, arXiv 1610.02391"
XGRAD_CAM = "Fu 2020, arXiv 2008.02312"
STUDY, OBJECTS = "14_aptos", "11_localization"
BIAS, LANGUAGE = "13_failures_adversaries_bias", "16_captioning_and_vqa"


def _c16(m: Measures) -> Verdict:
    over_prior = [m["caption_energy_over_prior"], m["answer_energy_over_prior"]]
    switch = [m["caption_switch"], m["answer_switch"]]
    if all(measure.lowest > 0 for measure in (*over_prior, *switch)):
        return "confirmed"
    return "refuted" if all(measure.highest <= 0 for measure in over_prior) else "depends"


#: In order.
ALL = (
    Claim(
        "C9",
        "Grad-CAM generalises CAM",
        GRAD_CAM,
        "largest difference of Z times Grad-CAM and CAM behind average pooling, float64",
        "06_cam_is_grad_cam",
        retinopathy_rules.C9_TEXT,
        retinopathy_rules.c9,
    ),
    Claim(
        "C10",
        "Grad-CAM tells classes apart, Guided Grad-CAM does and is fine-grained, guided "
        "backpropagation does not",
        GRAD_CAM,
        "scenes of two objects: where the heat lies when one is asked for, then the other",
        OBJECTS,
        scenes_rules.C10_TEXT,
        scenes_rules.c10,
        depends_on="the network",
    ),
    Claim(
        "C11",
        "A box at 15 % of the maximum around the largest component localises without box labels",
        GRAD_CAM,
        "top-1 localisation error at IoU 0.5, beside a fixed box and the best threshold",
        OBJECTS,
        scenes_rules.C11_TEXT,
        scenes_rules.c11,
        depends_on="the network and the threshold",
    ),
    Claim(
        "C12",
        "Grad-CAM seeds segmentation better than CAM",
        GRAD_CAM,
        "mean IoU of a segmentation model trained on the seeds of each, and of the raw seeds",
        OBJECTS,
        scenes_rules.C12_TEXT,
        scenes_rules.c12,
        depends_on="the threshold of the seeds",
    ),
    Claim(
        "C13",
        "Grad-CAM is robust to adversarial noise: the true class is still found at p ~ 1e-17",
        GRAD_CAM,
        "energy of the true class's map in the true object before and after an attack (PGD, 8 of "
        "255 grey levels) towards the least likely class, above the object's share of the area",
        BIAS,
        failure_rules.C13_TEXT,
        failure_rules.c13,
        depends_on="the network",
    ),
    Claim(
        "C14",
        "Grad-CAM exposes a bias of the data set",
        GRAD_CAM,
        "heat on the marker of a network that uses it less that of a network trained on balanced "
        "data, image by image; energy that moves to the finding",
        BIAS,
        failure_rules.C14_TEXT,
        failure_rules.c14,
        depends_on="the image",
    ),
    Claim(
        "C15",
        "Grad-CAM explains failures",
        GRAD_CAM,
        "wrong answers that blurring the answer's hottest tenth turns to the truth, less those "
        "that another failure's map turns; share of planted failures whose map points to the cause",
        BIAS,
        failure_rules.C15_TEXT,
        failure_rules.c15,
        depends_on="the kind of failure",
    ),
    Claim(
        "C16",
        "Grad-CAM works for captioning and visual question answering",
        GRAD_CAM,
        "Grad-CAM at the last convolutions, for each word that names or describes an object and "
        "each question that asks for the colour, texture or size of one: energy on that object, "
        "less the better of a uniform and a centred Gaussian map; and less the energy on the same "
        "object when another object of the picture is named or asked about (the switch)",
        LANGUAGE,
        "confirmed if all four are above 0 (lower ends); refuted if neither task's energy exceeds "
        "the priors' (upper ends); else depends",
        _c16,
        depends_on="the task, and on whether finding objects or telling them apart is meant",
    ),
    Claim(
        "C18",
        "CAM needs a changed architecture, which costs accuracy",
        GRAD_CAM,
        "accuracy of VGG19 with its fully connected head less that with average pooling and one "
        "linear layer, on frozen maps and from a random start",
        STUDY,
        retinopathy_rules.C18_TEXT,
        retinopathy_rules.c18,
        depends_on="the setting: frozen maps or trained together",
    ),
    Claim(
        "C19",
        "XGrad-CAM can improve on Grad-CAM's attention area",
        XGRAD_CAM,
        "energy in lesion masks and pointing, XGrad-CAM less Grad-CAM, image by image, by layer",
        STUDY,
        retinopathy_rules.C19_TEXT,
        retinopathy_rules.c19,
        depends_on="the layer",
    ),
)
