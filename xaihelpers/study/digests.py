"""What a table rests on, as digests: weights, images and code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import nn

from xaihelpers.datasets.records import ImageDataset
from xaihelpers.files import sha256

SAMPLED = 8  # images whose pixels tell one data set from another of the same name


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
    for position in np.unique(np.linspace(0, len(indices) - 1, SAMPLED).astype(int)):
        record = data[int(indices[position])]
        digest.update(record.image.tobytes())
        for name in sorted(record.masks):
            digest.update(np.packbits(record.masks[name]).tobytes())
    return digest.hexdigest()


def code_digest(packages: Sequence[ModuleType], libraries: Sequence[str] = ("torch",)) -> str:
    """Hex SHA-256 of every source file of some packages and of some libraries' versions.

    A whole package counts, so that no module on which a table rests can be forgotten. The price is
    that a change which does not matter makes a new table, too.

    Args:
        packages: imported packages or single modules.
        libraries: names of installed distributions.
    """
    lines = [f"{library} {metadata.version(library)}" for library in libraries]
    for package in packages:
        top = Path(str(package.__file__))
        paths = sorted(top.parent.rglob("*.py")) if top.name == "__init__.py" else [top]
        names = [path.relative_to(top.parent).as_posix() for path in paths]
        lines += [f"{package.__name__} {n} {sha256(p)}" for n, p in zip(names, paths, strict=True)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def key(rests_on: Mapping[str, object]) -> str:
    """A short name (16 hex digits) for all that a table rests on; it changes when anything does."""
    text = json.dumps(rests_on, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
