"""Cut a batch into micro-batches where that certainly changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from xaihelpers.cams.engine.inputs import ModelInputs

MICRO_BATCH = 8  # images; buffers of this size are reused by the allocator, larger ones are not


def micro_batches(
    model: nn.Module, inputs: ModelInputs, target: Callable[[Any], Tensor]
) -> Iterator[tuple[ModelInputs, Callable[[Any], Tensor]]]:
    """Yield inputs and target, on a CPU in micro-batches where each image stands for itself.

    A batch stays whole if the network takes more than one tensor, if it may hold something for
    each image (see `couples_images`), or if the target cannot be cut.

    Args:
        model: the network.
        inputs: what it is called with.
        target: maps the output to scores. A callable that can be cut declares it with a method
            `parts(count, size)`, which returns the targets of `size` images at a time.
    """
    parts = getattr(target, "parts", None)
    small = inputs.count <= MICRO_BATCH or inputs.device.type != "cpu"
    if small or parts is None or not inputs.is_one_tensor or couples_images(model, inputs.count):
        yield inputs, target
        return
    yield from zip(inputs.split(MICRO_BATCH), parts(inputs.count, MICRO_BATCH), strict=True)


def couples_images(model: nn.Module, count: int) -> bool:
    """Whether a batch must not be cut.

    That is so if images influence each other even in evaluation mode, if the model says so by
    `whole_batch = True`, or if one of its modules holds something of the batch's length, which may
    belong to the images one by one.

    Args:
        model: the network.
        count: number of images in the batch.
    """
    if getattr(model, "whole_batch", False):
        return True
    return any(
        (isinstance(module, _BatchNorm) and module.running_mean is None)
        or _holds_images(module, count)
        for module in model.modules()
    )


def _holds_images(module: nn.Module, count: int) -> bool:
    """Whether a module that is not torch's own has a buffer or attribute of the batch's length."""
    if type(module).__module__.startswith("torch."):
        return False
    buffers = module._buffers.values()
    own = (value for name, value in vars(module).items() if not name.startswith("_"))
    return any(_has_length(value, count) for value in (*buffers, *own))


def _has_length(value: Any, count: int, depth: int = 2) -> bool:
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return count in shape
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)) and depth:
        return len(value) == count or any(_has_length(part, count, depth - 1) for part in value)
    return False
