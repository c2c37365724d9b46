"""Recipes say what they do, and the probe says what the device can."""

import json

import pytest
import torch

from xaihelpers.networks import SHIPPED, Augmentation, Cycle, Recipe, best_precision
from xaihelpers.networks.metrics import shrink
from xaihelpers.networks.recipes import augment


def test_the_shipped_recipes_end_at_the_size_of_their_images() -> None:
    ends = {(study, recipe.final_size) for (study, _), recipe in SHIPPED.items()}
    small = ("chest_xray", 128)  # for experiments on chest_xray at half the size
    assert ends == {("fundus", 224), ("chest_xray", 224), small, ("scenes", 128)}


def test_a_recipe_comes_back_from_json_unchanged() -> None:
    recipe = SHIPPED["fundus", "vgg19"].as_dict()
    assert json.loads(json.dumps(recipe)) == recipe


def test_a_recipe_without_epochs_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one epoch"):
        Recipe((Cycle(1e-3, ()),))


def test_a_learning_rate_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="learning rates above 0"):
        Recipe((Cycle(0.0, (8,)),))


def test_augmentation_differs_from_image_to_image() -> None:
    image = torch.randint(0, 256, (1, 3, 16, 16), dtype=torch.uint8)
    changed = augment(image.expand(4, -1, -1, -1), Augmentation().transform())
    assert changed.dtype == torch.uint8
    assert changed.shape == (4, 3, 16, 16)
    assert not torch.equal(changed[0], changed[1])


def test_no_augmentation_leaves_the_images_alone() -> None:
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    assert augment(images, None) is images


def test_shrinking_averages_rather_than_skips_pixels() -> None:
    stripes = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    stripes[..., ::2] = 200
    small = shrink(stripes, 4)
    assert small.dtype == torch.uint8
    assert (small.int() - 100).abs().max() < 25


def test_the_precision_probe_answers_and_leaves_the_threads_alone() -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    assert best_precision("cpu") in ("bf16", "no")
    assert torch.get_num_threads() == threads
    assert torch.equal(state, torch.get_rng_state())


def test_bf16_is_used_only_where_it_pays(monkeypatch) -> None:
    from xaihelpers.networks import recipes

    monkeypatch.setattr(recipes, "_time_convolution", lambda low: 7.0 if low else 1.0)
    assert best_precision("cpu") == "no"
    monkeypatch.setattr(recipes, "_time_convolution", lambda low: 1.0 if low else 5.0)
    assert best_precision("cpu") == "bf16"
