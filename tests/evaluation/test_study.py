"""A data set through a network: rows per image and method, with and without masks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xaihelpers.datasets.records import Record, Source
from xaihelpers.evaluation import study
from xaihelpers.evaluation.errors import EvaluationError

SIDE = 16


def record(masked: bool, label: int) -> Record:
    image = np.random.default_rng(label).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    spot = np.zeros((SIDE, SIDE), bool)
    spot[:4, :4] = label > 0  # class 0 shows no finding
    masks = {"spot": spot, "organ": np.ones((SIDE, SIDE), bool)} if masked else {}
    return Record(image, label, masks, f"image{label}")


def data(masked: bool = True, labels: tuple[int, ...] = (0, 1, 2, 1, 0)) -> Source:
    return Source(
        name="toy",
        origin="real",
        classes=("a", "b", "c"),
        split="test",
        size=SIDE,
        seed=0,
        labels=np.array(labels),
        items=labels,
        make=lambda label: record(masked, label),
        version=1,
    )


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    return nn.Sequential(*layers).eval()


def test_every_image_has_a_row_per_method_and_baseline(model: nn.Module) -> None:
    scores = study.map_scores(model, data(), "0", ("grad_cam", "layer_cam"), ("spot",), 2)
    assert set(scores["method"]) == {"grad_cam", "layer_cam", *study.BASELINES}
    assert (scores.groupby("method")["name"].nunique() == 5).all()
    uniform = scores[scores["method"] == "uniform"]
    assert uniform["energy"].dropna().tolist() == pytest.approx([1 / 16] * 3)
    assert uniform.loc[uniform["label"] == 0, "energy"].isna().all()


def test_a_set_without_masks_keeps_what_the_network_says(model: nn.Module) -> None:
    scores = study.map_scores(model, data(masked=False), "0", ("grad_cam",), ("spot",))
    assert scores["energy"].isna().all()
    assert scores["label"].tolist()[:5] == [0, 1, 2, 1, 0]
    table = study.summary(scores)
    assert table["method"].tolist() == ["grad_cam", *study.BASELINES]
    assert set(table["images"]) == {0}
    assert set(table["energy in mask"]) == set(table["pointing"]) == {"-"}


def test_a_mask_that_the_set_lacks_is_an_error_where_it_has_others(model: nn.Module) -> None:
    with pytest.raises(EvaluationError, match="no mask.*lesion.*organ.*spot"):
        study.map_scores(model, data(), "0", ("grad_cam",), ("lesion",))


def test_the_summary_counts_findings_and_empty_maps_apart() -> None:
    scores = pd.DataFrame(
        {
            "method": ["grad_cam"] * 3,
            "energy": [np.nan, 0.0, 0.5],
            "hit": [np.nan, 0.0, 1.0],
            "empty": [True, True, False],
        }
    )
    row = study.summary(scores).iloc[0]
    assert (row["images"], row["empty maps"]) == (2, 2)
    assert row["energy in mask"] == "0.250 [0.000, 0.500]"


def test_one_image_gives_a_mean_without_interval() -> None:
    scores = pd.DataFrame({"method": ["m"], "energy": [0.5], "hit": [1.0], "empty": [False]})
    assert study.summary(scores).iloc[0]["pointing"] == "1.000"


def test_scores_read_back_from_a_file_are_the_same(model: nn.Module, tmp_path: Path) -> None:
    scores = study.map_scores(model, data(), "0", ("grad_cam",), ("spot",))
    scores.to_csv(tmp_path / "scores.csv", index=False)
    again = pd.read_csv(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(study.summary(again), study.summary(scores))
