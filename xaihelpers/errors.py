"""Every error that this package raises on purpose; each message says what to do about it.

`isinstance(error, XaiError)` tells such an error from a bug.
"""

from __future__ import annotations


class XaiError(Exception):
    """Base of all errors of this package."""


class ExplainError(XaiError, ValueError):
    """A network cannot be explained as asked."""


class LayerNotFoundError(ExplainError, LookupError):
    """The network has no layer of that name, or does not contain that module."""


class InputError(ExplainError):
    """The images cannot be explained: empty, not finite, not floating point, or of wrong shape."""


class TargetError(ExplainError):
    """The target does not fit the network's output."""


class NothingCapturedError(ExplainError):
    """The layer did not run, gave no feature map, or the score does not depend on it."""


class MissingExtraError(XaiError, ImportError):
    """A part of the package needs an extra that is not installed; names the pip line."""


class LayoutError(ExplainError):
    """A layer's output cannot be read as a grid of cells without a guess."""


class ExplainWarning(UserWarning):
    """A map that is right as asked, and may still not be what was meant."""


class ArchitectureError(XaiError, ValueError):
    """An architecture, or a number of classes, that cannot be built."""


class WeightsUnavailableError(XaiError, RuntimeError):
    """ImageNet weights could not be downloaded; the message says what to do instead."""


class TrainingError(XaiError, RuntimeError):
    """A training run cannot start or must not go on; the message says where it stopped."""


class CheckpointError(XaiError, RuntimeError):
    """A checkpoint that is missing, damaged, or not the one that is asked for."""


class LanguageError(XaiError, ValueError):
    """Words, sentences or images that a language network cannot take."""


class DataError(XaiError, ValueError):
    """Data that are missing, unreadable or asked for by a wrong name."""


class StorageError(XaiError, OSError):
    """A folder cannot be written, or the disk is full; names the path and the remedy."""


class SetupError(XaiError, ValueError):
    """A setup, network or data folder that does not exist, or that do not belong together."""


class EvaluationError(XaiError, ValueError):
    """Maps, masks, boxes or values that cannot be scored; says what was expected."""


class FigureError(XaiError, ValueError):
    """An image, map or mask that cannot be drawn; says what was expected."""


class PictureError(XaiError, ValueError):
    """A file, array or tensor that is no usable picture; says what is wrong and what to do."""


class TransformError(XaiError, ValueError):
    """A transform that is missing or fails, or whose effect on the picture cannot be undone."""


class SelectionError(XaiError, ValueError):
    """A choice in the explorer that does not exist; says what there is."""


class RunnerError(XaiError, ValueError):
    """A run that cannot start: unknown chapter or parameter, no kernel, no data folder."""


class ChapterError(XaiError, RuntimeError):
    """A chapter raised an error, which is the message in one line."""


class ClaimError(XaiError, ValueError):
    """A claim that is unknown, lacks a measure, or whose record was changed by hand."""
