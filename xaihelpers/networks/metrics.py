"""How good is a classifier? The same figures everywhere, made by torchmetrics and scipy."""

from __future__ import annotations

import math
from typing import Any

import torch
from scipy.stats import binomtest
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from torchmetrics import MetricCollection
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassCohenKappa,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
)
from torchvision.transforms.v2.functional import resize

from xaihelpers.networks.classifiers import predict


def score(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """Figures of merit of logits (N, C) against labels (N,) int64, as JSON values.

    Returns:
        n; loss (mean cross-entropy, nats); accuracy (share of images) with its 95 % Wilson interval
        accuracy_low, accuracy_high; kappa (quadratic weighted, None where it is undefined: one
        class only); macro_f1; confusion (C x C counts, row = true class, column = predicted).

    Raises:
        ValueError: no images, counts that differ, or a label outside 0..C-1.
    """
    logits, labels = logits.detach().float().cpu(), labels.cpu()
    if len(labels) == 0 or len(labels) != len(logits):
        raise ValueError(
            f"score expects as many labels as logits and at least one, "
            f"got {len(labels)} and {len(logits)}"
        )
    classes = logits.shape[1]
    check_labels(labels, classes)
    metrics = MetricCollection(
        {
            "accuracy": MulticlassAccuracy(classes, average="micro"),
            "kappa": MulticlassCohenKappa(classes, weights="quadratic"),
            "macro_f1": MulticlassF1Score(classes, average="macro"),
            "confusion": MulticlassConfusionMatrix(classes),
        }
    )
    values = metrics(logits, labels)
    confusion = values["confusion"]
    hits = int(confusion.trace())
    interval = binomtest(hits, len(labels)).proportion_ci(0.95, method="wilson")
    kappa = float(values["kappa"])
    return {
        "n": len(labels),
        "loss": float(functional.cross_entropy(logits, labels)),
        "accuracy": hits / len(labels),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        "kappa": kappa if math.isfinite(kappa) else None,
        "macro_f1": float(values["macro_f1"]),
        "confusion": confusion.int().tolist(),
    }


def check_labels(labels: Tensor, classes: int) -> None:
    """Raise ValueError unless every label lies in 0..classes-1."""
    if labels.min() < 0 or labels.max() >= classes:
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(
            f"label {int(wrong)} is outside the {classes} classes 0..{classes - 1}; "
            "check the data set's labels, or build the network with more classes"
        )


def evaluate(
    model: nn.Module, data: Dataset[Any], *, size: int | None = None, batch_size: int = 32
) -> dict[str, Any]:
    """`score` of a network over a data set of (uint8 image (3, H, W), label) pairs.

    Args:
        size: side in px that images are resized to (antialiased); None keeps them as they are.
    """
    logits, labels = [], []
    for images, truth in DataLoader(data, batch_size=batch_size):
        logits.append(predict(model, shrink(images, size)).cpu())
        labels.append(truth)
    if not labels:
        raise ValueError("evaluate got an empty data set")
    return score(torch.cat(logits), torch.cat(labels))


def shrink(images: Tensor, size: int | None) -> Tensor:
    """uint8 (N, 3, H, W) -> uint8 (N, 3, size, size), bilinear with antialiasing."""
    if size is None or images.shape[-2:] == (size, size):
        return images
    return resize(images, [size, size], antialias=True)


def balanced_weights(labels: Tensor, classes: int) -> tuple[float, ...]:
    """Class weights inverse to the classes' counts, mean 1 over images, for `Recipe`.

    A class without an image gets weight 0.
    """
    check_labels(labels, classes)
    counts = torch.bincount(labels, minlength=classes).double()
    present = counts > 0
    weights = torch.where(present, len(labels) / (counts.clamp(min=1) * present.sum()), 0.0)
    return tuple(weights.tolist())
