"""Identities 7, 8 and 10: counterfactuals, logit or probability, cells the model ignores."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from xaihelpers.cams import explain, targets
from xaihelpers.cams.maps import rectify
from xaihelpers.cams.methods import counterfactual, grad_cam, hires_cam

TOLERANCE = 1e-10


def relative(found: Tensor, expected: Tensor) -> float:
    assert expected.abs().max() > 0
    return float((found - expected).abs().max() / expected.abs().max())


def network(classes: int) -> nn.Module:
    features = [nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()]
    head = [nn.Flatten(), nn.Linear(8 * 36, 16), nn.ReLU(), nn.Linear(16, classes)]
    return nn.Sequential(*features, *head).double()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(4, 3, 6, 6, dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 6),
    size=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    seed=st.integers(0, 10_000),
)
def test_identity_07_grad_cam_minus_counterfactual_is_the_raw_map(
    channels: int, size: list[int], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, 2, channels, *size)
    activations, gradients = torch.randn(shape, generator=generator, dtype=torch.float64)
    raw = grad_cam(activations, gradients)
    difference = rectify(raw) - rectify(counterfactual(activations, gradients))
    assert (difference - raw).abs().max() < TOLERANCE * raw.abs().max().clamp(min=1)


@pytest.mark.parametrize("layer", ["1", "3"])
def test_identity_07_holds_for_explanations(images: Tensor, layer: str) -> None:
    net = network(3)
    raw = explain(net, images, layer, target=2).raw["grad_cam"]
    against = explain(net, images, layer, target=targets.counterfactual(2)).raw["grad_cam"]
    assert relative(rectify(raw) - rectify(against), raw) < TOLERANCE


def test_identity_08_with_two_classes_the_probability_map_is_the_logit_map_times_p_1_minus_p(
    images: Tensor,
) -> None:
    net = network(2)
    explained = explain(net, images, "3", target=targets.probability(0))
    p = explained.scores[:, None, None]
    difference = explain(net, images, "3", target=targets.difference(0, 1)).raw["grad_cam"]
    assert relative(explained.raw["grad_cam"], p * (1 - p) * difference) < TOLERANCE


def test_identity_08_probability_gradients_vanish_with_confidence(images: Tensor) -> None:
    net = network(3)
    sizes: dict[str, list[float]] = {"logit": [], "probability": []}
    confidence = []
    predicted = net(images).argmax(1)
    with torch.no_grad():
        for _ in range(3):
            net[-1].weight *= 20  # the same decisions, with 20 times the margin
            net[-1].bias *= 20
            for name, target in (("logit", targets.logit), ("probability", targets.probability)):
                explained = explain(net, images, "3", target=target(predicted))
                sizes[name].append(explained.raw["grad_cam"].abs().max().item())
            confidence.append(explained.scores.min().item())
    assert confidence == sorted(confidence)
    assert confidence[-1] > 0.999
    assert sizes["logit"][2] == pytest.approx(400 * sizes["logit"][0], rel=1e-9)
    assert sizes["probability"][2] < 1e-6 * sizes["probability"][0]


class OneCell(nn.Module):
    """A (N, 1, 2, 2) -> y = the value of the cell at the top left; nothing else is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images)[:, :, 0, 0]


ONE_CELL = torch.tensor([[[[1.0, 0.0], [0.0, 9.0]]]], dtype=torch.float64)


def test_identity_10_the_score_ignores_all_cells_but_one() -> None:
    changed = ONE_CELL.clone()
    changed[..., 1, :] = -5.0
    assert torch.equal(OneCell()(changed), OneCell()(ONE_CELL))


def test_identity_10_grad_cam_peaks_at_a_cell_the_model_did_not_use() -> None:
    raw = explain(OneCell(), ONE_CELL, "layer", target=0).raw["grad_cam"]
    assert raw.tolist() == [[[0.25, 0.0], [0.0, 2.25]]]  # alpha = 1/4


def test_identity_10_xgrad_cam_peaks_there_too() -> None:
    raw = explain(OneCell(), ONE_CELL, "layer", target=0, methods=["xgrad_cam"]).raw["xgrad_cam"]
    assert raw[0, 1, 1] == pytest.approx(0.9)  # weight 1/10


@pytest.mark.parametrize("method", ["hires_cam", "layer_cam"])
def test_identity_10_elementwise_methods_light_only_the_cell_that_was_used(method: str) -> None:
    raw = explain(OneCell(), ONE_CELL, "layer", target=0, methods=[method]).raw[method]
    assert raw.tolist() == [[[1.0, 0.0], [0.0, 0.0]]]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), row=st.integers(0, 4), column=st.integers(0, 4))
def test_identity_10_hires_cam_is_zero_wherever_the_gradient_is(
    seed: int, row: int, column: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    activations, gradients = torch.randn(2, 1, 4, 5, 5, generator=generator, dtype=torch.float64)
    gradients[..., row, column] = 0
    assert hires_cam(activations, gradients)[0, row, column] == 0
    assert grad_cam(activations, gradients)[0, row, column] != 0
