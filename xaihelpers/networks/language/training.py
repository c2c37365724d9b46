"""`fit_steps`: training by steps, for losses that are not a classifier's; killed, it goes on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from tqdm.auto import tqdm

from xaihelpers.errors import TrainingError
from xaihelpers.files import atomic_path
from xaihelpers.networks.classifiers import normalize
from xaihelpers.networks.language.captioner import Captioner
from xaihelpers.networks.language.reader import PAD
from xaihelpers.networks.language.vqa import VQA
from xaihelpers.networks.recipes import best_precision

Batch = tuple[Tensor, ...]
TAG_WEIGHT = 5.0  # most pairs are absent from most images
WINDOW = 100  # steps whose mean loss is one record of the history


@dataclass(frozen=True)
class Steps:
    """How a language network is trained: AdamW whose learning rate rises, stays, and falls.

    steps: updates. batch_size: images in each. lr: highest learning rate. warmup, decay: steps in
    which it rises and in which it falls to 0, linearly. low_precision: bf16 where it pays
    (`recipes.best_precision`).

    Until the fall begins, longer and shorter runs are the same run.
    """

    steps: int
    batch_size: int = 32
    lr: float = 1.5e-3
    warmup: int = 300
    decay: int = 1200
    weight_decay: float = 0.02
    clip: float = 1.0
    low_precision: bool = True

    def share(self, step: int) -> float:
        """Of the highest learning rate, for the update after `step` others."""
        return min(1.0, (step + 1) / self.warmup, (self.steps - step) / self.decay)

    def as_dict(self) -> dict[str, Any]:
        """JSON values for a model card."""
        return asdict(self)


class Pair(nn.Module):
    """A captioner and a question answerer that learn together, with one eye between them.

    The eye also learns to name the main thing, from the mean over all cells, and which of some
    words ("tags") apply to anything in the image, and which pairs of them to one thing, from the
    largest score over all cells; a cell's score of a pair is the smaller of its two. It is never
    told where; afterwards these two parts are dropped.

    Args:
        names: how many the main thing may have. tags: how many. pairs: (P, 2) numbers of the tags
            of each pair.
    """

    def __init__(
        self, captioner: Captioner, vqa: VQA, names: int, tags: int, pairs: Tensor
    ) -> None:
        super().__init__()
        self.captioner, self.vqa = captioner, vqa
        self.vqa.encoder = captioner.encoder
        channels = captioner.reader.project.in_features
        self.namer, self.tagger = nn.Linear(channels, names), nn.Conv2d(channels, tags, 1)
        self.pairs = nn.Buffer(pairs, persistent=False)

    def tags(self, maps: Tensor) -> Tensor:
        """Logits (N, T + P) of the tags and of the pairs, from the eye's maps."""
        scores = self.tagger(maps).float()
        both = torch.minimum(scores[:, self.pairs[:, 0]], scores[:, self.pairs[:, 1]])
        return torch.cat([scores, both], dim=1).amax(dim=(2, 3))


def caption_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy of every word, given the image and the words before it.

    batch: inputs of the captioner's encoder and sentences (N, L) from START to END.
    """
    images, tokens = batch
    return _word_loss(model(images, tokens[:, :-1]), tokens)


def pair_loss(model: nn.Module, batch: Batch) -> Tensor:
    """Loss of the words, of the answers, of the name and of the tags, from one look.

    batch: images (N, ...), sentences (N, L), questions (N, Q, L'), answers (N, Q), the main thing's
    name (N,) and tags (N, T + P), 1.0 for those, and for those pairs, that apply.
    """
    assert isinstance(model, Pair)
    images, tokens, questions, answers, names, tags = batch
    maps = model.captioner.encoder(images)
    logits = model.captioner.follow(model.captioner.reader.cells(maps), tokens[:, :-1])
    given = model.vqa.answer(model.vqa.reader.cells(maps), questions).float()
    answer_loss = F.cross_entropy(given.flatten(0, 1), answers.flatten())
    tag_loss = F.binary_cross_entropy_with_logits(model.tags(maps), tags)
    name_loss = F.cross_entropy(model.namer(maps.mean(dim=(2, 3))).float(), names)
    return _word_loss(logits, tokens) + answer_loss + name_loss + TAG_WEIGHT * tag_loss


def _word_loss(logits: Tensor, tokens: Tensor) -> Tensor:
    """Cross-entropy of tokens (N, L) after the first under logits (N, L - 1, words)."""
    flat = logits.float().flatten(0, 1)
    return F.cross_entropy(flat, tokens[:, 1:].flatten(), ignore_index=PAD)


def fit_steps(
    model: nn.Module,
    batch: Callable[[int], Batch],
    loss: Callable[[nn.Module, Batch], Tensor],
    recipe: Steps,
    folder: Path,
    seed: int = 0,
    save_seconds: float = 20,
    progress: bool = True,
) -> list[dict[str, float]]:
    """Train `model` in place; afterwards it is in evaluation mode.

    Args:
        batch: step -> what the loss takes, images first and uint8 (or float: feature maps). It
            must depend on the step alone: an interrupted training then goes on as if unbroken.
        folder: where `steps.pt` is kept meanwhile.
        seed: of dropout.

    Returns:
        The mean loss of every `WINDOW` steps, with step and seconds.

    Raises:
        TrainingError: the loss is not finite, or `folder` holds a run of another recipe or seed.
        StorageError: `folder` cannot be written.
    """
    optimizer = AdamW(
        [p for p in model.parameters() if p.requires_grad],
        recipe.lr,
        weight_decay=recipe.weight_decay,
    )
    schedule = LambdaLR(optimizer, recipe.share)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule}
    identity = {**recipe.as_dict(), "seed": seed}
    del identity["steps"], identity["decay"]  # an interrupted run may be ended sooner or later
    state = _restore(folder / "steps.pt", parts, identity)
    low = recipe.low_precision and best_precision() == "bf16"
    saved = time.perf_counter()
    steps = range(state["step"], recipe.steps)
    for step in tqdm(steps, initial=state["step"], total=recipe.steps, disable=not progress):
        start = time.perf_counter()
        torch.manual_seed(seed * 1_000_003 + step)
        _learn(state, model, optimizer, _prepared(batch(step)), loss, recipe, low)
        schedule.step()
        _note(state, step, time.perf_counter() - start)
        if time.perf_counter() - saved > save_seconds:
            _save(folder / "steps.pt", parts, state, identity)
            saved = time.perf_counter()
    _save(folder / "steps.pt", parts, state, identity)
    model.eval()
    history: list[dict[str, float]] = state["history"]
    return history


def _prepared(batch: Batch) -> Batch:
    images = batch[0]
    if images.dtype == torch.uint8:
        images = normalize(images).contiguous(memory_format=torch.channels_last)
    return (images.float(), *batch[1:])


def _learn(
    state: dict[str, Any],
    model: nn.Module,
    optimizer: AdamW,
    batch: Batch,
    loss: Callable[[nn.Module, Batch], Tensor],
    recipe: Steps,
    low: bool,
) -> None:
    model.train()
    fused_is_slow = sdpa_kernel(SDPBackend.MATH)  # the fused attention's way back, on a CPU
    with fused_is_slow, torch.autocast("cpu", torch.bfloat16, enabled=low):
        value = loss(model, batch)
    if not math.isfinite(value.item()):
        raise TrainingError(f"the loss is {value.item()}; lower the learning rate")
    optimizer.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
    optimizer.step()
    state["losses"].append(value.item())


def _note(state: dict[str, Any], step: int, seconds: float) -> None:
    state["step"], state["seconds"] = step + 1, state["seconds"] + seconds
    if len(state["losses"]) == WINDOW:
        mean = sum(state["losses"]) / WINDOW
        state["history"].append({"step": step + 1, "loss": mean, "seconds": state["seconds"]})
        state["losses"] = []


def _save(
    path: Path, parts: dict[str, Any], state: dict[str, Any], identity: dict[str, Any]
) -> None:
    kept = {name: part.state_dict() for name, part in parts.items()}
    with atomic_path(path) as partial:
        torch.save({**kept, "state": state, "identity": identity}, partial)


def _restore(path: Path, parts: dict[str, Any], identity: dict[str, Any]) -> dict[str, Any]:
    """What an interrupted run left, put into `parts`; a fresh state where there is none."""
    if not path.exists():
        return {"step": 0, "seconds": 0.0, "losses": [], "history": []}
    found = torch.load(path, weights_only=True)
    if found["identity"] != identity:
        raise TrainingError(f"{path} is of another recipe or seed; delete it to start again")
    for name, part in parts.items():
        part.load_state_dict(found[name])
    state: dict[str, Any] = found["state"]
    return state
