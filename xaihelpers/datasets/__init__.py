"""Images with labels and masks: rendered on the spot, or read from the real sets' own folders."""

from xaihelpers.extras import require

require("study")

from xaihelpers.datasets.records import ImageDataset, Record
from xaihelpers.datasets.registry import available, load
from xaihelpers.datasets.tensors import batch, to_tensors
from xaihelpers.errors import DataError

__all__ = ["DataError", "ImageDataset", "Record", "available", "batch", "load", "to_tensors"]
