"""Tables of failures and attacks: made once, made again for another network, found by chapters."""

from functools import partial
from pathlib import Path

import pandas as pd
import pytest
import torch

from xaihelpers import networks
from xaihelpers.datasets.rendered import scenes
from xaihelpers.experiments.failures import measure as failures
from xaihelpers.experiments.failures import tables
from xaihelpers.networks import checkpoints
from xaihelpers.run import cli
from xaihelpers.setups import open_setup

ARCH = "resnet18"


def save_network(seed: int) -> None:
    torch.manual_seed(seed)
    data = {"name": "scenes", "origin": "rendered", "version": scenes.VERSION}
    card = {"arch": ARCH, "classes": list(scenes.SHAPES), "data": data, "seed": 0}
    path = checkpoints.shipped_path("scenes", ARCH)
    checkpoints.save(networks.build(ARCH, len(scenes.SHAPES)), path, card)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(failures, "ATTACKED", {("scenes", ARCH): (2, 1)})
    monkeypatch.setattr(failures, "FAILING", (("scenes", ARCH),))
    monkeypatch.setattr(failures, "open_setup", partial(open_setup, limit=12))
    save_network(0)
    return tmp_path


def test_attacks_are_measured_once_and_again_for_another_network(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "_right_and_visible", lambda study, count: [4, 7])
    assert cli.main(["measure", "attacks"]) == 0
    table = tables.read("c13_attacks", home / "results")
    assert table["index"].tolist() == [4, 7]
    assert (table["energy_before"].between(0, 1)).all()
    stamp = tables.table_path("c13_attacks").stat().st_mtime_ns
    assert cli.main(["measure", "attacks"]) == 0
    assert tables.table_path("c13_attacks").stat().st_mtime_ns == stamp
    save_network(1)
    assert cli.main(["measure", "attacks"]) == 0
    again = tables.read("c13_attacks", home / "results")
    assert again["index"].tolist() == [4, 7]
    assert set(again["checkpoint"]).isdisjoint(table["checkpoint"])


def test_a_scene_is_attacked_towards_a_class_that_is_not_in_it(home: Path) -> None:
    study = open_setup("scenes", ARCH, limit=4)
    rows = failures.attack_setup(study, [0, 1, 2], steps=1)
    for index, target in zip(rows["index"], rows["target"], strict=True):
        assert not study.data[int(index)].masks[scenes.SHAPES[int(target)]].any()
    visible = [study.data[i].masks[scenes.SHAPES[study.data[i].label]].mean() for i in range(3)]
    assert rows["area"].tolist() == pytest.approx(visible)


def test_every_wrong_answer_is_found(home: Path) -> None:
    assert cli.main(["measure", "failures", "--limit", "12"]) == 0
    table = tables.read("c15_failures", home / "results")
    study = open_setup("scenes", ARCH, limit=12)
    images = torch.stack([torch.tensor(study.data[i].image) for i in range(12)])
    answers = networks.predict(study.model, images.permute(0, 3, 1, 2)).argmax(dim=1)
    wrong = [i for i in range(12) if int(answers[i]) != study.data[i].label]
    assert table["index"].tolist() == wrong
    assert (table["searched"] == 12).all()
    assert (table["answer"] != table["label"]).all()


def test_a_search_through_more_images_takes_the_place_of_a_smaller_one(home: Path) -> None:
    for limit, searched in ((6, 6), (12, 12), (6, 12)):
        assert cli.main(["measure", "failures", "--limit", str(limit)]) == 0
        table = tables.read("c15_failures", home / "results")
        assert set(table["searched"]) == {searched}
        assert table["index"].is_unique


def test_a_chapter_finds_the_shipped_table_beside_other_results(home: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run python -m xaihelpers"):
        tables.read("c8_marker", home / "results" / "real")
    shipped = tables.table_path("c8_marker")
    shipped.parent.mkdir(parents=True)
    pd.DataFrame({"index": [1]}).to_csv(shipped, index=False)
    assert tables.read("c8_marker", home / "results" / "real")["index"].tolist() == [1]
    assert (home / "results" / "real" / "tables" / "c8_marker.csv").exists()
    pd.DataFrame({"index": [2]}).to_csv(shipped, index=False)  # measured again
    assert tables.read("c8_marker", home / "results" / "real")["index"].tolist() == [2]
