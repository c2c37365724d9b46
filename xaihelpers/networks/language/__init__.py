"""Networks that describe a picture or answer questions about it."""

from xaihelpers.networks.language.captioner import Captioner, Saying, say
from xaihelpers.networks.language.reader import Vocabulary
from xaihelpers.networks.language.shipped import (
    CHEST_LAYER,
    LAYERS,
    LanguageModel,
    open_captioner,
    open_findings_captioner,
    open_vqa,
)
from xaihelpers.networks.language.vqa import VQA, Asked

__all__ = [
    "CHEST_LAYER",
    "LAYERS",
    "VQA",
    "Asked",
    "Captioner",
    "LanguageModel",
    "Saying",
    "Vocabulary",
    "open_captioner",
    "open_findings_captioner",
    "open_vqa",
    "say",
]
