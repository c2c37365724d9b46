"""A study trains, checks, saves and describes its network once."""

import dataclasses
from pathlib import Path

import pytest

from xaihelpers import networks
from xaihelpers.networks import Cycle, Recipe, checkpoints
from xaihelpers.networks import shipped as studies

TINY = Recipe((Cycle(1e-3, (32,)),), batch_size=6, augmentation=None)


@pytest.fixture(autouse=True)
def _home(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))


def study(data, arch: str = "efficientnet_b0", recipe: Recipe | None = TINY, **options):
    return networks.train_shipped(
        "fundus",
        arch,
        data,
        type(data)(6, seed=1, size=32),
        type(data)(9, seed=2, size=32),
        classes=("red", "green", "blue"),
        origin="rendered",
        data_version=1,
        recipe=recipe,
        progress=False,
        **options,
    )


def test_a_study_ends_with_a_checkpoint_and_a_full_card(patches, tmp_path: Path) -> None:
    card = study(patches(12, size=32))
    model, again = networks.load_shipped("fundus", "efficientnet_b0", ("red", "green", "blue"))
    assert again == card
    assert card["metrics"]["n"] == 9
    assert card["data"] == {"name": "fundus", "origin": "rendered", "version": 1}
    assert {"recipe", "seed", "versions", "history", "metrics_fp32", "sha256"} <= set(card)
    assert not (tmp_path / "data/training/fundus_efficientnet_b0-rendered-seed0").exists()
    scores = networks.evaluate(model, patches(9, seed=2, size=32), size=32)
    assert scores["loss"] == pytest.approx(card["metrics"]["loss"], abs=1e-5)


def test_a_finished_study_is_not_trained_again(patches) -> None:
    data = patches(12, size=32)
    card = study(data)
    data.reads = 0
    assert study(data) == card
    assert data.reads == 0


def test_another_recipe_is_trained_anew(patches) -> None:
    data = patches(12, size=32)
    card = study(data)
    assert study(data, recipe=dataclasses.replace(TINY, clip=0.5))["sha256"] != card["sha256"]


def test_vgg19_is_shipped_without_batch_norm(patches) -> None:
    study(patches(6, size=32), arch="vgg19")
    model, _ = networks.load_shipped("fundus", "vgg19")
    assert list(model.state_dict()) == list(networks.build("vgg19", 3).state_dict())


def test_imagenet_weights_that_cannot_be_had_are_done_without(patches, monkeypatch, capsys) -> None:
    real = studies.build

    def offline(arch: str, num_classes: int, weights: str | None = None):
        if weights:
            raise networks.WeightsUnavailableError("no route")
        return real(arch, num_classes)

    monkeypatch.setattr(studies, "build", offline)
    assert study(patches(6, size=32), weights="imagenet")["start"] == "random"
    assert "Going on without them" in capsys.readouterr().out


def test_a_study_can_start_from_a_checkpoint(patches, tmp_path: Path) -> None:
    first = study(patches(6, size=32))
    path = checkpoints.shipped_path("fundus", "efficientnet_b0")
    card = study(patches(6, size=32), start=path, output=tmp_path / "tuned.safetensors")
    assert card["start"] == f"{path.name} ({first['sha256'][:12]})"


def test_a_study_without_a_recipe_names_those_there_are(patches) -> None:
    with pytest.raises(KeyError, match="fundus efficientnet_b0"):
        study(patches(6, size=32), arch="resnet50", recipe=None)


def test_fine_tuning_from_packaged_imagenet_weights_needs_no_connection(patches) -> None:
    data = patches(12, size=32)
    card = study(data, arch="efficientnet_lite0", weights="imagenet")
    model, again = networks.load_shipped("fundus", "efficientnet_lite0", ("red", "green", "blue"))
    assert card["start"] == "imagenet"
    assert again == card
    scores = networks.evaluate(model, patches(9, seed=2, size=32), size=32)
    assert scores["loss"] == pytest.approx(card["metrics"]["loss"], abs=1e-5)


def test_any_study_has_a_recipe_for_a_start_from_imagenet() -> None:
    recipe = studies._recipe("eyepacs", "efficientnet_lite0")
    assert (recipe.epochs, recipe.final_size, recipe.batch_size) == (6, 224, 16)
