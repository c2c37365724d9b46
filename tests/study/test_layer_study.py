"""Rows per image, layer and method; figures with intervals from them."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from xaihelpers import cams, datasets, networks
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement, corners, localization
from xaihelpers.study import layer_study

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
    seen = layer_study.look(model, data, layers, ("grad_cam", "xgrad_cam"), batch_size=2)
    table = layer_study.layer_scores(seen, data, ("spot",), batch_size=2)
    rows = table.groupby(["layer", "method"]).size()
    assert rows.to_dict() == {
        (layer, method): 5
        for layer, methods in {
            "last": ("grad_cam", "xgrad_cam"),
            "raw": ("grad_cam", "xgrad_cam"),
            "-": ("centre_gaussian", "uniform"),
        }.items()
        for method in methods
    }
    uniform = table[table["method"] == "uniform"]
    assert uniform["outside"].tolist() == pytest.approx([0.25] * 5)
    assert uniform.loc[uniform["label"] == 0, "energy"].isna().all()
    same = table[(table["layer"] == "last") & (table["method"] == "xgrad_cam")]
    assert same["pearson"].dropna().tolist() == pytest.approx([1] * len(same["pearson"].dropna()))


def test_the_maps_kept_are_those_of_explain(model: nn.Module, data: Source) -> None:
    seen = layer_study.look(model, data, {"last": "1"}, ("grad_cam",), count=3)
    images = networks.normalize(datasets.batch(data, [0, 1, 2])[0])
    found = cams.explain(model, images, "1")
    torch.testing.assert_close(seen.heat("last", "grad_cam", [1, 2]), found.maps["grad_cam"][1:])
    assert seen.labels.tolist() == [0, 1, 2]


def test_a_flat_map_gives_every_kind_its_share(data: Source) -> None:
    flat = {("last", "grad_cam"): torch.ones(5, 4, 4)}
    seen = layer_study.Seen(flat, torch.zeros(5, dtype=torch.int64), torch.zeros(5), (SIDE, SIDE))
    assert layer_study.lift_by_kind(seen, data, "last", "grad_cam", ("retina",)) == {
        "retina": pytest.approx(np.zeros(5))  # min-max makes a flat map zero
    }
    flat["last", "grad_cam"][:, :, :3] += 1.0
    lift = layer_study.lift_by_kind(seen, data, "last", "grad_cam", ("spot", "retina"))
    assert len(lift["spot"]) == 3  # class 0 shows none
    assert (lift["retina"] > 1).all()


def test_energies_and_peaks_are_those_of_localization() -> None:
    generator = torch.Generator().manual_seed(0)
    heat = torch.rand(6, 32, 32, generator=generator)
    heat[5] = 0.0
    finding, retina = torch.rand(2, 6, 32, 32, generator=generator) > 0.5
    scores = layer_study.map_scores(heat, finding, retina)
    for energy, hit, mask in (
        ("energy", "hit", finding),
        ("outside", "peak_outside", ~retina),
        ("corner", "peak_corner", corners.corner_triangles((32, 32)).expand(6, 32, 32)),
    ):
        torch.testing.assert_close(scores[energy], localization.energy_in_mask(heat, mask))
        assert scores[hit].tolist() == localization.pointing_hit(heat, mask).tolist()
    assert scores["empty"].tolist() == [False] * 5 + [True]


def test_without_findings_and_retina_those_columns_are_unknown() -> None:
    scores = layer_study.map_scores(torch.rand(2, 8, 8))
    for name in ("energy", "hit", "near", "outside", "peak_outside"):
        assert scores[name].isnan().all()
    assert not scores["corner"].isnan().any()


def test_a_peak_near_a_finding_counts_as_near_and_not_as_a_hit() -> None:
    heat, finding = torch.zeros(1, 40, 40), torch.zeros(1, 40, 40, dtype=torch.bool)
    heat[0, 20, 20] = 1.0
    finding[0, 20, 35] = True
    scores = layer_study.map_scores(heat, finding)
    assert (scores["hit"].item(), scores["near"].item()) == (0, 1)


def test_likeness_holds_every_figure_and_is_full_for_equal_maps() -> None:
    heat = torch.rand(2, 64, 64, generator=torch.Generator().manual_seed(0))
    found = layer_study.likeness(heat, heat)
    assert set(found) == set(agreement.AGREEMENTS)
    assert all(values.tolist() == pytest.approx([1, 1]) for values in found.values())


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "image": [0, 1, 2, 2, 1, 0],
            "method": ["a"] * 3 + ["b"] * 3,
            "energy": [1.0, 2.0, 4.0, 1.0, 1.0, np.nan],
        }
    )


def test_means_and_differences_are_taken_image_by_image(table: pd.DataFrame) -> None:
    assert layer_study.mean_of(table, "energy", method="b").count == 2
    found = layer_study.paired(table, "energy", {"method": "a"}, {"method": "b"})
    assert (found.estimate, found.count) == ((1 + 3) / 2, 2)


def test_a_choice_of_several_rows_per_image_is_refused(table: pd.DataFrame) -> None:
    with pytest.raises(EvaluationError, match="one row per image"):
        layer_study.mean_of(table, "energy")
    with pytest.raises(EvaluationError, match="0 rows"):
        layer_study.mean_of(table, "energy", method="c")
