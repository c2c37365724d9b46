"""`fit` learns, repeats itself, goes on after a kill, and stops when something is wrong."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from xaihelpers.errors import StorageError
from xaihelpers.networks import Cycle, Recipe, TrainingError, fit, freeze, training


def train(model: nn.Module, data, recipe: Recipe, output: Path | None = None, **options):
    validation = type(data)(24, seed=1)
    return fit(
        model,
        data,
        validation,
        recipe=recipe,
        num_classes=3,
        output=output,
        progress=False,
        **options,
    )


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_fit_learns_and_records_every_epoch(tiny, patches, recipe) -> None:
    model = tiny()
    history = train(model, patches(48), recipe)
    assert [record["size"] for record in history] == [8, 16, 16, 16]
    assert [record["epoch"] for record in history] == [1, 2, 3, 4]
    assert history[-1]["val_accuracy"] > 0.9
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[2]["lr"] < recipe.cycles[1].lr
    assert not model.training


def test_the_same_seed_gives_the_same_weights(tiny, patches, recipe) -> None:
    one, other, third = tiny(), tiny(), tiny()
    train(one, patches(24), recipe, seed=1)
    train(other, patches(24), recipe, seed=1)
    train(third, patches(24), recipe, seed=2)
    assert same_weights(one, other)
    assert not same_weights(one, third)


@pytest.mark.parametrize(("fail_at", "save_minutes"), [(2 * 24 + 1, 9.0), (2 * 24 + 18, 0.0)])
def test_a_killed_run_goes_on_to_the_very_same_weights(
    tiny, patches, recipe, tmp_path: Path, fail_at: int, save_minutes: float
) -> None:
    """Killed at the start of the third epoch, and in its midst."""
    unbroken, resumed = tiny(), tiny()
    expected = train(unbroken, patches(24), recipe)
    data = patches(24)
    data.fail_at = fail_at
    with pytest.raises(KeyboardInterrupt):
        train(tiny(), data, recipe, tmp_path, save_minutes=save_minutes)
    data.reads, data.fail_at = 0, -1
    history = train(resumed, data, recipe, tmp_path)
    assert data.reads < 2.5 * 24  # the first two epochs are not done again
    assert same_weights(unbroken, resumed)
    assert [r["val_loss"] for r in history] == [r["val_loss"] for r in expected]
    assert [r["train_loss"] for r in history] == [r["train_loss"] for r in expected]


def test_a_finished_run_is_not_trained_again(tiny, patches, recipe, tmp_path: Path) -> None:
    first, again, data = tiny(), tiny(), patches(24)
    history = train(first, data, recipe, tmp_path)
    data.reads = 0
    assert train(again, data, recipe, tmp_path) == history
    assert data.reads == 0
    assert same_weights(first, again)


def test_history_is_stored_for_learning_curves(tiny, patches, recipe, tmp_path: Path) -> None:
    history = train(tiny(), patches(24), recipe, tmp_path)
    assert json.loads((tmp_path / "history.json").read_text()) == history


def test_another_recipe_in_the_same_folder_is_refused(tiny, patches, recipe, tmp_path) -> None:
    train(tiny(), patches(24), recipe, tmp_path)
    with pytest.raises(TrainingError, match="another recipe"):
        train(tiny(), patches(24), dataclasses.replace(recipe, clip=2.0), tmp_path)


def test_a_damaged_resume_file_says_so(tiny, patches, recipe, tmp_path: Path) -> None:
    (tmp_path / "resume.pt").write_bytes(b"torn")
    with pytest.raises(TrainingError, match="delete it to start again"):
        train(tiny(), patches(24), recipe, tmp_path)


def test_fit_leaves_the_random_state_alone(tiny, patches, recipe) -> None:
    model, before = tiny(), torch.get_rng_state()
    train(model, patches(24), recipe)
    assert torch.equal(before, torch.get_rng_state())


def test_fit_hangs_nothing_on_the_model(tiny, patches, recipe, monkeypatch) -> None:
    monkeypatch.setattr(training, "best_precision", lambda _device: "bf16")
    model = tiny()
    before = set(vars(model))
    train(model, patches(24), dataclasses.replace(recipe, low_precision=True))
    assert set(vars(model)) == before
    assert model(torch.zeros(1, 3, 8, 8)).dtype == torch.float32


def test_a_second_fit_uses_bf16_again(tiny, patches, recipe, monkeypatch) -> None:
    monkeypatch.setattr(training, "best_precision", lambda _device: "bf16")
    model, kinds = tiny(), []
    train(model, patches(24), dataclasses.replace(recipe, low_precision=True))
    model[0].register_forward_hook(lambda _m, _i, output: kinds.append(output.dtype))
    train(model, patches(24), dataclasses.replace(recipe, low_precision=True))
    assert set(kinds) == {torch.bfloat16}


def test_bf16_training_learns_too(tiny, patches, recipe, monkeypatch) -> None:
    monkeypatch.setattr(training, "best_precision", lambda _device: "bf16")
    history = train(tiny(), patches(48), dataclasses.replace(recipe, low_precision=True))
    assert history[-1]["val_accuracy"] > 0.9


def test_the_best_epoch_of_the_final_size_is_kept(tiny, patches) -> None:
    """A last cycle that ruins the network ends with the weights before the ruin."""
    model, data = tiny(), patches(24)
    recipe = Recipe((Cycle(1e-2, (16,)), Cycle(3.0, (16, 16, 16))), batch_size=8, clip=1e3)
    history = train(model, data, recipe)
    best = min(record["val_loss"] for record in history[1:])
    scores = training.evaluate(model, patches(24, seed=1), size=16)
    assert scores["loss"] == pytest.approx(best, rel=1e-4)


def test_patience_ends_a_cycle_early(tiny, patches) -> None:
    recipe = Recipe((Cycle(1e-12, (8,) * 6), Cycle(1e-2, (8,))), batch_size=8, patience=1)
    model = tiny()
    freeze(model, ["1"])  # else batch statistics would still improve
    model[0].bias.requires_grad_(False)
    history = train(model, patches(24), dataclasses.replace(recipe, clip=1e-9))
    assert len(history) < recipe.epochs
    assert history[-1]["epoch"] == recipe.epochs


def test_frozen_stages_keep_weights_and_statistics(tiny, patches, recipe) -> None:
    model, reference = tiny(), tiny()
    assert freeze(model, ["0", "1"]) == 3 * 8 * 9 + 8 + 16
    train(model, patches(24), recipe)
    for index in (0, 1):
        assert same_weights(model[index], reference[index])
    assert not torch.equal(model[-1].weight, reference[-1].weight)


def test_freezing_an_unknown_module_names_the_known_ones(tiny) -> None:
    with pytest.raises(TrainingError, match="no module 'features'"):
        freeze(tiny(), ["features"])


def test_a_wholly_frozen_network_is_refused(tiny, patches, recipe) -> None:
    model = tiny()
    model.requires_grad_(False)
    with pytest.raises(TrainingError, match="every parameter is frozen"):
        train(model, patches(24), recipe)


def test_an_empty_data_set_is_refused(tiny, patches, recipe) -> None:
    with pytest.raises(TrainingError, match="empty data set"):
        train(tiny(), patches(0), recipe)


def test_fewer_images_than_a_batch_are_trained_on(tiny, patches, recipe) -> None:
    assert len(train(tiny(), patches(5), recipe)) == recipe.epochs


def test_a_label_outside_the_classes_is_refused(tiny, patches, recipe) -> None:
    data = patches(24)
    data.labels[7] = 3
    with pytest.raises(TrainingError, match="label 3 is outside the 3 classes"):
        train(tiny(), data, recipe)


def test_a_loss_that_is_not_finite_stops_with_step_and_rate(tiny, patches, recipe) -> None:
    model = tiny()
    nn.init.constant_(model[-1].weight, float("nan"))
    with pytest.raises(TrainingError, match=r"loss is nan at epoch 1, step 1, learning rate"):
        train(model, patches(24), recipe)


def test_an_unwritable_folder_is_found_before_training(tiny, patches, recipe, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    data = patches(24)
    with pytest.raises(StorageError, match="cannot write"):
        train(tiny(), data, recipe, tmp_path / "file" / "run")
    assert data.reads == 0


def test_class_weights_turn_the_network_to_the_heavy_class(tiny, patches, recipe) -> None:
    heavy = dataclasses.replace(recipe, class_weights=(1.0, 0.0, 0.0), augmentation=None)
    history = train(tiny(), patches(24), heavy)
    assert history[-1]["val_accuracy"] == pytest.approx(1 / 3)
