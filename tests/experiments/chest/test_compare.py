"""The comparison behind C17: exact counts, rows made once, a stopped run goes on."""

from pathlib import Path

import pandas as pd
import pytest
from torchvision import models

from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.experiments.chest import compare
from xaihelpers.networks import recipes
from xaihelpers.run import cli
from xaihelpers.study import read_table


@pytest.mark.parametrize("name", compare.NETWORKS)
def test_counts_are_those_of_torchvision_with_1000_classes(name: str) -> None:
    stock = sum(p.numel() for p in models.get_model(name).parameters()) if name != "vgg16" else 0
    assert compare.parameters(name, 1000) == (stock or 138_357_544)


def test_a_head_has_weights_and_biases_for_every_class() -> None:
    assert compare.parameters("densenet121", 3) - compare.parameters("densenet121", 0) == 3 * 1025
    assert compare.parameters("resnet18", 3) - compare.parameters("resnet18", 0) == 3 * 513
    head = 25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 3 + 3
    assert compare.parameters("vgg16", 3) - compare.parameters("vgg16", 0) == head


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One small network, one epoch, few images, a home of its own."""
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(compare, "NETWORKS", {"resnet18": "resnet18"})
    monkeypatch.setattr(compare, "COUNTS", {"train": 16, "val": 6, "test": 9})
    cycle = recipes.Cycle(1e-3, (64,))
    monkeypatch.setattr(compare, "RECIPE", recipes.Recipe((cycle,), batch_size=8))
    return tmp_path


def test_a_row_says_what_it_rests_on_and_is_made_once(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["measure", "networks", "--seeds", "1"]) == 0
    (row,) = read_table(compare.table_path()).to_dict("records")
    assert (row["network"], row["seed"], row["train_images"]) == ("resnet18", 0, 16)
    assert row["data"] == "chest_xray (rendered)"
    assert len(row["hits"]) == row["test_images"] == 9
    assert row["accuracy"] == pytest.approx(row["hits"].count("1") / 9, abs=1e-6)
    assert not list((tiny / "data" / "training").glob("c17*"))  # what a stopped run left
    monkeypatch.setattr(compare, "train", lambda *_: pytest.fail("trained again"))
    assert cli.main(["measure", "networks", "--seeds", "1"]) == 0


def test_a_row_of_another_run_is_kept_and_one_of_older_images_is_replaced(tiny: Path) -> None:
    path = compare.table_path()
    path.parent.mkdir(parents=True)
    kept = {"network": "vgg16", "seed": 0, "hits": "0110", "data_version": chest_xray.VERSION}
    old = {"network": "resnet18", "seed": 0, "hits": "1", "data_version": chest_xray.VERSION - 1}
    pd.DataFrame([kept, old]).to_csv(path, index=False)
    assert cli.main(["measure", "networks", "--seeds", "1"]) == 0
    table = read_table(path)
    assert table["network"].tolist() == ["resnet18", "vgg16"]
    assert len(table["hits"][0]) == 9
    assert table["hits"][1] == "0110"


def test_a_longer_comparison_has_a_table_of_its_own(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (compare.LONGER.epochs, compare.LONGER.batch_size) == (5, 32)
    assert compare.LONGER_COUNTS == {"train": 1500, "val": 150, "test": 900}
    recipe = recipes.Recipe((recipes.Cycle(1e-3, (64, 64)),), batch_size=4)
    monkeypatch.setattr(compare, "LONGER", recipe)
    monkeypatch.setattr(compare, "LONGER_COUNTS", {"train": 8, "val": 6, "test": 9})
    assert cli.main(["measure", "networks", "--seeds", "1", "--longer"]) == 0
    assert not compare.table_path().exists()
    (row,) = read_table(compare.table_path(name="c17_longer")).to_dict("records")
    assert (row["epochs"], row["batch"], row["train_images"]) == (2, 4, 8)
