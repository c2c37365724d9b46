"""Identity 12: which backward hooks lie, which break, and which do neither."""

import warnings

import pytest
import torch
from torch import Tensor, nn


class TimesFifteen(nn.Module):
    """Two multiplications in one module: dy/dx = 15."""

    def forward(self, x: Tensor) -> Tensor:
        return (x * 3.0) * 5.0


def conv_then_relu(inplace: bool) -> nn.Sequential:
    """x -> -2x + 1 -> ReLU on one channel, so that values and gradients can be read off."""
    convolution = nn.Conv2d(1, 1, 1, dtype=torch.float64)
    nn.init.constant_(convolution.weight, -2.0)
    nn.init.constant_(convolution.bias, 1.0)
    return nn.Sequential(convolution, nn.ReLU(inplace=inplace))


IMAGE = torch.tensor([[[[0.0, 1.0]]]], dtype=torch.float64)  # convolved: 1, -1; after ReLU: 1, 0


@pytest.mark.filterwarnings("ignore:Using a non-full backward hook:FutureWarning")
def test_identity_12_deprecated_backward_hook_reports_the_gradient_of_the_last_operation() -> None:
    module, seen = TimesFifteen(), []
    module.register_backward_hook(lambda _module, grad_in, _grad_out: seen.append(grad_in[0]))
    x = torch.ones(2, requires_grad=True)
    (true_gradient,) = torch.autograd.grad(module(x).sum(), x)
    assert torch.equal(true_gradient, torch.full((2,), 15.0))
    assert torch.equal(seen[0], torch.full((2,), 5.0))  # only the last factor: wrong


def test_identity_12_deprecated_backward_hook_warns_that_it_is_incomplete() -> None:
    module = TimesFifteen()
    module.register_backward_hook(lambda *_: None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        module(torch.ones(2, requires_grad=True))
    assert any("non-full backward hook" in str(warning.message) for warning in caught)


def test_identity_12_full_backward_hook_reports_the_module_s_gradient() -> None:
    module, seen = TimesFifteen(), []
    module.register_full_backward_hook(lambda _module, grad_in, _grad_out: seen.append(grad_in[0]))
    module(torch.ones(2, requires_grad=True)).sum().backward()
    assert torch.equal(seen[0], torch.full((2,), 15.0))


@pytest.mark.parametrize("hooked", [0, 1], ids=["layer before the ReLU", "the ReLU itself"])
def test_identity_12_full_backward_hook_breaks_on_an_in_place_relu(hooked: int) -> None:
    net = conv_then_relu(inplace=True)
    net[hooked].register_full_backward_hook(lambda *_: None)
    with pytest.raises(RuntimeError, match=r"BackwardHookFunction\w* is a view and is being"):
        net(IMAGE.clone().requires_grad_())


@pytest.mark.parametrize("inplace", [False, True])
def test_identity_12_tensor_hook_in_a_forward_hook_survives_an_in_place_relu(inplace: bool) -> None:
    net, seen = conv_then_relu(inplace), []
    net[0].register_forward_hook(lambda _m, _in, out: out.register_hook(seen.append) and None)
    net(IMAGE).sum().backward()
    assert torch.equal(seen[0], torch.tensor([[[[1.0, 0.0]]]], dtype=torch.float64))


@pytest.mark.parametrize("clone", [False, True])
def test_identity_12_an_in_place_relu_rewrites_what_was_captured_unless_cloned(clone: bool) -> None:
    net, captured = conv_then_relu(inplace=True), []
    net[0].register_forward_hook(
        lambda _m, _in, out: captured.append(out.detach().clone() if clone else out.detach())
    )
    net(IMAGE)
    convolved, rectified = [1.0, -1.0], [1.0, 0.0]
    assert captured[0].flatten().tolist() == (convolved if clone else rectified)
