"""The claims of the methods' papers, C9-C16, C18 and C19, and their rules: see `claim_rules`."""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.reproduce import retinopathy_rules
from xaihelpers.reproduce.claim_types import Claim, Measure, Verdict

Measures = Mapping[str, Measure]

GRAD_CAM = "Selvaraju 2017, arXiv 1610.02391"
XGRAD_CAM = "Fu 2020, arXiv 2008.02312"
STUDY, OBJECTS = "14_aptos", "11_localization"
BIAS, LANGUAGE = "13_failures_adversaries_bias", "16_captioning_and_vqa"


def _c10(m: Measures) -> Verdict:
    separates = [m["switch_grad_cam"], m["switch_guided_grad_cam"]]
    guided = m["switch_guided_backprop"]
    if all(s.lowest > 0.1 for s in separates) and guided.highest < separates[0].lowest / 2:
        return "confirmed"
    return "refuted" if any(s.highest <= 0 for s in separates) else "depends"


def _c11(m: Measures) -> Verdict:
    over_prior = m["error_difference_to_centre_box"]
    if over_prior.highest < 0:
        return "confirmed"
    return "refuted" if over_prior.lowest > 0 else "depends"


def _c12(m: Measures) -> Verdict:
    difference = m["seed_miou_difference"]
    if difference.lowest > 0:
        return "confirmed"
    return "refuted" if difference.highest <= 0 else "depends"


def _c13(m: Measures) -> Verdict:
    kept, probability = m["energy_kept_share"], m["true_class_probability"]
    if probability.value > 1e-6:
        return "not testable here"
    if kept.lowest >= 0.8:
        return "confirmed"
    return "refuted" if kept.highest < 0.8 else "depends"


def _c14(m: Measures) -> Verdict:
    biased, moved = m["marker_energy_biased_over_share"], m["marker_energy_drop_after_fix"]
    if biased.lowest > 0 and moved.lowest > 0:
        return "confirmed"
    return "refuted" if biased.highest <= 0 or moved.highest <= 0 else "depends"


def _c15(m: Measures) -> Verdict:
    difference = m["true_class_energy_over_predicted_class"]
    if difference.lowest > 0:
        return "confirmed"
    return "refuted" if difference.highest <= 0 else "depends"


def _c16(m: Measures) -> Verdict:
    tasks = [m["caption_energy_over_share"], m["answer_energy_over_share"]]
    if all(task.lowest > 0 for task in tasks):
        return "confirmed"
    return "refuted" if all(task.highest <= 0 for task in tasks) else "depends"


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
        "heat on the asked object less heat on it when the other object is asked for",
        OBJECTS,
        "confirmed if above 0.1 for both (lower ends) and for guided backpropagation less than "
        "half of Grad-CAM's; refuted if one of them is not above 0; else depends",
        _c10,
        depends_on="the method",
    ),
    Claim(
        "C11",
        "A box at 15 % of the maximum around the largest component localises without box labels",
        GRAD_CAM,
        "top-1 localisation error at IoU 0.5, less that of a box at the centre",
        OBJECTS,
        "confirmed if below 0 (upper end); refuted if above 0 (lower end); else depends",
        _c11,
        depends_on="the threshold",
    ),
    Claim(
        "C12",
        "Grad-CAM seeds segmentation better than CAM",
        GRAD_CAM,
        "mean IoU of seeds, Grad-CAM less CAM",
        OBJECTS,
        "confirmed if above 0 (lower end); refuted if not above 0 (upper end); else depends",
        _c12,
        depends_on="the layer",
    ),
    Claim(
        "C13",
        "Grad-CAM is robust to adversarial noise: the true class is still found at p ~ 1e-17",
        GRAD_CAM,
        "share of the true object's heat that is left after an attack (PGD)",
        BIAS,
        "not testable here unless the attack brings the true class below 1e-6; confirmed if at "
        "least 0.8 is left (lower end); refuted if less (upper end); else depends",
        _c13,
        depends_on="the strength of the attack",
    ),
    Claim(
        "C14",
        "Grad-CAM exposes a bias of the data set",
        GRAD_CAM,
        "heat on the marker over its share of the area, and how far it falls after retraining on "
        "balanced data",
        BIAS,
        "confirmed if both are above 0 (lower ends); refuted if one is not (upper end); else "
        "depends",
        _c14,
        depends_on="the network",
    ),
    Claim(
        "C15",
        "Grad-CAM explains failures",
        GRAD_CAM,
        "for wrong answers: heat of the true class in the finding, less that of the answer",
        BIAS,
        "confirmed if above 0 (lower end); refuted if not (upper end); else depends",
        _c15,
        depends_on="chance: the interval holds 0",
    ),
    Claim(
        "C16",
        "Grad-CAM works for captioning and visual question answering",
        GRAD_CAM,
        "heat on the named object over its share of the area, per word and per question",
        LANGUAGE,
        "confirmed if above 0 for both tasks (lower ends); refuted if for neither; else depends",
        _c16,
        depends_on="the task",
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
