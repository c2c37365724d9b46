"""Checks of where images come from: worked by hand, and on leaks that were planted."""

import numpy as np
import pytest
import torch

from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.chest import sources


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://www.kaggle.com/c/rsna-challenge/data", "kaggle.com/c/rsna-challenge"),
        ("https://www.kaggle.com/someone/pneumonia", "kaggle.com/someone/pneumonia"),
        ("https://github.com/Armiro/COVID-CXNet", "github.com/armiro/covid-cxnet"),
        ("https://sirm.org/category/senza-categoria/covid-19/", "sirm.org"),
        ("www.eurorad.org/case/17425", "eurorad.org"),
        ("  ", "unknown"),
    ],
)
def test_a_source_is_the_collection_that_an_address_points_into(url: str, source: str) -> None:
    assert sources.source_of(url) == source


def test_the_source_alone_answers_with_its_most_frequent_class() -> None:
    train = ["a", "a", "a", "b", "b"]
    labels = np.array([0, 0, 1, 1, 1])
    found = sources.by_source(train, labels, ["a", "b", "a", "new"], np.array([0, 1, 1, 1]))
    assert found.right.tolist() == [True, True, False, True]  # a -> 0, b -> 1, new -> 1 of all
    assert found.accuracy == 0.75
    assert found.chance == 0.6


def test_sources_of_several_classes_are_the_fair_comparisons() -> None:
    found = sources.matched(["rsna", "rsna", "sirm", "rsna"], np.array([0, 3, 2, 0]))
    assert found == {"rsna": [0, 3]}


def test_blanking_hides_the_mask_or_all_else() -> None:
    images = torch.full((1, 3, 2, 2), 9, dtype=torch.uint8)
    masks = torch.tensor([[[True, False], [False, False]]])
    assert sources.blank(images, masks)[0, 0].tolist() == [[0, 9], [9, 9]]
    assert sources.blank(images, masks, keep=True)[0, 2].tolist() == [[9, 0], [0, 0]]
    assert images.min() == 9  # as it was
    with pytest.raises(EvaluationError, match="do not belong together"):
        sources.blank(images, masks[:, :1])


def test_a_leak_outside_the_mask_survives_blanking_and_one_inside_does_not() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = np.arange(80) % 2
    masks = torch.zeros(80, 32, 32, dtype=torch.bool)
    masks[:, 8:24, 8:24] = True
    noise = torch.randint(100, 120, (80, 3, 32, 32), generator=generator, dtype=torch.uint8)
    accuracies = {}
    for name, where in (("outside", slice(0, 6)), ("inside", slice(10, 20))):
        images = noise.clone()
        images[labels == 1, :, where, where] += 60
        blanked = sources.blank(images, masks)
        halves = blanked[:40], labels[:40], blanked[40:], labels[40:]
        accuracies[name] = sources.thumbnails(*halves).accuracy
    assert accuracies["outside"] == 1.0
    assert 0.2 < accuracies["inside"] < 0.8


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(EvaluationError, match="test set has 1 images and 2 labels"):
        sources.by_source(["a"], np.array([0]), ["a"], np.array([0, 1]))
    images = torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    with pytest.raises(EvaluationError, match="one class only"):
        sources.thumbnails(images, np.array([1, 1]), images, np.array([1, 1]))
