"""Measures from tables: by hand, paired by image, NaN where nothing can be measured."""

from math import isnan, nan

import numpy as np
import pandas as pd
import pytest

from xaihelpers.claims.verdicts import VERDICTS
from xaihelpers.experiments import CLAIMS
from xaihelpers.experiments.retinopathy import measures
from xaihelpers.experiments.retinopathy.corner_causes import FACTORS
from xaihelpers.metrics import factorial

COLUMNS = (
    *("energy", "hit", "hit_15px", "outside"),
    *("pearson_quarter", "top_iou_quarter", "half", "entropy"),
)


def scores(known: bool = True, images: int = 4, shift: float = 0.0) -> pd.DataFrame:
    """A table in which XGrad-CAM's every figure is 0.1 above Grad-CAM's, image by image."""
    rows = []
    for layer in ("last", "stage4"):
        for add, method in enumerate(("grad_cam", "grad_cam_plus_plus", "xgrad_cam")):
            for image in range(images):
                value = 0.1 * image + {0: 0.0, 1: 0.05, 2: 0.1}[add] + shift
                rows.append({"layer": layer, "method": method, "image": image, "value": value})
    for method in ("centre_gaussian", "uniform"):
        rows += [{"layer": "-", "method": method, "image": i, "value": 0.5} for i in range(images)]
    table = pd.DataFrame(rows)
    masked = ("energy", "hit", "hit_15px", "outside")
    for column in COLUMNS:
        table[column] = table["value"] if known or column not in masked else nan
    return table


BOTH = {"efficientnet_b0": scores(), "vgg19": scores(images=3, shift=-0.2)}
BARE = {"efficientnet_b0": scores(known=False), "vgg19": scores(known=False)}


def test_c1_reads_the_likeness_of_grad_cam_plus_plus() -> None:
    found = measures.c1(BOTH)
    assert found["efficientnet_b0 last correlation"].value == pytest.approx(0.15 + 0.05)
    assert {"vgg19 last overlap", "vgg19 stage4 correlation"} <= set(found)


def test_c2_is_xgrad_cam_less_grad_cam_and_its_energy_over_the_area() -> None:
    found = measures.c2(BOTH)
    assert found["vgg19 stage4 excess"].value == pytest.approx(0.1)
    assert found["vgg19 stage4 excess"].n == 3
    # XGrad-CAM 0.1, 0.2, 0.3, 0.4 over an area of 0.5
    assert found["efficientnet_b0 last lift"].value == pytest.approx(0.25 / 0.5)


def test_c3_holds_the_whole_effect_and_every_suspects_share() -> None:
    weights = dict(zip(FACTORS, range(1, 10), strict=True))
    base = np.array([1.0, 2.0, 3.0])
    outcomes = {
        chosen: base * sum(weights[name] for name in chosen)
        for chosen in factorial.subsets(tuple(FACTORS))
    }
    found = measures.c3({("features.6", "energy"): outcomes, ("features.6", "peak"): outcomes})
    assert found["features.6: whole effect"].value == pytest.approx(2 * 45)
    assert found["features.6: noise"].value == pytest.approx(weights["noise"] / 45)
    assert len(found) == 1 + len(FACTORS)
    assert CLAIMS["C3"].judge(found) in VERDICTS  # every suspect is one that the claim expects


def test_c4_compares_the_networks_on_the_images_that_both_have_seen() -> None:
    found = measures.c4(BOTH)
    assert len(found) == 6
    assert all(m.value == pytest.approx(-0.2) and m.n == 3 for m in found.values())


def test_c5_compares_with_the_blob_and_with_random_weights() -> None:
    random = {arch: scores(shift=-0.3) for arch in BOTH}
    found = measures.c5(BOTH, random)
    assert found["efficientnet_b0 energy over random weights"].value == pytest.approx(0.3)
    assert found["efficientnet_b0 pointing over centre"].value == pytest.approx(0.15 - 0.5)
    assert found["vgg19 peak within 15 px"].value == pytest.approx(0.1 - 0.2)


def test_c6_takes_the_usual_eps_against_grad_cam_and_the_largest_against_the_smallest() -> None:
    rows = [("grad_cam", nan, 2.0), ("xgrad_cam", 1e-12, 1.0)]
    rows += [("xgrad_cam", 1e-7, 1.5), ("xgrad_cam", 1.0, 0.5)]
    table = pd.DataFrame(
        [
            {"image": i, "layer": "raw conv", "method": m, "eps": e, "variation": v, "stability": v}
            for m, e, v in rows
            for i in range(3)
        ]
    )
    found = measures.c6(table)
    assert found["raw conv: variation"].value == pytest.approx(-0.5)
    assert found["raw conv: eps"].value == pytest.approx(-0.5)


def test_c19_covers_every_layer_of_both_networks() -> None:
    found = measures.c19(BOTH)
    assert len(found) == 2 * 2 * 2
    assert found["vgg19 last: pointing"].value == pytest.approx(0.1)


def test_without_masks_the_claims_that_need_them_are_not_testable_here() -> None:
    for name, found in {
        "C2": measures.c2(BARE),
        "C5": measures.c5(BARE, BARE),
        "C19": measures.c19(BARE),
    }.items():
        assert any(isnan(m.value) for m in found.values())
        assert CLAIMS[name].judge(found) == "not testable here"
    assert CLAIMS["C1"].judge(measures.c1(BARE)) != "not testable here"


def test_one_network_alone_cannot_settle_claims_about_both() -> None:
    alone = {"vgg19": scores()}
    assert CLAIMS["C1"].judge(measures.c1(alone)) == "not testable here"
    assert CLAIMS["C4"].judge(measures.c4(alone)) == "not testable here"
    assert CLAIMS["C5"].judge(measures.c5(alone, alone)) == "not testable here"


def test_without_causes_the_claim_about_them_is_not_testable_here() -> None:
    assert CLAIMS["C3"].judge(measures.c3({})) == "not testable here"


def test_the_names_of_the_measures_are_those_that_the_claims_expect() -> None:
    for name, found in {
        "C1": measures.c1(BOTH),
        "C2": measures.c2(BOTH),
        "C4": measures.c4(BOTH),
        "C5": measures.c5(BOTH, BOTH),
        "C19": measures.c19(BOTH),
    }.items():
        assert CLAIMS[name].judge(found) != "not testable here"


def test_one_image_is_too_few_for_a_measure() -> None:
    found = measures.c1({"vgg19": scores(images=1)})
    assert all(isnan(m.value) for m in found.values())
