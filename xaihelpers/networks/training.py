"""`fit`: one training loop for every network, device and data set; killed, it goes on exactly."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import BatchSampler, DataLoader, Dataset
from tqdm.auto import tqdm

from xaihelpers.errors import TrainingError
from xaihelpers.files import atomic_path
from xaihelpers.networks.classifiers import normalize
from xaihelpers.networks.metrics import check_labels, evaluate, shrink
from xaihelpers.networks.progress import Progress, restore, store
from xaihelpers.networks.recipes import Recipe, augment, best_precision


def freeze(model: nn.Module, names: Sequence[str]) -> int:
    """Freeze the named modules ("features", "layer1" ...); return the count of frozen weights.

    `fit` then neither updates them nor their batch-norm statistics: a module whose parameters are
    all frozen stays in eval mode.

    Raises:
        TrainingError: a name that the model lacks.
    """
    frozen = 0
    for name in names:
        try:
            module = model.get_submodule(name)
        except AttributeError as error:
            top = ", ".join(child for child, _ in model.named_children())
            raise TrainingError(f"no module {name!r} to freeze; top modules are {top}") from error
        for parameter in module.parameters():
            parameter.requires_grad_(False)
            frozen += parameter.numel()
    return frozen


def fit(
    model: nn.Module,
    train: Dataset[Any],
    validation: Dataset[Any],
    *,
    recipe: Recipe,
    num_classes: int,
    output: Path | str | None = None,
    seed: int = 0,
    progress: bool = True,
    save_minutes: float = 2.0,
) -> list[dict[str, Any]]:
    """Train `model` in place and return one history record per epoch.

    AdamW, one-cycle learning rates, label smoothing, gradient clipping; images are shrunk to the
    epoch's size and augmented on the fly. The device is accelerate's choice (`accelerate launch`
    for several). Afterwards the model holds the weights of the epoch with the lowest validation
    loss among the last epochs of one size, is in eval mode and stands on that device.

    Args:
        train, validation: map-style data sets of (uint8 image (3, H, W), int label); one with
            `__getitems__` gives a whole batch in one read.
        output: folder for `resume.pt` (after every epoch and every `save_minutes`) and
            `history.json`; the same call goes on from there, with one process to the very same
            weights as an unbroken run. None keeps nothing.
        seed: decides order, augmentation and dropout; same seed, machine and threads, same weights.
        progress: show a bar.

    Returns:
        Records with epoch, size (px), lr, train_loss, seconds, and validation loss, accuracy,
        kappa and macro_f1 under "val_...".

    Raises:
        TrainingError: an empty data set, a label outside the classes, a loss that is not finite, an
            `output` that holds another run, or nothing left to train.
        StorageError: `output` cannot be written.
    """
    if len(train) == 0 or len(validation) == 0:  # type: ignore[arg-type]
        raise TrainingError("an empty data set: training and validation need images")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingError("every parameter is frozen; leave at least the head free")
    folder = None if output is None else Path(output)
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        run = _Run(model, train, validation, recipe, num_classes, folder, seed, save_minutes)
        try:
            run.go(show=progress)
        finally:
            run.release()
    model.eval()
    return run.progress.history


class _Run:
    """The state of one training run, and the loop over cycles, epochs and steps."""

    def __init__(
        self,
        model: nn.Module,
        train: Dataset[Any],
        validation: Dataset[Any],
        recipe: Recipe,
        num_classes: int,
        folder: Path | None,
        seed: int,
        save_minutes: float,
    ) -> None:
        AcceleratorState._reset_state()  # else a second fit could not choose its own precision
        device = Accelerator().device
        AcceleratorState._reset_state()
        precision = best_precision(device) if recipe.low_precision else "no"
        self.accelerator = Accelerator(mixed_precision=precision)
        self.bare = model.to(memory_format=torch.channels_last)
        free = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = AdamW(free, lr=recipe.cycles[0].lr, weight_decay=recipe.weight_decay)
        self.model, self.optimizer = self.accelerator.prepare(self.bare, optimizer)
        self.train, self.validation = train, validation
        self.recipe, self.num_classes, self.folder, self.seed = recipe, num_classes, folder, seed
        self.save_minutes = save_minutes
        self.transform = recipe.augmentation and recipe.augmentation.transform()
        self.weights = None
        if recipe.class_weights is not None:
            self.weights = torch.tensor(recipe.class_weights, device=self.accelerator.device)
        self.progress = Progress()
        self.identity = {"recipe": recipe.as_dict(), "seed": seed, "images": len(train)}  # type: ignore[arg-type]

    def go(self, show: bool) -> None:
        steps = len(self.loader(0, 0))
        self.scheduler = self.schedule(steps)
        if self.folder is not None:
            self.restore(steps)
        bar = tqdm(
            total=self.recipe.epochs * steps,
            initial=self.progress.steps_done(self.recipe, steps),
            disable=not (show and self.accelerator.is_main_process),
            desc="training",
            unit="step",
        )
        with bar:
            while self.progress.cycle < len(self.recipe.cycles):
                self.epoch(steps, bar)
        if self.progress.best is not None:
            self.bare.load_state_dict(self.progress.best)

    def epoch(self, steps: int, bar: tqdm) -> None:
        """Train over what is left of the epoch, validate, keep the best, move on, save."""
        state = self.progress
        cycle = self.recipe.cycles[state.cycle]
        size = cycle.sizes[state.epoch]
        number = state.number(self.recipe)
        start = time.perf_counter() - state.seconds
        self.seed_epoch(number)
        lr = self.scheduler.get_last_lr()[0]
        self.train_epoch(number, size, start, bar)
        scores = evaluate(self.model, self.validation, size=size, batch_size=64)
        if not math.isfinite(scores["loss"]):
            raise TrainingError(
                f"the validation loss is {scores['loss']} after epoch {number + 1}; "
                "lower the learning rate, or look for broken images"
            )
        record = {"epoch": number + 1, "size": size, "lr": lr}
        record |= {"train_loss": state.loss / steps, "seconds": time.perf_counter() - start}
        keys = ("loss", "accuracy", "kappa", "macro_f1")
        record |= {f"val_{key}": scores[key] for key in keys}
        stop = state.finish_epoch(record, cycle, self.bare, self.recipe.patience)
        bar.set_postfix(size=size, val_loss=scores["loss"], val_accuracy=scores["accuracy"])
        if stop:
            state.next_cycle()
            if state.cycle < len(self.recipe.cycles):
                self.scheduler = self.schedule(steps)
        self.save()

    def train_epoch(self, number: int, size: int, start: float, bar: tqdm) -> None:
        self.train_mode()
        state = self.progress
        saved = time.perf_counter()
        for images, labels in self.batches(number, state.step):
            if state.rng is not None:  # resumed inside the epoch
                torch.set_rng_state(state.rng)
                state.rng = None
            state.loss += self.step(images, labels, size)
            state.step += 1
            bar.update()
            if time.perf_counter() - saved > 60 * self.save_minutes:
                saved = time.perf_counter()
                state.rng, state.seconds = torch.get_rng_state(), saved - start
                self.save()
                state.rng = None

    def step(self, images: Tensor, labels: Tensor, size: int) -> float:
        """One update; returns the loss."""
        try:
            check_labels(labels, self.num_classes)
        except ValueError as error:
            raise TrainingError(str(error)) from error
        batch = normalize(augment(shrink(images, size), self.transform))
        logits = self.model(batch.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(
            logits.float(), labels, self.weights, label_smoothing=self.recipe.label_smoothing
        )
        value = loss.item()
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at epoch {self.progress.number(self.recipe) + 1}, step "
                f"{self.progress.step + 1}, learning rate {self.scheduler.get_last_lr()[0]:.2e}; "
                "lower the learning rate, or look for broken images"
            )
        self.optimizer.zero_grad()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        self.scheduler.step()
        return value

    def schedule(self, steps: int) -> OneCycleLR:
        cycle = self.recipe.cycles[self.progress.cycle]
        total = max(2, steps * len(cycle.sizes)) + 1
        warmup = max(cycle.warmup, 2 / total)  # torch divides by zero at a rise of one step
        return OneCycleLR(self.optimizer.optimizer, cycle.lr, total_steps=total, pct_start=warmup)

    def loader(self, number: int, skip: int) -> DataLoader[Any]:
        """Batches of epoch `number` in its own order, without the first `skip` steps."""
        images = len(self.train)  # type: ignore[arg-type]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        order = torch.randperm(images, generator=generator).tolist()
        size = min(self.recipe.batch_size, images)
        rest = order[skip * size * self.accelerator.num_processes :]
        sampler = BatchSampler(rest, size, drop_last=True)
        loader = DataLoader(self.train, batch_sampler=sampler, generator=generator)
        return self.accelerator.prepare_data_loader(loader)

    def batches(self, number: int, skip: int) -> Iterator[tuple[Tensor, Tensor]]:
        if skip < len(self.loader(number, 0)):
            yield from self.loader(number, skip)

    def seed_epoch(self, number: int) -> None:
        """Dropout and augmentation of an epoch depend on seed, epoch and process alone."""
        process = self.accelerator.process_index
        torch.manual_seed((self.seed * 1_000_003 + number) * 1_009 + process)

    def train_mode(self) -> None:
        self.model.train()
        for module in self.model.modules():
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()

    def save(self) -> None:
        if self.folder is None or not self.accelerator.is_main_process:
            return
        store(self.folder, self.progress, self.bare, self.optimizer, self.scheduler, self.identity)
        with atomic_path(self.folder / "history.json") as partial:
            partial.write_text(json.dumps(self.progress.history, indent=1) + "\n")

    def release(self) -> None:
        """Take away what accelerate hung on the model; left there, a second fit would go wrong."""
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        for name in ("forward", "_is_accelerate_prepared"):
            vars(self.bare).pop(name, None)

    def restore(self, steps: int) -> None:
        state = restore(self.folder, self.identity)  # type: ignore[arg-type]
        if state is None:
            self.save()  # an unwritable folder is found now, not after an epoch
            return
        self.progress = state["progress"]
        if self.progress.cycle < len(self.recipe.cycles):
            self.scheduler = self.schedule(steps)
        self.bare.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
