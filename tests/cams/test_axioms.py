"""Conservation, sensitivity, bias terms and the denominator report: numbers by hand, refusals."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xaihelpers.cams import METHODS, ExplainError, TargetError
from xaihelpers.cams.axioms import (
    activations_and_gradients,
    bias_terms,
    channel_drops,
    channel_shares,
    conservation_error,
    denominator_report,
    sensitivity_error,
)


class Head(nn.Module):
    """The image is the layer: A = x (N, 2, 1, 2); y = 2 sum(A^0) - A^1_1 + 3; two classes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Identity()
        self.linear = nn.Linear(4, 2)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[2.0, 2.0, 0.0, -1.0], [1.0, 0.0, 0.0, 0.0]]))
            self.linear.bias.copy_(torch.tensor([3.0, 0.0]))

    def forward(self, images: Tensor) -> Tensor:
        return self.linear(self.layer(images).flatten(1))


# A^0 = (1, 2), A^1 = (5, 3), so y = 2 * 3 - 3 + 3 = 6 and d = (6, -3)
IMAGE = torch.tensor([[[[1.0, 2.0]], [[5.0, 3.0]]]])


class Branched(nn.Module):
    """A skip connection (or a concatenation) around the layer `inner`."""

    def __init__(self, join: str) -> None:
        super().__init__()
        self.join = join
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.inner = nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(8 if join == "cat" else 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        stem = F.relu(self.stem(images))
        inner = self.inner(stem)
        joined = torch.cat([stem, inner], 1) if self.join == "cat" else F.relu(stem + inner)
        return self.head(joined.mean((2, 3)))


def test_activations_and_gradients_are_the_layer_s_own() -> None:
    activations, gradients, score = activations_and_gradients(Head(), IMAGE, "layer", 0)
    assert torch.equal(activations, IMAGE)
    assert gradients.flatten().tolist() == [2.0, 2.0, 0.0, -1.0]
    assert score.tolist() == [6.0]


def test_channel_drops_are_the_numbers_worked_by_hand() -> None:
    assert channel_drops(Head(), IMAGE, "layer", 0).tolist() == [[6.0, -3.0]]


def test_conservation_error_by_hand() -> None:
    errors = conservation_error(Head(), IMAGE, "layer", 0)
    # HiResCAM and XGrad-CAM sum to G*A = 3 of y = 6; Grad-CAM to 2 * 3 - 0.5 * 8 = 2;
    # LayerCAM drops the negative part: 6
    assert errors["hires_cam"].item() == pytest.approx(3 / 6)
    assert errors["xgrad_cam"].item() == pytest.approx(3 / 6, rel=1e-5)
    assert errors["grad_cam"].item() == pytest.approx(4 / 6)
    assert errors["layer_cam"].item() == pytest.approx(0)


def test_sensitivity_error_by_hand() -> None:
    errors = sensitivity_error(Head(), IMAGE, "layer", 0)
    # drops (6, -3); Grad-CAM's shares (6, -4): |0| + |1| over 9; LayerCAM's (6, 0): 3 over 9
    assert errors["grad_cam"].item() == pytest.approx(1 / 9)
    assert errors["layer_cam"].item() == pytest.approx(3 / 9)
    assert errors["hires_cam"].item() == pytest.approx(0)
    assert errors["xgrad_cam"].item() == pytest.approx(0, abs=1e-6)


def test_bias_terms_by_hand() -> None:
    assert bias_terms(Head(), IMAGE, "layer", 0).tolist() == [3.0]
    assert bias_terms(Head(), IMAGE, "layer", 1).tolist() == [0.0]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_channel_shares_add_up_to_the_sum_of_the_map(
    method: Callable[[Tensor, Tensor], Tensor],
) -> None:
    activations, gradients = torch.randn(2, 3, 5, 4, 6, dtype=torch.float64)
    whole = method(activations, gradients).flatten(1).sum(1)
    assert torch.allclose(channel_shares(method, activations, gradients).sum(1), whole)


@pytest.mark.parametrize("join", ["add", "cat"])
@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_channel_drops_equal_running_the_network_channel_by_channel(join: str, chunk: int) -> None:
    net, images = Branched(join).eval().double(), torch.randn(2, 3, 5, 5, dtype=torch.float64)
    found = channel_drops(net, images, "inner", [2, 1], chunk)
    with torch.no_grad():
        for channel in range(4):

            def remove(_m: object, _i: object, out: Tensor, channel: int = channel) -> Tensor:
                out[:, channel] = 0
                return out

            full = net(images)
            handle = net.inner.register_forward_hook(remove)
            expected = (full - net(images))[[0, 1], [2, 1]]
            handle.remove()
            assert torch.allclose(found[:, channel], expected, rtol=1e-10, atol=1e-14)


def test_per_image_figures_do_not_depend_on_the_batch() -> None:
    net, images = Branched("add").double(), torch.randn(3, 3, 5, 5, dtype=torch.float64)
    together = sensitivity_error(net, images, "inner", [0, 1, 2], ["grad_cam"])["grad_cam"]
    alone = [
        sensitivity_error(net, images[i : i + 1], "inner", i, ["grad_cam"])["grad_cam"]
        for i in range(3)
    ]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-10)


@pytest.mark.parametrize("figure", [conservation_error, sensitivity_error, bias_terms])
def test_axioms_leave_no_trace(figure: Callable[..., object]) -> None:
    net, images = Branched("cat").train(), torch.randn(2, 3, 5, 5)
    for target in (0, 9):
        try:
            figure(net, images, "inner", target)
        except TargetError:
            assert target == 9
        assert all(module.training for module in net.modules())
        assert not any(module._forward_hooks for module in net.modules())
        assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), nn.LayerNorm([4, 5, 5])])
def test_bias_terms_refuse_what_is_not_affine(norm: nn.Module) -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    with pytest.raises(ExplainError, match="is not affine"):
        bias_terms(net, torch.randn(1, 3, 5, 5), "0")


def test_bias_terms_refuse_a_batch_norm_without_running_statistics() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    with pytest.raises(ExplainError, match="without running statistics"):
        bias_terms(net, torch.randn(2, 3, 5, 5), "0")


def test_denominator_report_by_hand() -> None:
    # four live channels and a dead one; sums 3, -1, 0.01, 2
    activations = torch.tensor([[[1.0, 2.0], [1.0, -2.0], [1.0, -0.99], [2.0, 0.0], [0.0, 0.0]]])
    # weights (G*A summed) / sum: 3/3 = 1; (1 - 4)/-1 = 3; (1 + 0)/0.01 = 100; 0/2 = 0
    gradients = torch.tensor([[[1.0, 1.0], [1.0, 2.0], [1.0, 0.0], [0.0, -1.0], [5.0, 5.0]]])
    report = denominator_report(activations, gradients)
    assert report.negative.tolist() == [0.25]
    assert report.cancelling.tolist() == [0.25]
    assert report.flipped.tolist() == [0.0]
    assert report.dominance.item() == pytest.approx(199 / (3 + 9 + 199), rel=1e-3)


def test_denominator_report_sees_a_flipped_weight() -> None:
    # sum A = -1, sum G*A = 2 * 1 + 0 * -2 = 2: the weight is -2 where the mean gradient is 1
    report = denominator_report(torch.tensor([[[1.0, -2.0]]]), torch.tensor([[[2.0, 0.0]]]))
    assert report.flipped.tolist() == [1.0]


def test_denominator_report_of_a_dead_layer_is_zero() -> None:
    report = denominator_report(torch.zeros(1, 3, 4), torch.ones(1, 3, 4))
    found = (report.negative, report.cancelling, report.flipped, report.dominance)
    assert [value.item() for value in found] == [0.0] * 4
