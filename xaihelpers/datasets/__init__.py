"""Images with labels and masks: rendered on the spot, or read from the real sets' own folders."""

from xaihelpers.datasets.records import DataError, ImageDataset, Record
from xaihelpers.datasets.registry import available, load
from xaihelpers.datasets.tensors import batch, to_tensors

__all__ = ["DataError", "ImageDataset", "Record", "available", "batch", "load", "to_tensors"]
