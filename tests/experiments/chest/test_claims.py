"""The rules of C7 and C17: each verdict can be reached."""

import pytest

from xaihelpers.claims import Measure
from xaihelpers.experiments import CLAIMS


@pytest.mark.parametrize(
    ("accuracy", "real", "by_source", "verdict"),
    [
        (99.0, 0, None, "not testable here"),
        (99.0, 1, None, "confirmed"),
        (95.0, 1, 60.0, "confirmed"),  # the interval holds 95.83
        (99.0, 1, 99.5, "depends"),
        (93.0, 1, 99.5, "refuted"),
    ],
)
def test_c7_needs_real_images_and_more_than_their_source(
    accuracy: float, real: int, by_source: float | None, verdict: str
) -> None:
    measures = {"accuracy": Measure(accuracy, accuracy - 1, accuracy + 1, n=900, unit="%")}
    measures["real_images"] = Measure(real)
    if by_source is not None:
        measures["accuracy_by_source_alone"] = Measure(by_source)
    assert CLAIMS["C7"].judge(measures) == verdict


@pytest.mark.parametrize(
    ("resnet", "over_vgg", "over_resnet", "verdict"),
    [
        (11.1765, (0.01, 0.02), (0.01, 0.02), "confirmed"),
        (11.1765, (0.01, 0.02), (-0.01, 0.02), "depends"),
        (11.1765, (0.01, 0.02), (-0.03, -0.01), "refuted"),
        (11.69, (0.01, 0.02), (0.01, 0.02), "refuted"),
    ],
)
def test_c17_needs_the_counts_and_both_differences(
    resnet: float, over_vgg: tuple[float, float], over_resnet: tuple[float, float], verdict: str
) -> None:
    measures = {
        "parameters_densenet121": Measure(6.957),
        "parameters_vgg16": Measure(138.358),
        "parameters_resnet18": Measure(resnet),
        "accuracy_over_vgg16": Measure(sum(over_vgg) / 2, *over_vgg),
        "accuracy_over_resnet18": Measure(sum(over_resnet) / 2, *over_resnet),
    }
    assert CLAIMS["C17"].judge(measures) == verdict
