"""Does the source of an image give its class away? Checks that look at everything but the disease.

DeGrave et al. 2021 (Nature Machine Intelligence 3, 610) found such shortcuts in COVID radiographs;
Maguolo & Nanni 2021 (arXiv 2004.12823) blacked the lungs out and accuracy stayed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from xaihelpers.errors import EvaluationError

UNKNOWN = "unknown"
COLLECTIONS = ("kaggle.com", "github.com")  # sites that hold many collections each


@dataclass(frozen=True)
class Shortcut:
    """What a rule that never looks at the disease gets right.

    Attributes:
        right: (N,) bool, per test image.
        chance: share of the most frequent class of the training set.
    """

    right: np.ndarray
    chance: float

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())


def source_of(url: str) -> str:
    """The collection that an address points into: its host, on sites of many also two folders.

    >>> source_of("https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data")
    'kaggle.com/c/rsna-pneumonia-detection-challenge'
    >>> source_of("https://sirm.org/category/senza-categoria/covid-19/")
    'sirm.org'
    """
    text = url.strip()
    if not text:
        return UNKNOWN
    parts = urlsplit(text if "//" in text else f"//{text}")
    host = re.sub(r"^www\.", "", parts.netloc.lower())
    folders = [part for part in parts.path.lower().split("/") if part]
    return "/".join([host, *folders[:2]]) if host in COLLECTIONS else host


def by_source(
    train: Sequence[str], train_labels: np.ndarray, test: Sequence[str], test_labels: np.ndarray
) -> Shortcut:
    """Answer with the most frequent training class of an image's source, without the image.

    A source that the training set lacks is answered with the most frequent class of all.

    Raises:
        EvaluationError: sources and labels differ in number, or there are none.
    """
    _same_length(train, train_labels, "training")
    _same_length(test, test_labels, "test")
    named, labels = np.asarray(train), np.asarray(train_labels)
    overall = int(np.bincount(labels).argmax())
    answer = {name: int(np.bincount(labels[named == name]).argmax()) for name in set(train)}
    given = np.array([answer.get(name, overall) for name in test])
    return Shortcut(given == np.asarray(test_labels), float((labels == overall).mean()))


def _same_length(things: Sequence[str] | Tensor, labels: np.ndarray, which: str) -> None:
    if len(things) != len(labels) or len(things) == 0:
        raise EvaluationError(
            f"the {which} set has {len(things)} images and {len(labels)} labels; give one label "
            "per image and at least one image"
        )


def matched(sources: Sequence[str], labels: np.ndarray) -> dict[str, list[int]]:
    """Sources that hold several classes, with those classes: the fair comparisons of a set."""
    named, given = np.asarray(sources), np.asarray(labels)
    classes = {
        name: sorted({int(label) for label in given[named == name]}) for name in set(sources)
    }
    return {name: several for name, several in sorted(classes.items()) if len(several) > 1}


def blank(images: Tensor, masks: Tensor, keep: bool = False) -> Tensor:
    """uint8 images (N, 3, H, W) with the mask (N, H, W) blacked out; `keep` blacks out the rest."""
    if images.ndim != 4 or masks.shape != (len(images), *images.shape[-2:]):
        raise EvaluationError(
            f"images {tuple(images.shape)} and masks {tuple(masks.shape)} do not belong together; "
            "expected (N, 3, H, W) and (N, H, W)"
        )
    hidden = ~masks.bool() if keep else masks.bool()
    return images.masked_fill(hidden[:, None], 0)


def thumbnails(
    train: Tensor,
    train_labels: np.ndarray,
    test: Tensor,
    test_labels: np.ndarray,
    side: int = 16,
) -> Shortcut:
    """A linear model of images shrunk to `side` px: what can be told at a glance, without training.

    Give it images whose lungs are blacked out to see what the surroundings tell.
    images: (N, 3, H, W) uint8.

    Raises:
        EvaluationError: images and labels differ in number, or the training set has one class.
    """
    _same_length(train, train_labels, "training")
    _same_length(test, test_labels, "test")
    counts = np.unique(train_labels, return_counts=True)[1]
    if len(counts) < 2:
        raise EvaluationError("the training set has one class only; give at least two")
    small = [
        adaptive_avg_pool2d(part.float().mean(dim=1), side).flatten(1) for part in (train, test)
    ]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    model.fit(small[0].numpy(), train_labels)
    given = model.predict(small[1].numpy())
    return Shortcut(given == np.asarray(test_labels), float(counts.max() / counts.sum()))
