"""The measured table behind the page on which layer to hook."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import METHODS, explain
from xaihelpers.experiments.layers import measure as layer_guide
from xaihelpers.metrics.localization import energy_in_mask


class Net(nn.Module):
    """Signed features, then a ReLU, then average pooling and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.signed = nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.last(self.signed(images)).mean((2, 3)))


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    return Net().eval()


def pictures(count: int) -> tuple[Tensor, Tensor]:
    """uint8 images and a mask of the left quarter."""
    images = torch.randint(256, (count, 3, 16, 16), dtype=torch.uint8)
    mask = torch.zeros(count, 16, 16, dtype=torch.bool)
    mask[:, :, :4] = True
    return images, mask


def test_lift_is_one_for_a_flat_map_and_four_for_a_map_that_is_the_mask() -> None:
    _, mask = pictures(2)
    heat = torch.stack([torch.ones(16, 16), mask[1].float()])
    found = layer_guide.scores(heat, mask)
    torch.testing.assert_close(found["lift"], torch.tensor([1.0, 4.0]))
    torch.testing.assert_close(found["energy"], torch.tensor([0.25, 1.0]))


def test_rows_score_the_maps_that_explain_gives(net: nn.Module) -> None:
    images, mask = pictures(10)
    rows = layer_guide.layer_rows(net, ["signed", "last"], images, mask)
    shown = layer_guide.networks.normalize(images)
    expected = explain(net, shown, "last", methods=list(METHODS)).maps
    for name in METHODS:
        torch.testing.assert_close(
            rows["last", name]["energy"], energy_in_mask(expected[name], mask)
        )


def test_a_layer_behind_a_relu_has_no_negative_cells_and_a_signed_one_has(net: nn.Module) -> None:
    images, mask = pictures(2)
    rows = layer_guide.layer_rows(net, ["signed", "last"], images, mask)
    signed, rectified = rows["signed", "grad_cam"], rows["last", "grad_cam"]
    assert (signed["negative cells"] > 0).all()
    for name in layer_guide.SIGNS:
        assert (rectified[name] == 0).all()


def test_only_images_with_a_finding_are_kept() -> None:
    data = layer_guide.datasets.load("fundus", split="test")
    images, masks = layer_guide.shown(data, layer_guide.FINDINGS["fundus"], 5)
    assert images.shape[0] == masks.shape[0] == 5
    assert masks.flatten(1).any(dim=1).all()


def test_another_sample_does_not_overwrite_the_shipped_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(layer_guide, "open_setup", lambda *names: names)
    monkeypatch.setattr(layer_guide, "study_table", lambda study, count: pd.DataFrame({"n": [5]}))
    path = tmp_path / "results" / "tables" / "which_layer.csv"
    assert layer_guide.main(["--limit", "5"]) == 0
    assert "not written" in capsys.readouterr().out
    assert not path.exists()
    assert layer_guide.main([]) == 0
    assert path.exists()
