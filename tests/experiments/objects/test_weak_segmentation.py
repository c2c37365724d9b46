"""The small segmentation model learns what its labels say, and only that."""

import pytest
import torch
from torch import nn

from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.objects import weak_segmentation
from xaihelpers.metrics import segmentation


def blobs(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images with a red or a green square on noise, and their true labels (0, 1 or 2)."""
    images, labels = torch.rand(count, 3, 32, 32) / 4, torch.zeros(count, 32, 32).long()
    for i in range(count):
        row, column = torch.randint(0, 16, (2,)).tolist()
        kind = i % 2
        images[i, kind, row : row + 16, column : column + 16] += 1
        labels[i, row : row + 16, column : column + 16] = kind + 1
    return images, labels


@pytest.fixture
def trunk() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(8, 6, 1), nn.ReLU()
    ).eval()


def test_features_of_several_grids_meet_on_one_with_equal_strength(trunk: nn.Module) -> None:
    images, _ = blobs(5)
    found = weak_segmentation.grid_features(trunk, images, ["1", "4"], cells=16, batch_size=2)
    assert found.shape == (5, 14, 16, 16)
    for part in (found[:, :8], found[:, 8:]):
        assert part.square().mean() == pytest.approx(1, abs=1e-4)
    alone = weak_segmentation.grid_features(trunk, images, ["1", "4"], cells=16)
    torch.testing.assert_close(found, alone)
    assert not any(module._forward_hooks for module in trunk.modules())


def test_a_head_learns_true_labels_and_random_labels_teach_it_nothing(trunk: nn.Module) -> None:
    images, labels = blobs(64)
    features = weak_segmentation.grid_features(trunk, images, ["1"], cells=16)
    ious = []
    for taught in (labels, torch.randint(0, 3, labels.shape)):
        head = weak_segmentation.train_head(features[:48], taught[:48], 3, epochs=12)
        said = weak_segmentation.label_pixels(head, features[48:], (32, 32))
        ious.append(segmentation.class_iou(said, labels[48:], 3).nanmean())
    assert ious[0] > 0.75
    assert ious[1] < 0.45


def test_the_same_seed_gives_the_same_head_and_leaves_the_generator_alone(
    trunk: nn.Module,
) -> None:
    images, labels = blobs(8)
    features = weak_segmentation.grid_features(trunk, images, ["1"], cells=8)
    before = torch.get_rng_state()
    one, two = (weak_segmentation.train_head(features, labels, 3, epochs=2) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_labels_that_do_not_fit_are_refused() -> None:
    features = torch.rand(2, 4, 8, 8)
    with pytest.raises(EvaluationError, match="one each"):
        weak_segmentation.train_head(features, torch.zeros(3, 8, 8).long(), 2)
    with pytest.raises(EvaluationError, match=r"0\.\.1"):
        weak_segmentation.train_head(features, torch.full((2, 8, 8), 2), 2)
