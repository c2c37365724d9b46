"""Trained networks on disk: fp16 safetensors with a model card (JSON) beside them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from xaihelpers.errors import ArchitectureError, CheckpointError
from xaihelpers.files import atomic_path, checkpoints_dir, sha256
from xaihelpers.networks.classifiers import build

REQUIRED = ("arch", "classes")
Make = Callable[[dict[str, Any]], nn.Module]


def card_path(path: Path | str) -> Path:
    """The model card of a checkpoint: the same name with `.json`."""
    return Path(path).with_suffix(".json")


def shipped_path(study: str, arch: str) -> Path:
    """Where the checkpoint of a study lives."""
    return checkpoints_dir() / f"{study}_{arch}.safetensors"


def half(model: nn.Module) -> dict[str, Tensor]:
    """State dict with every floating tensor in fp16, on the CPU, contiguous.

    Raises:
        CheckpointError: a weight is not finite in fp16 (NaN, or above 65504).
    """
    state = {}
    for name, tensor in model.state_dict().items():
        small = tensor.detach().cpu()
        small = small.half() if small.is_floating_point() else small
        if not torch.isfinite(small).all():
            raise CheckpointError(
                f"{name} holds values that fp16 cannot (NaN, or above 65504); "
                "the training diverged: train again with a lower learning rate"
            )
        state[name] = small.contiguous()
    return state


def save(model: nn.Module, path: Path | str, card: dict[str, Any]) -> dict[str, Any]:
    """Write `path` (.safetensors, fp16) and its card, each in one atomic step; return the card.

    Args:
        card: JSON values with at least "arch" and "classes"; "sha256" is added.

    Raises:
        CheckpointError: the card lacks a key, or a weight is not finite.
        StorageError: the folder cannot be written.
    """
    if missing := [key for key in REQUIRED if key not in card]:
        raise CheckpointError(f"the model card lacks {', '.join(missing)}")
    state = half(model)
    with atomic_path(path) as partial:
        save_file(state, partial)
        digest = sha256(partial)
    card = {**card, "sha256": digest}
    with atomic_path(card_path(path)) as partial:
        partial.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    return card


def read_card(path: Path | str) -> dict[str, Any]:
    """The model card of the checkpoint at `path`, without opening the weights.

    Raises:
        CheckpointError: the weights or the card are missing, or the card cannot be read.
    """
    path = Path(path)
    for file in (path, card_path(path)):
        if not file.exists():
            raise CheckpointError(f"{file} does not exist; `make train` makes the checkpoints")
    try:
        card = json.loads(card_path(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{card_path(path)} is not a model card: {error}") from error
    if missing := [key for key in (*REQUIRED, "sha256") if key not in card]:
        raise CheckpointError(f"the model card {card_path(path)} lacks {', '.join(missing)}")
    return card


def finished(path: Path, card: dict[str, Any]) -> dict[str, Any] | None:
    """The card of a sound checkpoint that agrees with every entry of `card`, else None.

    Entries such as the recipe, the data and the seed tell whether a training is already done.
    """
    try:
        found = read_card(path)
    except CheckpointError:
        return None
    same = all(found.get(key) == value for key, value in card.items())
    return found if same and sha256(path) == found["sha256"] else None


def _classifier(card: dict[str, Any]) -> nn.Module:
    return build(card["arch"], len(card["classes"]))


def load(
    path: Path | str, classes: Sequence[str] | None = None, make: Make = _classifier
) -> tuple[nn.Module, dict[str, Any]]:
    """Open a checkpoint: (network in eval mode, float32, on the CPU; its card).

    Args:
        classes: what the caller expects; a checkpoint of other classes is refused.
        make: card -> the network that the weights are put into; by default a classifier.

    Raises:
        CheckpointError: missing file, hash other than the card's, other classes, unknown
            architecture, or weights that do not fit it.
    """
    card = read_card(path)
    if classes is not None and list(classes) != list(card["classes"]):
        raise CheckpointError(
            f"{path} was trained for the classes {card['classes']}, expected {list(classes)}; "
            "choose the checkpoint of this data set, or train one with `make train`"
        )
    if (found := sha256(path)) != card["sha256"]:
        raise CheckpointError(
            f"{path} has sha256 {found[:12]}..., its card says {card['sha256'][:12]}...; "
            "the file is damaged or not its own: restore both files, or run `make train`"
        )
    try:
        with torch.device("meta"):
            model = make(card)
        state = {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(path).items()
        }
        model.load_state_dict(state, assign=True)
    except (ArchitectureError, SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path} cannot be opened as its card says: {error}") from error
    return model.eval(), card


def load_shipped(
    study: str, arch: str, classes: Sequence[str] | None = None
) -> tuple[nn.Module, dict[str, Any]]:
    """The shipped network of a study, e.g. `load_shipped("fundus", "efficientnet_b0")`.

    Raises:
        CheckpointError: as `load`.
    """
    return load(shipped_path(study, arch), classes)
