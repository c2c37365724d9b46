"""Warnings about maps that are right as asked and may still not be what was meant."""

from __future__ import annotations

import warnings

from xaihelpers.errors import ExplainWarning


def warn_of_dead_gradients(layer: str, only_prefix: bool) -> None:
    """Warn that no gradient reaches the grid of a layer, so that its maps are empty.

    Args:
        layer: dotted name.
        only_prefix: whether gradients reach the tokens before the grid, such as the class token.
    """
    if only_prefix:
        reason = (
            "the score reads the class token alone after this layer; name a layer before the last "
            "attention, such as the first norm of the last block"
        )
    else:
        reason = (
            "every unit after it is off, or the score is saturated, by a sigmoid or softmax inside "
            "the model for example; explain a value before that"
        )
    _warn(f"no gradient reaches the cells of layer {layer!r}, so its maps are empty: {reason}")


def warn_of_several_uses(layer: str, uses: int) -> None:
    """Warn that the maps of a layer that ran several times are summed."""
    _warn(
        f"layer {layer!r} ran {uses} times in one pass and the maps of its uses are summed; pass "
        'uses="each" to keep them apart'
    )


def _warn(message: str) -> None:
    warnings.warn(message, ExplainWarning, stacklevel=2)
