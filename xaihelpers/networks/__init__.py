"""Classifiers with named layers, their checkpoints, and how they are trained."""

from xaihelpers.extras import require

require("study")

from xaihelpers.errors import (
    ArchitectureError,
    CheckpointError,
    TrainingError,
    WeightsUnavailableError,
)
from xaihelpers.networks import checkpoints, imagenet
from xaihelpers.networks.checkpoints import load_shipped
from xaihelpers.networks.class_names import class_index
from xaihelpers.networks.classifiers import (
    ARCHITECTURES,
    build,
    copy_weights,
    fold_batch_norm,
    normalize,
    predict,
)
from xaihelpers.networks.layers import LAYERS, SIGNED, layer_table
from xaihelpers.networks.metrics import evaluate
from xaihelpers.networks.recipes import Augmentation, Cycle, Recipe, best_precision
from xaihelpers.networks.shipped import SHIPPED, train_shipped
from xaihelpers.networks.small import SMALL
from xaihelpers.networks.training import fit, freeze

__all__ = [
    "ARCHITECTURES",
    "LAYERS",
    "SHIPPED",
    "ArchitectureError",
    "Augmentation",
    "CheckpointError",
    "Cycle",
    "SIGNED",
    "SMALL",
    "Recipe",
    "TrainingError",
    "WeightsUnavailableError",
    "best_precision",
    "build",
    "checkpoints",
    "class_index",
    "copy_weights",
    "evaluate",
    "fit",
    "fold_batch_norm",
    "freeze",
    "imagenet",
    "layer_table",
    "load_shipped",
    "normalize",
    "predict",
    "train_shipped",
]
