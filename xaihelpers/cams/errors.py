"""What can go wrong while explaining a network; every message says what to do about it."""

from __future__ import annotations


class ExplainError(ValueError):
    """Base of all errors of `xaihelpers.cams`."""


class LayerNotFoundError(ExplainError, LookupError):
    """The network has no layer of that name, or not that module."""


class InputError(ExplainError):
    """The images cannot be explained: empty, not finite, not floating point, wrong shape."""


class TargetError(ExplainError):
    """What is to be explained does not fit the network's output."""


class NothingCapturedError(ExplainError):
    """The layer did not run, gave no feature map, or the score does not depend on it."""
