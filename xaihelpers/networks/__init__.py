"""Classifiers with named layers, their checkpoints, and how they are trained."""

from xaihelpers.networks import checkpoints
from xaihelpers.networks.checkpoints import CheckpointError, load_study
from xaihelpers.networks.classifiers import (
    ARCHITECTURES,
    ArchitectureError,
    WeightsUnavailableError,
    build,
    copy_weights,
    fold_batch_norm,
    normalize,
    predict,
)
from xaihelpers.networks.layers import LAYERS, layer_table

__all__ = [
    "ARCHITECTURES",
    "LAYERS",
    "ArchitectureError",
    "CheckpointError",
    "WeightsUnavailableError",
    "build",
    "checkpoints",
    "copy_weights",
    "fold_batch_norm",
    "layer_table",
    "load_study",
    "normalize",
    "predict",
]
