"""What a network answers on its whole test set: measured once, kept as a table with its origin."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch.utils.data import DataLoader

from xaihelpers import datasets, networks
from xaihelpers.setups import Setup
from xaihelpers.study import ResumableTable


def table_path(setup: Setup, results: Path | str) -> Path:
    """Where the table of a setup lies below a results folder."""
    return Path(results) / "tables" / f"{setup.data.name}_{setup.arch}_answers.csv"


def predict_table(setup: Setup) -> pd.DataFrame:
    """The network's predictions for all of `setup.data`.

    Returns:
        One row per image. Columns: image (index), label, predicted (class), confidence (softmax
        probability of that class, four decimals).
    """
    logits, labels = [], []
    for images, truth in DataLoader(datasets.to_tensors(setup.data), 32):
        logits.append(networks.predict(setup.model, images))
        labels.append(truth)
    confidence, predicted = torch.cat(logits).softmax(dim=1).max(dim=1)
    return pd.DataFrame(
        {
            "image": range(len(predicted)),
            "label": torch.cat(labels).tolist(),
            "predicted": predicted.tolist(),
            "confidence": confidence.double().numpy().round(4),
        }
    )


def store(setup: Setup, results: Path | str) -> pd.DataFrame:
    """`predict_table`, written to `table_path` with checkpoint, data version and seed."""
    table = _table(setup, results)
    table.append(predict_table(setup))
    return table.rows()


def stored(setup: Setup, results: Path | str) -> pd.DataFrame | None:
    """The stored table if it is of this network, these data and this seed, else None."""
    rows = _table(setup, results).rows()
    return rows if len(rows) else None


def _table(setup: Setup, results: Path | str) -> ResumableTable:
    stamp = {
        "checkpoint": setup.card["sha256"][:12],
        "data_version": str(setup.card["data"]["version"]),
        "seed": setup.data.seed,
    }
    return ResumableTable(table_path(setup, results), ("image",), stamp)
