"""Guided backpropagation and Guided Grad-CAM: numbers by hand, every kind of ReLU, no trace."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from xaihelpers.cams.guided import guided_backprop, guided_grad_cam, guided_relu
from xaihelpers.errors import ExplainError, LayerNotFoundError, NothingCapturedError, TargetError


class TwoLayers(nn.Module):
    """x -> W x -> activation -> V h -> activation -> U h, no biases, on images (N, 3, 1, 1)."""

    def __init__(self, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.activation = activation
        self.first = nn.Conv2d(3, 3, 1, bias=False)
        self.second = nn.Conv2d(3, 2, 1, bias=False)
        self.last = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(torch.eye(3)[:, :, None, None])
            self.second.weight.copy_(
                torch.tensor([[1.0, -1.0, 0.0], [2.0, 1.0, 5.0]])[:, :, None, None]
            )
            self.last.weight.copy_(torch.tensor([[1.0, -1.0], [-1.0, 2.0]]))

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.activation(self.first(images))
        return self.last(self.activation(self.second(hidden)).flatten(1))


# x = (3, 1, -2): h = (3, 1, 0); V h = (2, 7), both positive.
# Class 0, plain: dy/dVh = (1, -1); dy/dh = (1-2, -1-1, -5) = (-1, -2, -5); dy/dx = (-1, -2, 0).
#   guided: (1, 0); (1, -1, 0); (1, 0, 0).
# Class 1, plain: (-1, 2); (-1+4, 1+2, 10) = (3, 3, 10); (3, 3, 0).
#   guided: (0, 2); (4, 2, 10); (4, 2, 0).
IMAGE = torch.tensor([3.0, 1.0, -2.0])[None, :, None, None]
PLAIN = torch.tensor([[-1.0, -2.0, 0.0], [3.0, 3.0, 0.0]])
GUIDED = torch.tensor([[1.0, 0.0, 0.0], [4.0, 2.0, 0.0]])

RELUS = {
    "nn.ReLU, reused": nn.ReLU(),
    "nn.ReLU in place, reused": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": lambda x: x.relu(),
    "Tensor.relu_": lambda x: x.relu_(),
    "clipped above these numbers": lambda x: F.hardtanh(x, 0.0, 100.0),
}


class SmallNet(nn.Module):
    """Conv, in-place ReLU, conv, functional ReLU, GAP, linear: (N, 3, H, W) -> (N, 4)."""

    def __init__(self, activation: Callable[[Tensor], Tensor] = F.relu) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.5)
        self.second = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 4)
        self.activation = activation

    def forward(self, images: Tensor) -> Tensor:
        hidden = self.drop(self.activation(self.norm(self.first(images))))
        return self.head(self.activation(self.second(hidden)).mean((2, 3)))


@pytest.fixture
def net() -> SmallNet:
    return SmallNet().eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(3, 3, 10, 12)


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
@pytest.mark.parametrize("target", [0, 1])
def test_guided_backprop_gives_the_numbers_worked_by_hand(
    relu: Callable[[Tensor], Tensor], target: int
) -> None:
    gradient = guided_backprop(TwoLayers(relu), IMAGE, target)
    assert torch.equal(gradient[0, :, 0, 0], GUIDED[target])


RELU6S = {
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6 in place": nn.ReLU6(inplace=True),
    "F.relu6": F.relu6,
    "F.relu6 in place": lambda x: F.relu6(x, inplace=True),
}


# h = (3, 1, 0) as before; V h = (2, 7) is clipped to (2, 6), so nothing passes the second unit.
# Class 0: (1, -1) becomes (1, 0); (1, -1, 0); (1, 0, 0). Class 1: (-1, 2) becomes (0, 0).
@pytest.mark.parametrize("relu6", RELU6S.values(), ids=RELU6S)
@pytest.mark.parametrize(("target", "expected"), [(0, [1.0, 0.0, 0.0]), (1, [0.0, 0.0, 0.0])])
def test_relu6_blocks_negative_gradients_and_saturated_units_by_hand(
    relu6: Callable[[Tensor], Tensor], target: int, expected: list[float]
) -> None:
    gradient = guided_backprop(TwoLayers(relu6), IMAGE, target)
    assert gradient[0, :, 0, 0].tolist() == expected


def test_a_hard_tanh_that_lets_negative_values_pass_is_no_relu(images: Tensor) -> None:
    with pytest.raises(ExplainError, match="runs no ReLU"):
        guided_backprop(SmallNet(nn.Hardtanh()), images)


def test_guided_backprop_takes_one_target_per_image() -> None:
    gradient = guided_backprop(TwoLayers(F.relu), IMAGE.expand(2, -1, -1, -1), [1, 0])
    assert torch.equal(gradient[:, :, 0, 0], GUIDED[[1, 0]])


def test_guided_backprop_explains_the_predicted_class_by_default() -> None:
    # logits are (2 - 7, -2 + 14) = (-5, 12)
    assert torch.equal(guided_backprop(TwoLayers(F.relu), IMAGE)[0, :, 0, 0], GUIDED[1])


def test_guided_backprop_takes_a_callable_target() -> None:
    gradient = guided_backprop(TwoLayers(F.relu), IMAGE, lambda logits: logits[:, 0])
    assert torch.equal(gradient[0, :, 0, 0], GUIDED[0])


def test_one_recorded_pass_is_guided_in_the_block_and_plain_after_it() -> None:
    model, leaf = TwoLayers(nn.ReLU(inplace=True)), IMAGE.clone().requires_grad_()
    with guided_relu(model):
        score = model(leaf)[0, 0]
        (inside,) = torch.autograd.grad(score, leaf, retain_graph=True)
    (after,) = torch.autograd.grad(score, leaf)
    assert torch.equal(inside[0, :, 0, 0], GUIDED[0])
    assert torch.equal(after[0, :, 0, 0], PLAIN[0])


def test_guided_relu_ends_with_the_block_even_after_an_error() -> None:
    model, leaf = TwoLayers(F.relu), IMAGE.clone().requires_grad_()
    with pytest.raises(ZeroDivisionError), guided_relu(model):
        raise ZeroDivisionError
    (gradient,) = torch.autograd.grad(model(leaf)[0, 0], leaf)
    assert torch.equal(gradient[0, :, 0, 0], PLAIN[0])


def test_a_batch_gives_what_its_images_give_one_by_one(net: SmallNet, images: Tensor) -> None:
    targets = [2, 0, 3]
    together = guided_backprop(net, images, targets)
    alone = [guided_backprop(net, images[i : i + 1], targets[i]) for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("activation", [F.silu, F.elu, F.gelu])
def test_a_network_without_relu_is_refused_and_told_why(
    activation: Callable[[Tensor], Tensor], images: Tensor
) -> None:
    with pytest.raises(ExplainError, match="runs no ReLU: guided backprop on it is the plain"):
        guided_backprop(SmallNet(activation), images)


def test_guided_relu_on_a_network_without_relu_is_the_plain_gradient(images: Tensor) -> None:
    model, leaf = SmallNet(F.silu).eval(), images.requires_grad_()
    with guided_relu(model) as rule:
        (guided,) = torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
    (plain,) = torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
    assert torch.equal(guided, plain)
    assert rule.calls == 0


def test_all_nonlinearities_blocks_negative_gradients_at_silu() -> None:
    model = TwoLayers(F.silu)
    leaf = IMAGE[0, :, 0, 0].clone().requires_grad_()
    hidden = F.silu(leaf).detach().requires_grad_()
    second = model.second.weight[:, :, 0, 0] @ hidden
    # class 1: (-1, 2) becomes (0, 2) in front of the second SiLU, then positive parts again
    (to_hidden,) = torch.autograd.grad(F.silu(second), hidden, torch.tensor([0.0, 2.0]))
    (expected,) = torch.autograd.grad(F.silu(leaf), leaf, to_hidden.clamp(min=0))
    found = guided_backprop(model, IMAGE, 1, nonlinearities="all")[0, :, 0, 0]
    assert torch.allclose(found, expected, rtol=1e-6)


def test_unknown_nonlinearities_are_refused(net: SmallNet, images: Tensor) -> None:
    with pytest.raises(ExplainError, match="one of relu, all"):
        guided_backprop(net, images, nonlinearities="silu")


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_guided_methods_work_inside_no_grad_and_inference_mode(
    context: Callable[[], object], net: SmallNet, images: Tensor
) -> None:
    expected = guided_backprop(net, images), guided_grad_cam(net, images, "second")
    with context():
        own = images * 1.0  # an inference tensor under inference_mode
        found = guided_backprop(net, own), guided_grad_cam(net, own, "second")
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def _trace(model: nn.Module) -> list[object]:
    modules = list(model.modules())
    return [
        [id(module) for module in modules],
        [module.training for module in modules],
        [len(module._forward_hooks) + len(module._backward_hooks) for module in modules],
        [(p.grad, p.requires_grad, p._version) for p in model.parameters()],
        [(buffer._version, buffer.sum().item()) for buffer in model.buffers()],
    ]


@pytest.mark.parametrize("target", [1, 99], ids=["success", "bad target"])
def test_guided_methods_leave_no_trace(images: Tensor, target: int) -> None:
    net = SmallNet().train()
    net.drop.eval()  # flags that differ between modules must come back as they were
    before, state = _trace(net), torch.get_rng_state()
    for method in (guided_backprop, lambda *a: guided_grad_cam(a[0], a[1], "second", a[2])):
        try:
            method(net, images, target)
        except TargetError:
            assert target == 99
    assert _trace(net) == before
    assert torch.equal(torch.get_rng_state(), state)
    assert not images.requires_grad
    assert images.grad is None


def test_a_model_that_raises_leaves_no_trace(images: Tensor) -> None:
    def broken(x: Tensor) -> Tensor:
        raise ZeroDivisionError

    net = SmallNet(broken).train()
    before = _trace(net)
    with pytest.raises(ZeroDivisionError):
        guided_grad_cam(net, images, "first")
    assert _trace(net) == before
    assert torch.is_grad_enabled()


def test_a_model_that_detaches_its_input_is_refused(images: Tensor) -> None:
    net = SmallNet(lambda x: F.relu(x.detach()))
    with pytest.raises(NothingCapturedError, match="does not depend on the images"):
        guided_backprop(net, images)


def test_a_wrapped_network_is_unwrapped(net: SmallNet, images: Tensor) -> None:
    expected = guided_backprop(net, images, 1)
    assert torch.equal(guided_backprop(nn.DataParallel(net), images, 1), expected)


def test_guided_relu_refuses_a_wrapper_and_says_what_to_pass(net: SmallNet) -> None:
    with pytest.raises(ExplainError, match="hooks.unwrap"), guided_relu(nn.DataParallel(net)):
        pass


@pytest.mark.filterwarnings("ignore:`torch.jit.script:FutureWarning")
def test_guided_relu_refuses_a_scripted_network(net: SmallNet) -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 1, 1), nn.ReLU()))
    with pytest.raises(ExplainError, match="TorchScript"), guided_relu(scripted):
        pass


def test_guided_grad_cam_is_guided_backprop_times_the_upsampled_rectified_grad_cam(
    net: SmallNet, images: Tensor
) -> None:
    captured: list[Tensor] = []
    handle = net.second.register_forward_hook(lambda _m, _i, out: captured.append(out))
    score = net(images)[:, 2].sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(score, captured[0])  # the plain gradient, not the guided one
    alpha = gradient.mean((2, 3), keepdim=True)
    heat = F.relu((alpha * captured[0].detach()).sum(1, keepdim=True))
    heat = F.interpolate(heat, images.shape[-2:], mode="bilinear", align_corners=False)
    assert heat.amax() > 0
    expected = guided_backprop(net, images, 2) * heat
    found = guided_grad_cam(net, images, "second", 2)
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-9)


def test_guided_grad_cam_runs_the_network_once(net: SmallNet, images: Tensor) -> None:
    runs: list[int] = []
    handle = net.first.register_forward_hook(lambda *_: runs.append(1))
    guided_grad_cam(net, images, "second")
    handle.remove()
    assert len(runs) == 1


def test_guided_grad_cam_is_zero_where_grad_cam_is_empty(net: SmallNet, images: Tensor) -> None:
    with torch.no_grad():
        net.second.bias.fill_(50.0)  # every channel positive ...
        net.head.weight[1] = -1.0  # ... and every channel against class 1
    assert torch.equal(guided_grad_cam(net, images, "second", 1), torch.zeros_like(images))


def test_guided_grad_cam_names_the_nearest_layers(net: SmallNet, images: Tensor) -> None:
    with pytest.raises(LayerNotFoundError, match="second"):
        guided_grad_cam(net, images, "secnd")
