"""Tables in parts on disk: what is finished stays finished, and belongs to what it rests on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import torch
from torch import nn

from xaihelpers.datasets.records import ImageDataset
from xaihelpers.files import atomic_path, sha256

LOOKED_AT = 8  # images whose pixels tell one data set from another of the same name


def weights_digest(model: nn.Module) -> str:
    """Hex SHA-256 of a network's class and of every tensor of its state."""
    digest = hashlib.sha256(type(model).__qualname__.encode())
    for name, tensor in model.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def data_digest(data: ImageDataset, indices: Sequence[int]) -> str:
    """Hex SHA-256 of which images these are: the set, the indices, labels, and some pixels."""
    about = [data.name, data.origin, data.split, data.size, data.seed, [int(i) for i in indices]]
    digest = hashlib.sha256(json.dumps(about).encode())
    digest.update(np.asarray(data.labels)[np.asarray(indices)].astype(np.int64).tobytes())
    for place in np.unique(np.linspace(0, len(indices) - 1, LOOKED_AT).astype(int)):
        record = data[int(indices[place])]
        digest.update(record.image.tobytes())
        for name in sorted(record.masks):
            digest.update(np.packbits(record.masks[name]).tobytes())
    return digest.hexdigest()


def code_digest(modules: Sequence[ModuleType]) -> str:
    """Hex SHA-256 of these modules' sources and of torch's version: what decides a table."""
    paths = [Path(str(module.__file__)) for module in modules]
    lines = [f"{path.name} {sha256(path)}" for path in paths] + [metadata.version("torch")]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def key(rests_on: Mapping[str, object]) -> str:
    """A short name for all that a table rests on: it changes when anything in it does."""
    text = json.dumps(rests_on, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table as Parquet, in one atomic step.

    Raises:
        StorageError: the folder cannot be written.
    """
    with atomic_path(path) as partial:
        table.to_parquet(partial, index=False)


def read(path: Path) -> pd.DataFrame:
    """Read a table from Parquet."""
    return pd.read_parquet(path)
