"""A small segmentation model that learns from seeds, so that seeds are judged by what it learns.

A frozen classifier gives features; a head of three convolutions is trained on them to label every
cell. Only the labels differ between two runs, so a difference of their results is one of the
labels. After Kolesnikov & Lampert 2016 (SEC, arXiv 1603.06098), reduced to its seeding loss: no
expansion loss and no dense CRF.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xaihelpers.cams.hooks import ForwardHook
from xaihelpers.errors import EvaluationError

_WIDTH = 64
_BATCH = 8
_RATE = 1e-2


@torch.no_grad()
def grid_features(
    model: nn.Module, images: Tensor, layers: Sequence[str], cells: int, batch_size: int = 32
) -> Tensor:
    """Activations of several layers on one grid: (N, 3, H, W) -> (N, sum of K, cells, cells).

    Larger grids are averaged down, smaller ones interpolated. Each layer is divided by its root
    mean square over the batch of images, so that none drowns the others.

    Args:
        model: in evaluation mode.
        images: (N, 3, H, W), normalised as the model expects.
        layers: dotted names.
        cells: side of the grid.
        batch_size: images at a time.
    """
    found: dict[str, list[Tensor]] = {layer: [] for layer in layers}
    for batch in images.split(batch_size):
        with ExitStack() as stack:
            hooks = {
                layer: stack.enter_context(ForwardHook(model.get_submodule(layer)))
                for layer in layers
            }
            model(batch)
            for layer, hook in hooks.items():
                found[layer].append(_on_grid(hook.output.detach(), cells))
    grids = [torch.cat(parts) for parts in found.values()]
    return torch.cat([grid / grid.square().mean().sqrt() for grid in grids], dim=1)


def _on_grid(activations: Tensor, cells: int) -> Tensor:
    if activations.shape[-1] >= cells:
        return F.adaptive_avg_pool2d(activations, cells)
    return F.interpolate(activations, (cells, cells), mode="bilinear", align_corners=False)


def train_head(
    features: Tensor, labels: Tensor, num_classes: int, epochs: int = 10, seed: int = 0
) -> nn.Module:
    """A head trained on labelled pixels: 1x1, 3x3 and 1x1 convolutions on the features' grid.

    Cross-entropy between the head's answer for a cell and the label of the pixel in its middle;
    AdamW with one cycle of the learning rate. The same seed and labels give the same head.

    Args:
        features: (N, K, G, G), see `grid_features`.
        labels: (N, H, W) int64 in [0, num_classes), background included as 0.

    Raises:
        EvaluationError: features and labels of different numbers of images, or a label outside.
    """
    if len(features) != len(labels) or len(features) == 0:
        raise EvaluationError(
            f"{len(features)} feature maps and {len(labels)} label images; give one each"
        )
    if int(labels.min()) < 0 or int(labels.max()) >= num_classes:
        raise EvaluationError(f"labels must lie in 0..{num_classes - 1}, found {labels.unique()}")
    cells = features.shape[-2:]
    target = F.interpolate(labels[:, None].float(), cells, mode="nearest-exact")[:, 0].long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Sequential(
            nn.Conv2d(features.shape[1], _WIDTH, 1),
            nn.ReLU(),
            nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(_WIDTH, num_classes, 1),
        )
        batches = -(-len(features) // _BATCH)
        optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, epochs * batches)
        for _ in range(epochs):
            for chosen in torch.randperm(len(features)).split(_BATCH):
                loss = F.cross_entropy(head(features[chosen]), target[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return head.eval()


@torch.no_grad()
def label_pixels(
    head: nn.Module, features: Tensor, size: tuple[int, int], batch_size: int = 64
) -> Tensor:
    """The head's answer for every pixel, its scores interpolated: -> (N, *size) int64."""
    parts = [
        F.interpolate(head(part), size, mode="bilinear", align_corners=False).argmax(dim=1)
        for part in features.split(batch_size)
    ]
    return torch.cat(parts)
