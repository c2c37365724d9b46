"""The shipped language networks: how each is built, opened and explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn
from torchvision import models

from xaihelpers.files import checkpoints_dir
from xaihelpers.networks import checkpoints
from xaihelpers.networks.language.captioner import Captioner
from xaihelpers.networks.language.reader import Vocabulary
from xaihelpers.networks.language.vqa import VQA

#: Role -> layer of a captioner or question answerer with an `ImageEncoder`, as `Saying` and
#: `Asked` name it.
LAYERS = {
    "last": "model.encoder.stage3",
    "last_conv": "model.encoder.stage3.4",
    "stage2": "model.encoder.stage2",
    "stage1": "model.encoder.stage1",
}
CHEST_CHANNELS, CHEST_GRID = 1024, 14
CHEST_LAYER = "model.encoder.relu"


@dataclass(frozen=True)
class LanguageModel:
    """A trained language network with its words and its model card.

    answers: of a question answerer, in the order of its outputs.
    """

    model: nn.Module
    words: Vocabulary
    card: dict[str, Any]

    @property
    def answers(self) -> tuple[str, ...]:
        return tuple(self.card["classes"])

    @property
    def captioner(self) -> Captioner:
        return cast(Captioner, self.model)

    @property
    def vqa(self) -> VQA:
        return cast(VQA, self.model)


class ChestTrunk(nn.Module):
    """The shipped chest classifier up to its 14 x 14 cells: (N, 3, 224, 224) -> (N, 1024, 14, 14).

    The maps are those after the ReLU `relu`, before the convolution and pooling of `transition3`.
    """

    def __init__(self, classifier: models.DenseNet) -> None:
        super().__init__()
        parts = dict(classifier.features.named_children())
        names = list(parts)[: list(parts).index("transition3")]
        self.features = nn.Sequential(*(parts[name] for name in names))
        transition = cast(nn.Sequential, parts["transition3"])
        self.norm, self.relu = transition[0], nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps, not negative."""
        return self.relu(self.norm(self.features(images)))


def open_captioner() -> LanguageModel:
    """The captioner of the rendered scenes, in evaluation mode.

    Raises:
        CheckpointError: it is missing, or does not match its card; so for the other two.
    """
    path = checkpoints_dir() / "scenes_captioner.safetensors"
    model, card = checkpoints.load(path, make=lambda card: Captioner(3 + len(card["classes"])))
    return LanguageModel(model, Vocabulary(card["classes"]), card)


def open_vqa() -> LanguageModel:
    """The question answerer of the rendered scenes, in evaluation mode."""
    path = checkpoints_dir() / "scenes_vqa.safetensors"
    model, card = checkpoints.load(
        path, make=lambda card: VQA(len(card["classes"]), 3 + len(card["words"]))
    )
    return LanguageModel(model, Vocabulary(card["words"]), card)


def new_findings_captioner(words: int) -> tuple[Captioner, str]:
    """An untrained captioner on the shipped chest classifier's trunk, and that network's hash."""
    classifier, card = checkpoints.load_shipped("chest_xray", "densenet121")
    trunk = ChestTrunk(cast(models.DenseNet, classifier)).requires_grad_(False)
    model = Captioner(words, trunk, channels=CHEST_CHANNELS, grid=CHEST_GRID)
    return model, card["sha256"]


def spoken_part(model: Captioner) -> nn.ModuleDict:
    """What a captioner on a frozen trunk has learnt itself: the part that its checkpoint holds."""
    return nn.ModuleDict({"reader": model.reader, "head": model.head})


def open_findings_captioner() -> LanguageModel:
    """The captioner of radiographs: its own checkpoint on the shipped chest classifier's trunk."""
    path = checkpoints_dir() / "findings_captioner.safetensors"
    words = 3 + len(checkpoints.read_card(path)["classes"])
    model, trunk = new_findings_captioner(words)
    part, card = checkpoints.load(path, make=lambda _: spoken_part(_bare(words)))
    if card["trunk_sha256"] != trunk:
        raise checkpoints.CheckpointError(
            f"{path} was trained on another chest_xray_densenet121 than is there now; "
            "make it again: `python -m xaihelpers train language findings_captioner`"
        )
    spoken_part(model).load_state_dict(part.state_dict())
    return LanguageModel(model.eval(), Vocabulary(card["classes"]), card)


def _bare(words: int) -> Captioner:
    return Captioner(words, nn.Identity(), channels=CHEST_CHANNELS, grid=CHEST_GRID)
