"""Maps in memory: those of `explain`, scored row by row with the scores of a study."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xaihelpers import cams, datasets, networks, study
from xaihelpers.datasets.records import Record, Source

SIDE = 64


def record(label: int) -> Record:
    image = np.random.default_rng(label).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    spot, retina = np.zeros((2, SIDE, SIDE), bool)
    spot[:16, :16] = label > 0
    retina[:, :48] = True
    return Record(image, label, {"spot": spot, "retina": retina}, f"image{label}")


@pytest.fixture
def data() -> Source:
    labels = (0, 1, 2, 1, 0)
    return Source(
        "toy", "real", ("a", "b", "c"), "test", SIDE, 0, np.array(labels), labels, record, 1
    )


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(4, 3)).eval()


def test_every_image_layer_and_method_has_one_row(model: nn.Module, data: Source) -> None:
    layers = {"last": "1", "raw": "0"}
    maps = study.compute_maps(model, data, layers, ("grad_cam", "xgrad_cam"), batch_size=2)
    table = study.score_maps(maps, data, ("spot",), batch_size=2)
    rows = table.groupby(["layer", "method"]).size()
    assert rows.to_dict() == {
        (layer, method): 5
        for layer, methods in {
            "last": ("grad_cam", "xgrad_cam"),
            "raw": ("grad_cam", "xgrad_cam"),
            study.NO_LAYER: study.BASELINES,
        }.items()
        for method in methods
    }
    uniform = table[table["method"] == "uniform"]
    assert uniform["outside"].tolist() == pytest.approx([0.25] * 5)
    assert uniform.loc[uniform["label"] == 0, "energy"].isna().all()
    assert uniform[["hit", "peak_outside", "pearson_quarter"]].isna().all(axis=None)
    same = table[(table["layer"] == "last") & (table["method"] == "xgrad_cam")]
    known = same["pearson_quarter"].dropna()
    assert known.tolist() == pytest.approx([1] * len(known))
    assert table.loc[table["method"] == "grad_cam", "pearson_quarter"].isna().all()


def test_the_maps_kept_are_those_of_explain(model: nn.Module, data: Source) -> None:
    maps = study.compute_maps(model, data, {"last": "1"}, ("grad_cam",), count=3)
    images = networks.normalize(datasets.batch(data, [0, 1, 2])[0])
    found = cams.explain(model, images, "1")
    torch.testing.assert_close(maps.heat("last", "grad_cam", [1, 2]), found.maps["grad_cam"][1:])
    assert maps.predicted.tolist() == found.logits.argmax(dim=1).tolist()


def test_a_study_on_disk_and_maps_in_memory_have_the_same_figures(
    model: nn.Module, data: Source, tmp_path: Path
) -> None:
    layers, methods, scores = {"last": "1", "raw": "0"}, ("grad_cam", "layer_cam"), ("spot",)
    names = study.maps.LAYER_SCORES
    plan = study.Plan(methods, names, scores, study.BASELINES, batch_size=2)
    rows = study.run_study(
        [study.Subject("net", model, layers)], data, plan, tmp_path, progress=False
    )
    stored = study.without_own(study.priors_once(rows), "grad_cam")
    maps = study.compute_maps(model, data, layers, methods)
    there = study.score_maps(maps, data, scores)
    columns = ["image", "layer", "method", "label", "predicted", "empty", *names]
    one, other = (
        table[columns].sort_values(["image", "layer", "method"], ignore_index=True)
        for table in (stored, there)
    )
    pd.testing.assert_frame_equal(one, other, atol=1e-6, check_dtype=False)


def test_a_flat_map_gives_every_kind_its_share(data: Source) -> None:
    flat = {("last", "grad_cam"): torch.ones(5, 4, 4)}
    maps = study.DatasetMaps(flat, torch.zeros(5, dtype=torch.int64), (SIDE, SIDE))
    assert study.lift_by_kind(maps, data, "last", "grad_cam", ("retina",)) == {
        "retina": pytest.approx(np.zeros(5))  # min-max makes a flat map zero
    }
    flat["last", "grad_cam"][:, :, :3] += 1.0
    lift = study.lift_by_kind(maps, data, "last", "grad_cam", ("spot", "retina"))
    assert len(lift["spot"]) == 3  # class 0 shows none
    assert (lift["retina"] > 1).all()
