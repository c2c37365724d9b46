"""The maps of a trunk that is not trained: made once, for every epoch of what stands on it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from xaihelpers import networks
from xaihelpers.networks.recipes import best_precision


def frozen_maps(
    trunk: nn.Module, data: Dataset[tuple[Tensor, int]], batch_size: int = 32
) -> tuple[Tensor, Tensor]:
    """A trunk's maps (N, K, H, W) in fp16, made in bf16 where it pays, and the labels (N,).

    Leaves the trunk in evaluation mode and its weights in the channels-last layout.
    """
    trunk.eval().to(memory_format=torch.channels_last)
    low = best_precision() == "bf16"
    maps, labels = [], []
    for images, truth in DataLoader(data, batch_size):
        batch = networks.normalize(images).contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            maps.append(trunk(batch).half().contiguous())
        labels.append(truth)
    return torch.cat(maps), torch.cat(labels)
