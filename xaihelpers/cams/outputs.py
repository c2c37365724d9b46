"""Find the logits among a network's outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

NAMED = ("logits", "out")  # where mappings keep the output of classifiers and segmenters


def logits_of(output: Any) -> Any:
    """Return the tensor that holds the logits.

    Args:
        output: a tensor; a mapping (also Hugging Face's `ModelOutput`) with "logits" or "out"; or a
            tuple or list, whose first tensor counts.

    Returns:
        The tensor, or the output as it is if it holds none.

    Example:
        >>> import torch
        >>> logits_of({"logits": torch.zeros(2), "hidden": None})
        tensor([0., 0.])
    """
    if isinstance(output, Mapping):
        return next((output[name] for name in NAMED if name in output), output)
    if isinstance(output, (tuple, list)):
        return next((part for part in output if isinstance(part, Tensor)), output)
    return output


def describe(output: Any) -> str:
    """Describe an output in words: its shape, or its type with the names of its parts."""
    found = logits_of(output)
    if isinstance(found, Tensor):
        return f"shape {tuple(found.shape)}"
    if isinstance(output, Mapping):
        return f"{type(output).__name__} with {', '.join(map(str, output))}"
    if isinstance(output, (tuple, list)) and len(output) and isinstance(output[0], Mapping):
        return f"a list of mappings with {', '.join(map(str, output[0]))}"
    return type(output).__name__
