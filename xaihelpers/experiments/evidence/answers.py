"""What a network answers on its whole test set: measured once, kept as a table with its origin."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch.utils.data import DataLoader

from xaihelpers import datasets, networks
from xaihelpers.files import save_table
from xaihelpers.setups import Setup


def table_path(study: Setup, results: Path | str) -> Path:
    """Where the table of a study lies below a results folder."""
    return Path(results) / "tables" / f"{study.data.name}_{study.arch}_answers.csv"


def ask(study: Setup) -> pd.DataFrame:
    """One row per image of `study.data`: its index, label, predicted class and confidence."""
    logits, labels = [], []
    for images, truth in DataLoader(datasets.to_tensors(study.data), 32):
        logits.append(networks.predict(study.model, images))
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


def store(study: Setup, results: Path | str) -> pd.DataFrame:
    """`ask`, written to `table_path` with checkpoint, data version and seed."""
    table = ask(study).assign(**_rests_on(study))
    save_table(table, table_path(study, results))
    return table


def stored(study: Setup, results: Path | str) -> pd.DataFrame | None:
    """The stored table if it is of this network, these data and this seed, else None."""
    path = table_path(study, results)
    if not path.exists():
        return None
    table = pd.read_csv(path, dtype={"checkpoint": str, "data_version": str})
    wanted = _rests_on(study)
    same = all(name in table and (table[name] == value).all() for name, value in wanted.items())
    return table if same else None


def _rests_on(study: Setup) -> dict[str, object]:
    return {
        "checkpoint": study.card["sha256"][:12],
        "data_version": str(study.card["data"]["version"]),
        "seed": study.data.seed,
    }
