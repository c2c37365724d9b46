"""The rules of C10, C11 and C12 say confirmed, refuted or depends where their texts do."""

import pytest

from xaihelpers.claims import ClaimError, Measure, Verdict
from xaihelpers.experiments.objects.claims import C10, C11, C12


def around(value: float, reach: float = 0.02) -> Measure:
    return Measure(value, value - reach, value + reach, n=100)


def switches(
    plain: float, guided: float, blind: float, detail: float, name: str = "resnet18"
) -> dict[str, Measure]:
    return {
        f"{name}: switch of Grad-CAM": around(plain),
        f"{name}: switch of Guided Grad-CAM": around(guided),
        f"{name}: guided backprop less half of Grad-CAM": around(blind),
        f"{name}: detail": around(detail),
    }


@pytest.mark.parametrize(
    ("figures", "verdict"),
    [
        ((0.8, 0.7, -0.3, 0.2), "confirmed"),
        ((0.51, 0.7, -0.3, 0.2), "depends"),  # the interval reaches below 0.5
        ((0.8, 0.3, -0.3, 0.2), "depends"),
        ((0.8, 0.7, -0.3, 0.6), "depends"),  # no finer than Grad-CAM
        ((0.01, 0.7, -0.3, 0.2), "refuted"),
        ((0.8, 0.7, 0.1, 0.2), "refuted"),  # guided backpropagation switches too
    ],
)
def test_c10_asks_for_a_switch_and_for_detail(
    figures: tuple[float, float, float, float], verdict: Verdict
) -> None:
    assert C10.judge(switches(*figures)) == verdict


def test_c10_depends_where_networks_disagree_and_needs_every_measure() -> None:
    good = switches(0.8, 0.7, -0.3, 0.2)
    assert C10.judge(good | switches(0.8, 0.7, 0.1, 0.2, "small_vgg")) == "depends"
    del good["resnet18: detail"]
    with pytest.raises(ClaimError, match='"resnet18: detail" is missing'):
        C10.judge(good)


@pytest.mark.parametrize(
    ("gains", "price", "verdict"),
    [
        ((-0.2, -0.3), 0.05, "confirmed"),
        ((-0.2, -0.3), 0.11, "confirmed"),  # not above 0.1: the interval reaches below
        ((-0.2, -0.3), 0.2, "depends"),
        ((-0.2, 0.1), 0.05, "depends"),
        ((-0.01, 0.1), 0.05, "refuted"),
    ],
)
def test_c11_weighs_the_gain_against_the_price(
    gains: tuple[float, float], price: float, verdict: Verdict
) -> None:
    measures = {}
    for name, gain in zip(("resnet18", "small_vgg"), gains, strict=True):
        measures[f"{name}: gain over a fixed box"] = around(gain)
        measures[f"{name}: price of 15 %"] = around(price)
    assert C11.judge(measures) == verdict


@pytest.mark.parametrize(
    ("paper", "best", "verdict"),
    [
        (0.05, 0.04, "confirmed"),
        (0.05, 0.01, "depends"),
        (0.05, -0.04, "depends"),
        (-0.05, -0.04, "refuted"),
    ],
)
def test_c12_asks_for_a_better_model_at_both_thresholds(
    paper: float, best: float, verdict: Verdict
) -> None:
    measures = {
        "trained on seeds at 20 %": around(paper),
        "trained on seeds at the best threshold": around(best),
    }
    assert C12.judge(measures) == verdict


def test_c12_does_not_rest_on_raw_seeds() -> None:
    measures = {
        "trained on seeds at 20 %": around(0.05),
        "trained on seeds at the best threshold": around(0.05),
        "raw seeds at 20 %": around(-0.2),
    }
    assert C12.judge(measures) == "confirmed"
