"""The measured table behind the page on which layer to hook."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from xaihelpers import datasets, networks
from xaihelpers.cams import METHODS, explain
from xaihelpers.experiments.layers import measure as layers
from xaihelpers.metrics import energy_in_mask
from xaihelpers.run import cli
from xaihelpers.setups import FINDINGS, Setup
from xaihelpers.study import finding_mask


class Net(nn.Module):
    """Signed features, then a ReLU, then average pooling and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.signed = nn.Conv2d(3, 4, 3, 4, 1)
        self.last = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.last(self.signed(images)).mean((2, 3)))


@pytest.fixture
def setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Setup:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setitem(networks.LAYERS, "net", {"last": "last", "signed": "signed"})
    torch.manual_seed(0)
    data = datasets.load("chest_xray", size=64, limit=12, cache=False)
    return Setup("chest_xray", "net", data, Net().eval(), {"sha256": "f" * 64})


def test_rows_score_the_maps_that_explain_gives(setup: Setup) -> None:
    rows = layers.setup_rows(setup, 5)
    indices = layers.with_finding(setup.data, FINDINGS["chest_xray"], 5)
    images, _, masks = datasets.batch(setup.data, indices)
    expected = explain(setup.model, networks.normalize(images), "last", methods=list(METHODS)).maps
    finding = finding_mask(masks, FINDINGS["chest_xray"])
    for name in METHODS:
        part = rows[(rows["layer"] == "last") & (rows["method"] == name)]
        assert part["image"].tolist() == indices
        energies = energy_in_mask(expected[name], finding)
        assert part["energy"].tolist() == pytest.approx(energies.tolist(), abs=1e-6)


def test_a_layer_behind_a_relu_has_no_negative_cells_and_a_signed_one_has(setup: Setup) -> None:
    rows = layers.setup_rows(setup, 3)
    grad_cam = rows[rows["method"] == "grad_cam"].set_index("layer")
    assert (grad_cam.loc["signed", "negative_cells"] > 0).all()
    assert (grad_cam.loc["last", list(layers.SIGNS)] == 0).all(axis=None)
    assert rows.loc[rows["method"] == "edges", list(layers.SIGNS)].isna().all(axis=None)


def test_prior_maps_stand_once_and_every_layer_has_every_method(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {"role": ["last", "signed"], "module": ["last", "signed"], "channels": [4, 4]}
    monkeypatch.setattr(networks, "layer_table", lambda arch, size: pd.DataFrame(about))
    table = layers.setup_table(setup, 4)
    assert table["method"].tolist() == [*METHODS, *METHODS, *layers.PRIORS]
    assert table["role"].tolist() == ["last"] * len(METHODS) + ["signed"] * len(METHODS) + ["-"] * 2
    assert set(table["images"]) == {4}
    assert set(table["checkpoint"]) == {"f" * 12}


def test_only_images_with_a_finding_are_kept() -> None:
    data = datasets.load("fundus", split="test", limit=20, cache=False)
    indices = layers.with_finding(data, FINDINGS["fundus"], 5)
    shown = finding_mask(datasets.batch(data, range(20))[2], FINDINGS["fundus"])
    assert indices == shown.flatten(1).any(dim=1).nonzero()[:5, 0].tolist()


def test_another_sample_does_not_overwrite_the_shipped_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(layers, "open_setup", lambda *names: names)
    monkeypatch.setattr(layers, "setup_table", lambda setup, count: pd.DataFrame({"n": [5]}))
    path = tmp_path / "results" / "tables" / "which_layer.csv"
    assert cli.main(["measure", "layers", "--limit", "5"]) == 0
    assert "not written" in capsys.readouterr().out
    assert not path.exists()
    assert cli.main(["measure", "layers"]) == 0
    assert path.exists()
