"""How far a training run has come, and the file it goes on from after a kill."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import is_zipfile

import torch
from torch import Tensor, nn

from xaihelpers.errors import TrainingError
from xaihelpers.files import atomic_path
from xaihelpers.networks.recipes import Cycle, Recipe


@dataclass
class Progress:
    """Position within a recipe, and what has been gathered on the way.

    cycle, epoch, step: next cycle, epoch within it, and step within that, all from 0.
    loss, seconds: sum of losses and time spent in the unfinished epoch.
    best, best_loss, stale: weights and validation loss of the best epoch of this image size, and
        epochs since then.
    rng: torch's random state, when saved inside an epoch.
    """

    cycle: int = 0
    epoch: int = 0
    step: int = 0
    loss: float = 0.0
    seconds: float = 0.0
    best_loss: float = math.inf
    stale: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Tensor] | None = None
    rng: Tensor | None = None

    def number(self, recipe: Recipe) -> int:
        """Index of the current epoch over all cycles; a cycle that stopped early still counts."""
        return sum(len(cycle.sizes) for cycle in recipe.cycles[: self.cycle]) + self.epoch

    def steps_done(self, recipe: Recipe, steps: int) -> int:
        """Steps behind us, for the progress bar."""
        return self.number(recipe) * steps + self.step

    def finish_epoch(
        self, record: dict[str, Any], cycle: Cycle, model: nn.Module, patience: int | None
    ) -> bool:
        """Note the epoch, keep its weights if they are the best; True if the cycle is over."""
        first = self.epoch == 0 or cycle.sizes[self.epoch - 1] != cycle.sizes[self.epoch]
        self.history.append(record)
        if first or record["val_loss"] < self.best_loss:
            self.best_loss, self.stale = record["val_loss"], 0
            self.best = {name: value.clone() for name, value in model.state_dict().items()}
        else:
            self.stale += 1
        self.epoch, self.step, self.loss, self.seconds = self.epoch + 1, 0, 0.0, 0.0
        worn = patience is not None and self.stale >= patience
        return worn or self.epoch == len(cycle.sizes)

    def next_cycle(self) -> None:
        """Begin the next cycle from the last weights."""
        self.cycle, self.epoch, self.stale = self.cycle + 1, 0, 0


def store(
    folder: Path,
    progress: Progress,
    model: nn.Module,
    optimizer: Any,
    scheduler: Any,
    identity: dict[str, Any],
) -> None:
    """Write `folder/resume.pt` in one atomic step.

    Raises:
        StorageError: the folder cannot be written.
    """
    state = {
        "progress": dict(vars(progress)),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "identity": identity,
    }
    with atomic_path(folder / "resume.pt") as partial:
        torch.save(state, partial)


def restore(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """State of an interrupted run of the same recipe, seed and data; None where there is none.

    Raises:
        TrainingError: the file is damaged, or belongs to another run.
    """
    path = folder / "resume.pt"
    if not path.exists():
        return None
    try:
        if not is_zipfile(path):
            raise ValueError("not a file that torch.save wrote")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, ValueError) as error:
        raise TrainingError(f"{path} is damaged ({error}); delete it to start again") from error
    if state["identity"] != identity:
        other = [key for key in identity if state["identity"].get(key) != identity[key]]
        raise TrainingError(
            f"{path} belongs to a run with another {', '.join(other)}; "
            "choose another output folder, or delete this one to start again"
        )
    return {**state, "progress": Progress(**state["progress"])}
