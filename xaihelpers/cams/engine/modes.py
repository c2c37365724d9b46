"""Run somebody else's network in evaluation mode, and leave it as it was.

Every context manager here holds the model for its thread: see `xaihelpers.cams.engine.exclusive`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from xaihelpers.cams.engine.exclusive import exclusive
from xaihelpers.errors import ExplainError

COMPILER = 0  # key of torch's compiler, whose stance is one for the whole process


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode for the block.

    Afterwards every module has the mode that it had, also after an error. Other threads that
    evaluate or explain the network wait.

    Example:
        >>> from torch import nn
        >>> net = nn.Dropout()
        >>> with evaluating(net):
        ...     print(net.training)
        False
        >>> net.training
        True
    """
    modules = all_modules(model)
    with exclusive(map(id, modules)), _evaluation_mode(modules):
        yield


@contextmanager
def undisturbed(model: nn.Module, device: str) -> Iterator[list[nn.Module]]:
    """Run a network in evaluation mode and eagerly; afterwards its modes and caches are as before.

    Other threads that evaluate or explain the network wait.

    Args:
        model: the network.
        device: type of the inputs' device, "cpu" or "cuda" for example.

    Yields:
        All modules of the network.
    """
    modules = all_modules(model)
    compiled = any(_is_compiled(module) for module in modules)
    with (
        exclusive([*map(id, modules), *([COMPILER] if compiled else [])]),
        _evaluation_mode(modules),
        _eager() if compiled else nullcontext(),
        _uncached_autocast(device),
    ):
        yield modules


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Let no parameter require a gradient in the block; afterwards those do that did."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for parameter in trainable:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


def all_modules(model: nn.Module) -> list[nn.Module]:
    """List what `model.modules()` gives, in a quarter of the time."""
    modules, known = [model], {model}
    for module in modules:
        for child in module._modules.values():
            if child is not None and child not in known:
                known.add(child)
                modules.append(child)
    return modules


@contextmanager
def _evaluation_mode(modules: list[nn.Module]) -> Iterator[None]:
    training = [module for module in modules if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


def _is_compiled(module: nn.Module) -> bool:
    return "_orig_mod" in module._modules or module._compiled_call_impl is not None


def _eager() -> AbstractContextManager[Any]:
    """Run compiled modules as written: hooks do not fire inside compiled code."""
    if not hasattr(torch.compiler, "set_stance"):
        raise ExplainError(
            "a network with compiled parts needs torch 2.6 or newer, this is "
            f"{torch.__version__}: pass the network as it was before `torch.compile`"
        )
    return torch.compiler.set_stance("force_eager")


def _uncached_autocast(device: str) -> AbstractContextManager[Any]:
    """The caller's autocast without its weight cache, in which our no-grad casts would stay."""
    if not torch.is_autocast_enabled(device):
        return nullcontext()
    return torch.autocast(device, torch.get_autocast_dtype(device), cache_enabled=False)
