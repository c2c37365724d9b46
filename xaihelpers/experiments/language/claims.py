"""The claim about captions and questions, C16, and its rule, fixed before measuring."""

from __future__ import annotations

from xaihelpers.claims.rules import Measures
from xaihelpers.claims.types import Claim
from xaihelpers.claims.verdicts import Verdict


def c16(measures: Measures) -> Verdict:
    """Are the maps of words and answers better than priors, and do they switch?"""
    over_prior = [measures["caption_energy_over_prior"], measures["answer_energy_over_prior"]]
    switch = [measures["caption_switch"], measures["answer_switch"]]
    if all(measure.lowest > 0 for measure in (*over_prior, *switch)):
        return "confirmed"
    return "refuted" if all(measure.highest <= 0 for measure in over_prior) else "depends"


C16 = Claim(
    id="C16",
    statement="Grad-CAM works for captioning and visual question answering",
    source="Selvaraju 2017, arXiv 1610.02391",
    how=(
        "Grad-CAM at the last convolutions, for each word that names or describes an object and "
        "each question that asks for the colour, texture or size of one: energy on that object, "
        "less the better of a uniform and a centred Gaussian map; and less the energy on the same "
        "object when another object of the picture is named or asked about (the switch)"
    ),
    chapter="16_captioning_and_vqa",
    rule_text=(
        "confirmed if all four are above 0 (lower ends); refuted if neither task's energy exceeds "
        "the priors' (upper ends); else depends"
    ),
    rule=c16,
    measures=(
        "caption_energy_over_prior",
        "caption_switch",
        "answer_energy_over_prior",
        "answer_switch",
    ),
    optional=("switch of {method}, as in C10",),
    depends_on="the task, and on whether finding objects or telling them apart is meant",
)


#: In order.
CLAIMS = (C16,)
