"""Three heads on the same maps: their sizes, that they learn, that finished rows are kept."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from xaihelpers.reproduce import heads


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


def test_last_maps_are_what_the_features_give() -> None:
    class Toy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = torch.nn.Conv2d(3, 4, 3, 8)

    model = Toy()
    images = torch.randint(0, 255, (5, 3, 32, 32), dtype=torch.uint8)
    samples = [(image, index % 2) for index, image in enumerate(images)]
    maps, labels = heads.last_maps(model, samples)
    expected = model.features(heads.networks.normalize(images)).detach()
    torch.testing.assert_close(maps.float(), expected, rtol=0.03, atol=0.03)
    assert labels.tolist() == [0, 1, 0, 1, 0]


def test_a_finished_row_is_not_made_again(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(heads.files, "results_dir", lambda: tmp_path)
    made = []

    def rows(seeds, done):
        for kind in heads.HEADS:
            if ("frozen", kind, 0) not in done:
                made.append(kind)
                yield {"setting": "frozen", "head": kind, "seed": 0, "accuracy": 0.5, "hits": "01"}

    monkeypatch.setattr(heads, "frozen_rows", rows)
    for _ in range(2):
        assert heads.main(["--setting", "frozen", "--seeds", "1"]) == 0
    assert made == list(heads.HEADS)
    table = pd.read_csv(tmp_path / "tables" / "c18_heads.csv", dtype={"hits": str})
    assert table["hits"].tolist() == ["01"] * 3
