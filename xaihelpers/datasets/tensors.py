"""From records to torch: samples for a loader, and whole batches with their masks."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from xaihelpers.datasets.cache import CachedDataset
from xaihelpers.datasets.records import ImageDataset, Record


class TensorSamples(Dataset[tuple[Tensor, int]]):
    """(uint8 image (3, H, W), label) of each record; a cached set gives a batch in one read."""

    def __init__(self, records: ImageDataset) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.__getitems__([i])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, int]]:
        if isinstance(self.records, CachedDataset):
            images = self.records.images[np.asarray(indices)]
        else:
            images = np.stack([self.records[int(i)].image for i in indices])
        tensors = torch.from_numpy(np.asarray(images)).permute(0, 3, 1, 2)
        labels = self.records.labels[np.asarray(indices)].tolist()
        return list(zip(tensors, labels, strict=True))


def to_tensors(dataset: ImageDataset) -> TensorSamples:
    """A torch data set of (uint8 tensor (3, H, W), int label), for a `DataLoader`."""
    return TensorSamples(dataset)


def batch(
    dataset: ImageDataset, indices: Sequence[int]
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Records at `indices`, as `stack` gives them."""
    return stack([dataset[int(i)] for i in indices])


def stack(records: Sequence[Record]) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Images (N, 3, H, W) uint8, labels (N,) int64 and masks (N, H, W) bool of records."""
    images = torch.from_numpy(np.stack([record.image for record in records]))
    labels = torch.tensor([record.label for record in records], dtype=torch.int64)
    masks = {
        name: torch.from_numpy(np.stack([record.masks[name] for record in records]))
        for name in records[0].masks
    }
    return images.permute(0, 3, 1, 2).contiguous(), labels, masks
