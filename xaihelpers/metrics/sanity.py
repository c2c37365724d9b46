"""Randomisation tests: does a map change when the network forgets what it learned?

Adebayo 2018 (arXiv 1810.03292): weights are drawn anew, layer by layer from the output on, either
one after the other (cascading) or one at a time (independent); or the network is trained on
shuffled labels. A map that stays the same shows the picture, not what was learned. The converse
does not hold: a map that changes has passed a test, it has not been shown to be right.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from xaihelpers.errors import EvaluationError

Step = tuple[str, nn.Module]


def layers_from_output(model: nn.Module) -> list[str]:
    """Dotted names of the modules that hold a weight matrix or kernel, the last defined first."""
    names = [
        name
        for name, module in model.named_modules()
        if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
    ]
    return names[::-1]


def redraw(module: nn.Module, seed: int) -> None:
    """Give every weight below `module` a fresh start from its layer's own initial distribution.

    In place; torch's generators, on the CPU and on CUDA, are left as they were. Batch norms start
    with mean 0 and variance 1, which fits no data: see `recalibrate`.

    Raises:
        EvaluationError: a layer with weights has no `reset_parameters`.
    """
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        for name, part in module.named_modules():
            if hasattr(part, "reset_parameters"):
                part.reset_parameters()
            elif any(True for _ in part.parameters(recurse=False)):
                raise EvaluationError(
                    f"{name or 'the module'} ({type(part).__name__}) cannot draw its weights anew: "
                    "it has no reset_parameters()"
                )


@torch.no_grad()
def recalibrate(model: nn.Module, images: Tensor) -> None:
    """Set the statistics of every batch norm to those of these images, in place.

    Without it the signal of a deep network with fresh weights dies out or explodes, and its maps
    differ for that reason alone. One pass in training mode; modes and momenta are put back.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    before = [(norm, norm.training, norm.momentum) for norm in norms]
    try:
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain average over batches, here of one
            norm.train()
        model(images)
    finally:
        for norm, training, momentum in before:
            norm.training, norm.momentum = training, momentum


def randomised(model: nn.Module, seed: int = 0, images: Tensor | None = None) -> nn.Module:
    """A copy with every weight drawn anew, in evaluation mode; `images`: see `recalibrate`."""
    fresh = copy.deepcopy(model).eval()
    redraw(fresh, seed)
    if images is not None:
        recalibrate(fresh, images)
    return fresh


def cascading(
    model: nn.Module,
    blocks: Sequence[str] | None = None,
    seed: int = 0,
    images: Tensor | None = None,
) -> Iterator[Step]:
    """Copies with more and more blocks drawn anew, from the output on: (name, network) each.

    `model` is untouched. It is one copy that goes on changing: use it before asking for the next.

    Args:
        blocks: dotted names from the output on; default: every layer (`layers_from_output`).
        images: what batch norms are set to after each step; None leaves their statistics alone.
    """
    other = copy.deepcopy(model).eval()
    for step, name in enumerate(_known(model, blocks)):
        redraw(other.get_submodule(name), seed + step)
        if images is not None:
            recalibrate(other, images)
        yield name, other


def independent(
    model: nn.Module,
    blocks: Sequence[str] | None = None,
    seed: int = 0,
    images: Tensor | None = None,
) -> Iterator[Step]:
    """Copies with one block drawn anew and the others as trained; arguments as `cascading`."""
    for step, name in enumerate(_known(model, blocks)):
        other = copy.deepcopy(model).eval()
        redraw(other.get_submodule(name), seed + step)
        if images is not None:
            recalibrate(other, images)
        yield name, other


def _known(model: nn.Module, blocks: Sequence[str] | None) -> list[str]:
    names = layers_from_output(model) if blocks is None else list(blocks)
    there = dict(model.named_modules())
    if unknown := [name for name in names if name not in there]:
        raise EvaluationError(f"no layer {unknown[0]!r}; there are {', '.join(list(there)[1:])}")
    return names


def agreement_curve(
    model: nn.Module,
    steps: Iterable[Step],
    explainer: Callable[[nn.Module], Tensor],
    agreement: Callable[[Tensor, Tensor], Tensor],
) -> pd.DataFrame:
    """How much of a map is left after every step: a row per step and image.

    Args:
        steps: `cascading(model, ...)` or `independent(model, ...)`.
        explainer: network -> maps (N, H, W) of fixed images *and fixed classes*.
        agreement: of `agreement.AGREEMENTS`; the original maps come first.

    Returns:
        Columns: step (from 1), block, image (index), agreement (NaN of a map that went flat).
    """
    original = explainer(model)
    rows = []
    for step, (name, other) in enumerate(steps, start=1):
        values = agreement(original, explainer(other)).tolist()
        rows += [(step, name, image, value) for image, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["step", "block", "image", "agreement"])


def shuffled_labels(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """The labels in another order, (N,): class sizes stay, any relation to the images is gone."""
    return np.random.default_rng(seed).permutation(labels)
