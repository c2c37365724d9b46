"""What a linear model gets from things that are no finding: the border, the file, the thumbnail.

Where such a figure is far above chance, a network's accuracy on the set says little about what the
network looks at; it belongs beside every accuracy (DeGrave 2021, Maguolo & Nanni 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xaihelpers.datasets.index import THUMBNAIL

BORDER = 3  # px of the thumbnail
FOLDS = 5
MOST = 2000  # images; more are sampled, the answer does not change by then
STRENGTH = 0.01  # inverse of the penalty: there are more pixels than pictures


@dataclass(frozen=True)
class Shortcut:
    """What a linear model reaches, and what guessing would.

    name: of what the model sees.
    balanced_accuracy: mean recall of the classes, 0 to 1, in five folds; no patient and no
        near-duplicate is on both sides of a fold.
    chance: one over the number of classes.
    n: number of images.
    """

    name: str
    balanced_accuracy: float
    chance: float
    n: int

    def __str__(self) -> str:
        return f"{self.name} {self.balanced_accuracy:.2f}"


def border_of(thumbnails: np.ndarray) -> np.ndarray:
    """The outer pixels of thumbnails (N, 32, 32, 3) as (N, P)."""
    outer = np.ones((THUMBNAIL, THUMBNAIL), bool)
    outer[BORDER:-BORDER, BORDER:-BORDER] = False
    return thumbnails[:, outer].reshape(len(thumbnails), -1)


def file_features(table: pd.DataFrame) -> np.ndarray:
    """What a file is, without its pixels: format, mode, bytes, width, height, their ratio."""
    kinds = pd.get_dummies(table[["format", "mode"]], dtype=float)
    sizes = np.log(table[["bytes", "width", "height"]].to_numpy(float))
    return np.column_stack([kinds, sizes, sizes[:, 1] - sizes[:, 2]])


def _chosen(labels: np.ndarray, clusters: np.ndarray, seed: int) -> np.ndarray:
    """Positions of at most `MOST` images of the classes that have enough clusters for a fold."""
    counts = pd.Series(clusters).groupby(labels).nunique()
    kept = np.flatnonzero(np.isin(labels, counts.index[counts >= FOLDS]))
    order = np.random.default_rng(seed).permutation(kept)
    return np.sort(order[:MOST])


def shortcuts(
    table: pd.DataFrame, thumbnails: np.ndarray, labels: Sequence[int], seed: int = 0
) -> list[Shortcut]:
    """The baselines of a set; none where fewer than two classes have five clusters.

    Args:
        table: the usable rows of an index.
        thumbnails: (N, 32, 32, 3) uint8 RGB, of the same rows.
        labels: (N,) what is to be told, for example the label, or whether a grade is referable.
        seed: of the folds.
    """
    every, clusters = np.asarray(labels), table["cluster"].to_numpy()
    rows = _chosen(every, clusters, seed)
    truth = every[rows]
    classes = np.unique(truth)
    if len(classes) < 2:
        return []
    seen = {
        f"outer {BORDER} of {THUMBNAIL} pixels": border_of(thumbnails[rows]),
        "file type and size": file_features(table.iloc[rows]),
        f"{THUMBNAIL} x {THUMBNAIL} thumbnail": thumbnails[rows].reshape(len(rows), -1),
    }
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    found = []
    for name, features in seen.items():
        linear = LogisticRegression(C=STRENGTH, class_weight="balanced", max_iter=2000)
        model = make_pipeline(StandardScaler(), linear)
        told = cross_val_predict(
            model, features.astype(np.float32), truth, groups=clusters[rows], cv=folds
        )
        score = float(balanced_accuracy_score(truth, told))
        found.append(Shortcut(name, score, 1 / len(classes), len(rows)))
    return found
