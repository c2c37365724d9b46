"""Three heads on the same maps: their sizes, that they learn, that finished rows are kept."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from xaihelpers.experiments.heads import measure as heads
from xaihelpers.run import cli


@pytest.mark.parametrize(
    ("kind", "weights"),
    [
        ("gap_linear", 8 * 3 + 3),
        ("project", 8 * 4 + 4 + 4 * 3 + 3),
        ("fully_connected", 8 * 9 * 6 + 6 + 6 * 6 + 6 + 6 * 3 + 3),
    ],
)
def test_a_head_has_the_weights_counted_by_hand(kind: str, weights: int) -> None:
    model = heads.head(kind, channels=8, cells=9, classes=3, hidden=6)
    assert sum(parameter.numel() for parameter in model.parameters()) == weights
    assert model(torch.rand(2, 8, 3, 3)).shape == (2, 3)


def test_an_unknown_head_is_refused() -> None:
    with pytest.raises(ValueError, match="gap_linear"):
        heads.head("attention", 8, 9, 3)


def test_the_start_of_a_head_depends_on_the_seed_alone() -> None:
    one, again, other = (heads.seeded_head("gap_linear", seed, 4, 9, 2) for seed in (0, 0, 1))
    assert torch.equal(one[2].weight, again[2].weight)
    assert not torch.equal(one[2].weight, other[2].weight)


@pytest.fixture
def maps() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(90) % 3
    maps = torch.rand(90, 24, 3, 3, generator=generator) * 0.2
    maps[torch.arange(90), labels] += 1.0
    return maps.half(), labels


@pytest.mark.parametrize("kind", heads.HEADS)
def test_every_head_learns_what_its_maps_show(kind: str, maps: tuple[Tensor, Tensor]) -> None:
    model = heads.train_head(heads.seeded_head(kind, 0, 24, 9, 3, 32), *maps, seed=0, epochs=60)
    assert not model.training
    right = heads.hits(model(maps[0].float()), maps[1])
    assert right.count("1") / len(right) > 0.95


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The heads that are trained; a row is made in no time and lies below `tmp_path`."""
    monkeypatch.setattr(heads.files, "results_dir", lambda: tmp_path)
    monkeypatch.setattr(heads, "_start", lambda setting: "1234e5678901")
    made = []

    def prepared():
        def make(kind, seed):
            made.append(kind)
            right = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
            text = heads.hits(right, torch.tensor([0, 1]))
            return heads._row(kind, seed, torch.nn.ELU(), text)

        return make

    monkeypatch.setattr(heads, "frozen_rows", prepared)
    return made


def test_a_finished_row_is_not_made_again(tmp_path: Path, made: list[str]) -> None:
    for _ in range(2):
        assert cli.main(["measure", "heads", "--setting", "frozen", "--seeds", "1"]) == 0
    assert made == list(heads.HEADS)
    table = pd.read_csv(tmp_path / "tables" / "c18_heads.csv", dtype={"hits": str})
    assert table["hits"].tolist() == ["01"] * 3


@pytest.mark.parametrize("changed", ["weights", "images"])
def test_rows_of_other_weights_or_images_are_replaced(
    changed: str, tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cli.main(["measure", "heads", "--setting", "frozen", "--seeds", "1"])
    if changed == "weights":
        monkeypatch.setattr(heads, "_start", lambda setting: "another")
    else:
        monkeypatch.setattr(heads.fundus, "VERSION", 99)
    cli.main(["measure", "heads", "--setting", "frozen", "--seeds", "1"])
    assert made == [*heads.HEADS] * 2
    table = pd.read_csv(tmp_path / "tables" / "c18_heads.csv")
    assert len(table) == 3
    assert set(table["checkpoint" if changed == "weights" else "data_version"]) <= {"another", 99}


def test_a_stamp_is_that_of_the_shipped_vgg19_or_none() -> None:
    assert heads._start("scratch") == "-"
    path = heads.checkpoint_path("fundus", "vgg19")
    assert heads._start("frozen") == heads.networks.checkpoints.read_card(path)["sha256"][:12]
