"""The evidence command: which images and figures it takes, and the tables it writes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xaihelpers import networks
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import SetupError
from xaihelpers.experiments.evidence import measure as evidence
from xaihelpers.experiments.evidence.measure import Order
from xaihelpers.run import cli
from xaihelpers.setups import Setup


def record(index: int) -> Record:
    image = np.random.default_rng(index).integers(0, 255, (32, 32, 3), dtype=np.uint8)
    spot = np.zeros((32, 32), bool)
    spot[4:12, 4:12] = index % 2 > 0
    return Record(image, index % 2, {"opacity": spot}, f"image{index}")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One study of ten small images and a network of one convolution; its home."""
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setitem(networks.LAYERS, "tiny", {"last": "0", "stage4": "0", "stage3": "0"})
    monkeypatch.setattr(evidence, "SETUPS", {"chest_xray": ("tiny",)})
    data = Source(
        *("chest_xray", "rendered", ("a", "b"), "test", 32, 0, np.arange(10) % 2, range(10)),
        make=record,
        version=1,
    )

    def opened(name: str, arch: str, data_root: str, seed: int) -> Setup:
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 4, 3, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
        card = {"sha256": "f" * 64, "arch": arch}
        return Setup(name, arch, data, nn.Sequential(*layers).eval(), card)

    monkeypatch.setattr(evidence, "open_setup", opened)
    return tmp_path


def test_cheap_figures_go_over_all_images_and_costly_ones_over_some() -> None:
    cheap, fresh, some = evidence.jobs(Order(images=0, fresh=100, some=20))
    assert (cheap.images, fresh.images, some.images) == (evidence.EVERY, 100, 20)
    assert "random_weights" not in cheap.priors
    assert fresh.priors == ("random_weights",)
    assert fresh.methods == ("grad_cam",)
    assert [job.images for job in evidence.jobs(Order(fresh=0, some=0))] == [evidence.EVERY]


def test_images_are_drawn_at_random_once_and_in_order() -> None:
    some = evidence.drawn(1000, 50, 0)
    assert some == sorted(set(some))
    assert len(some) == 50
    assert some == evidence.drawn(1000, 50, 0) != evidence.drawn(1000, 50, 1)
    assert evidence.drawn(30, 50, 0) == list(range(30))


def test_the_command_writes_one_table_per_network_with_its_provenance(tiny: Path) -> None:
    words = ["measure", "evidence", "chest_xray", "--images", "8", "--some", "3"]
    assert cli.main([*words, "--methods", "grad_cam", "layer_cam", "--layers", "last"]) == 0
    table = pd.read_csv(tiny / "results" / "tables" / "evidence_chest_xray_tiny.csv")
    assert set(table["data"]) == {"chest_xray"}
    assert set(table["checkpoint"]) == {"f" * 12}
    cheap, some = table[table["score"] == "energy"], table[table["score"] == "deletion"]
    assert set(cheap.loc[cheap["method"] == "grad_cam", "images"]) == {8}
    assert set(some["images"]) == {3}
    assert {"grad_cam", "layer_cam", "random_weights", "best_possible"} <= set(cheap["method"])
    assert not table.duplicated(["network", "layer", "method", "score"]).any()
    inside = table.dropna(subset=["low"])
    assert (inside["low"] <= inside["mean"]).all()
    assert (inside["mean"] <= inside["high"]).all()


def test_a_network_of_another_study_and_an_unknown_score_are_refused(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SetupError, match=r"no network \['vgg19'\]"):
        evidence.write_tables(archs=["vgg19"])
    with pytest.raises(SetupError, match=r"no network \['vgg19'\].*there are tiny"):
        evidence.write_tables(archs=["tiny", "vgg19"])
    with pytest.raises(SetupError, match=r"no setup \['fundi'\]; there are chest_xray"):
        evidence.write_tables(["chest_xray", "fundi"])
    with pytest.raises(SetupError, match=r"tiny has no layer \['stage9'\]; there are last"):
        evidence.write_tables(layers=("last", "stage9"))
    assert cli.main(["measure", "evidence", "--scores", "enery"]) == 2
    assert "no score 'enery'" in capsys.readouterr().err


def test_a_table_of_fewer_images_never_replaces_one_of_more(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(count: int) -> int:
        evidence.write_tables(images=count, fresh=0, some=0, scores=("energy",))
        (path,) = (tiny / "results" / "tables").glob("evidence_*.csv")
        return int(pd.read_csv(path)["images"].max())

    assert measured(4) == 4
    assert measured(8) == 8
    assert measured(4) == 8
    assert "it rests on more images" in capsys.readouterr().out
