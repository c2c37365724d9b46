"""What colour and size alone give away about the label: the figure every network must beat."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_DARK = 20  # of 255: darker pixels count as surround, as in the usual crop to the retina


@dataclass(frozen=True)
class BaselineResult:
    """Balanced accuracy (0..1, mean recall of the classes) beside what guessing would give."""

    balanced_accuracy: float
    chance: float


def colour_size_features(image: np.ndarray) -> np.ndarray:
    """Global colour and size of one picture, blind to where anything lies.

    image: (H, W, 3) uint8. Returns (60,) float64: per channel the mean, the deviation and seven
    percentiles, inside and outside of the lit field; then H, W, the lit share of the pixels and
    the field's bounding box (relative height and width), its fill.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(
            f"image is {image.dtype} with shape {image.shape}; expected uint8 (H, W, 3)"
        )
    lit = image.max(axis=2) > _DARK
    colour = [_colour(image[part]) for part in (lit, ~lit)]
    height, width = lit.shape
    rows, columns = lit.any(axis=1).sum(), lit.any(axis=0).sum()
    fill = lit.sum() / max(rows * columns, 1)
    return np.concatenate(
        [*colour, [height, width, lit.mean(), rows / height], [columns / width, fill]]
    )


def _colour(pixels: np.ndarray) -> np.ndarray:
    """Colour statistics (27,) of pixels (P, 3); zeros where there are none."""
    if len(pixels) == 0:
        return np.zeros(3 * (2 + len(_PERCENTILES)))
    levels = np.percentile(pixels, _PERCENTILES, axis=0)
    return np.concatenate([pixels.mean(axis=0), pixels.std(axis=0), levels.ravel()])


def colour_size_baseline(
    train_images: Iterable[np.ndarray],
    train_labels: np.ndarray,
    test_images: Iterable[np.ndarray],
    test_labels: np.ndarray,
) -> BaselineResult:
    """Fit multinomial logistic regression to `colour_size_features` and score it on the test set.

    images: (H, W, 3) uint8, sizes may differ; labels: (N,) int. A high figure means that the
    camera, the exposure or the picture's size leaks the label.
    Raises ValueError when images and labels differ in number or the training set has one class.
    """
    train = np.array([colour_size_features(image) for image in train_images])
    test = np.array([colour_size_features(image) for image in test_images])
    for name, features, labels in (("train", train, train_labels), ("test", test, test_labels)):
        if len(features) != len(labels) or len(features) == 0:
            raise ValueError(
                f"{name} set has {len(features)} images and {len(labels)} labels; "
                "give one label per image and at least one image"
            )
    classes = np.unique(train_labels)
    if len(classes) < 2:
        raise ValueError(f"train_labels hold only class {classes[0]}; give at least two classes")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    model.fit(train, train_labels)
    score = float(balanced_accuracy_score(test_labels, model.predict(test)))
    return BaselineResult(balanced_accuracy=score, chance=1 / len(classes))
