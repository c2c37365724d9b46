"""The colour and size baseline finds what leaks and finds nothing where nothing leaks."""

import numpy as np
import pytest

from xaihelpers.metrics.baselines import colour_size_baseline, colour_size_features


def pictures(rng: np.random.Generator, count: int, step: int) -> tuple[list, np.ndarray]:
    """Grey noise whose red mean rises by `step` with the class, 3 classes."""
    labels = np.arange(count) % 3
    noise = rng.integers(60, 120, (count, 16, 16, 3))
    noise[..., 0] += step * labels[:, None, None]
    return list(noise.astype(np.uint8)), labels


def test_a_class_that_is_told_by_colour_is_found() -> None:
    rng = np.random.default_rng(0)
    result = colour_size_baseline(*pictures(rng, 60, 20), *pictures(rng, 30, 20))
    assert result.balanced_accuracy == 1.0
    assert result.chance == pytest.approx(1 / 3)


def test_a_class_that_is_told_by_size_alone_is_found() -> None:
    labels = np.arange(40) % 2
    images = [np.full((16 + 8 * k, 16, 3), 90, np.uint8) for k in labels]
    result = colour_size_baseline(images[:20], labels[:20], images[20:], labels[20:])
    assert result.balanced_accuracy == 1.0


def test_labels_without_relation_to_the_picture_score_near_chance() -> None:
    rng = np.random.default_rng(0)
    result = colour_size_baseline(*pictures(rng, 240, 0), *pictures(rng, 240, 0))
    assert abs(result.balanced_accuracy - 1 / 3) < 0.12


def test_features_are_blind_to_position() -> None:
    image = np.zeros((20, 20, 3), np.uint8)
    image[2:6, 3:9] = (200, 100, 50)
    moved = np.roll(image, (9, 8), axis=(0, 1))
    np.testing.assert_allclose(colour_size_features(image), colour_size_features(moved))


def test_an_all_black_picture_has_finite_features() -> None:
    assert np.isfinite(colour_size_features(np.zeros((8, 8, 3), np.uint8))).all()


def test_a_float_picture_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\)"):
        colour_size_features(np.zeros((8, 8, 3), np.float32))


def test_a_missing_label_is_refused() -> None:
    images, labels = pictures(np.random.default_rng(0), 6, 5)
    with pytest.raises(ValueError, match="test set has 6 images and 5 labels"):
        colour_size_baseline(images, labels, images, labels[:5])


def test_a_single_class_is_refused() -> None:
    images, _ = pictures(np.random.default_rng(0), 6, 5)
    with pytest.raises(ValueError, match="at least two classes"):
        colour_size_baseline(images, np.zeros(6, int), images, np.zeros(6, int))
