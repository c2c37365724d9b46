"""Suspects over a data set: shares that add up, ratios by hand, repairs beside what they repair."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.retinopathy import corner_causes, corner_tables
from xaihelpers.metrics import factorial


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, 32, 1)
        self.relu = nn.ReLU()
        self.classes = nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.classes(self.relu(self.conv(images)).mean(dim=(2, 3)))


def record(index: int, masks: bool = True) -> Record:
    image = np.random.default_rng(index).integers(0, 255, (224, 224, 3), dtype=np.uint8)
    axis = np.arange(224) - 111.5
    retina = axis[:, None] ** 2 + axis[None] ** 2 < 100**2
    image[~retina] = 0
    return Record(image, index % 3, {"retina": retina} if masks else {}, str(index))


def data(make=record) -> Source:
    labels = np.arange(5) % 3
    return Source("toy", "real", ("a", "b", "c"), "test", 224, 0, labels, range(5), make, 1)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return Small().eval()


def test_the_suspects_of_a_data_set_are_those_of_its_images(model: nn.Module) -> None:
    suspects = corner_causes.Suspects(model, "relu", ("conv",))
    found = corner_tables.causes(suspects, data(), count=3, batch_size=2)["conv", "energy"]
    assert set(found) == set(factorial.subsets(tuple(corner_causes.FACTORS)))
    assert all(values.shape == (3,) for values in found.values())
    table = corner_tables.explained(found)
    assert set(table["suspect"]) == set(corner_causes.FACTORS)


def test_shares_of_the_whole_are_ratios_of_means() -> None:
    first, *others = corner_causes.FACTORS
    # the first factor adds 3 and 5, the second 1 and 1, the rest nothing
    outcomes = {
        chosen: (first in chosen) * np.array([3.0, 5]) + (others[0] in chosen) * np.ones(2)
        for chosen in factorial.subsets(tuple(corner_causes.FACTORS))
    }
    assert corner_tables.whole_effect(outcomes).estimate == 5
    assert corner_tables.share_of_whole(outcomes, first).estimate == pytest.approx(4 / 5)
    assert corner_tables.explained(outcomes)["suspect"].tolist()[:2] == [first, others[0]]
    assert corner_tables.explained(outcomes)["of the whole"].tolist()[:3] == ["80%", "20%", "0%"]


def test_repairs_stand_beside_what_they_repair(model: nn.Module) -> None:
    layers = {"pooled": "relu", "signed": "conv"}
    table = corner_tables.repair_scores(model, data(), layers, count=4)
    assert len(table) == 4 * 2 * 6
    pooled = table[table["layer"] == "pooled"].set_index(["method", "image"])
    assert (pooled["negative"] == 0).all()
    np.testing.assert_allclose(
        pooled.loc["xgrad_cam", "outside"], pooled.loc["grad_cam", "outside"], rtol=1e-4
    )


def test_smaller_images_give_coarser_grids(model: nn.Module) -> None:
    table = corner_tables.grid_scores(model, data(), "relu", (224, 96), count=2)
    assert table.groupby("layer").size().to_dict() == {"224 px, 7 x 7": 2, "96 px, 3 x 3": 2}
    assert table["outside"].between(0, 1).all()


def test_images_without_a_retina_are_refused(model: nn.Module) -> None:
    bare = data(lambda index: record(index, masks=False))
    with pytest.raises(EvaluationError, match="retina"):
        corner_tables.repair_scores(model, bare, {"signed": "conv"}, count=2)
