"""Packed convolutions are the convolutions they stand for, quick or not."""

import copy

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import METHODS, explain
from xaihelpers.cams.engine.accelerate import accelerate
from xaihelpers.cams.engine.packed import ACTIVATIONS, PackedConv2d, packable, runs_packed

ALL = tuple(METHODS)

pytestmark = pytest.mark.skipif(
    not packable(nn.Conv2d(1, 1, 1)), reason="needs a torch with oneDNN for the CPU"
)


def outputs(module: PackedConv2d, images: Tensor) -> tuple[Tensor, Tensor]:
    """Of the quick pass, and of convolution and activation one after the other."""
    with torch.no_grad():
        quick = module(images)
        return quick, module.activation(module.convolution(images))


@pytest.mark.parametrize("kind", [None, *ACTIVATIONS])
@pytest.mark.parametrize("groups", [1, 4])
def test_the_quick_pass_gives_what_the_two_modules_give(
    kind: type[nn.Module] | None, groups: int
) -> None:
    convolution = nn.Conv2d(4, 8, 3, stride=2, padding=1, dilation=2, groups=groups)
    module = PackedConv2d(convolution, None if kind is None else kind())
    for size in (11, 24):
        quick, plain = outputs(module, torch.randn(2, 4, size, size))
        torch.testing.assert_close(quick, plain)


def test_gradients_pass_where_they_are_recorded() -> None:
    module = PackedConv2d(nn.Conv2d(3, 4, 3), nn.SiLU())
    images = torch.randn(2, 3, 8, 8, requires_grad=True)
    (found,) = torch.autograd.grad(module(images).sum(), images)
    plain = module.activation(module.convolution(images)).sum()
    torch.testing.assert_close(found, torch.autograd.grad(plain, images)[0])


def test_weights_that_change_are_packed_again() -> None:
    module, images = PackedConv2d(nn.Conv2d(3, 4, 3)), torch.randn(2, 3, 8, 8)
    before, _ = outputs(module, images)
    with torch.no_grad():
        module.convolution.weight.mul_(2)
    after, plain = outputs(module, images)
    torch.testing.assert_close(after, plain)
    assert not torch.allclose(before, after)
    quick, plain = outputs(module.bfloat16(), images.bfloat16())
    torch.testing.assert_close(quick, plain)


def test_where_the_private_operators_fail_the_stock_convolution_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Tensor:
        raise RuntimeError("the bf16 path needs a cpu with avx_ne_convert")

    module, images = PackedConv2d(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.randn(2, 3, 8, 8)
    _, plain = outputs(module, images)
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", fail)
    runs_packed.cache_clear()
    try:
        assert not packable(module.convolution)
        assert torch.equal(outputs(module, images)[0], plain)
    finally:
        runs_packed.cache_clear()


def test_an_accelerated_bfloat16_network_runs_on_any_processor(
    net: nn.Module, images: Tensor
) -> None:
    fast = accelerate(net, ["last"], torch.bfloat16, images, ())
    assert explain(fast, images, "last", target=2).raw["grad_cam"].isfinite().all()


def test_a_module_in_use_can_be_copied() -> None:
    module, images = PackedConv2d(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.randn(2, 3, 8, 8)
    quick, _ = outputs(module, images)
    assert torch.equal(outputs(copy.deepcopy(module), images)[0], quick)
    assert set(module.state_dict()) == {"convolution.weight", "convolution.bias"}


@pytest.mark.parametrize(
    "module",
    [
        nn.Conv2d(3, 4, 3, padding="same"),
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(3, 4, 3).double(),
        nn.ConvTranspose2d(3, 4, 3),
        nn.Conv1d(3, 4, 3),
        nn.Linear(3, 4),
    ],
    ids=str,
)
def test_other_modules_stay_as_they_are(module: nn.Module) -> None:
    assert not packable(module)


def test_the_copy_packs_convolution_batch_norm_and_activation(net: nn.Module) -> None:
    stem = accelerate(net, ["last"]).stem
    assert isinstance(stem[0], PackedConv2d)
    assert isinstance(stem[0].activation, nn.ReLU)
    assert [type(module) for module in stem[1:]] == [nn.Identity, nn.Identity]


@pytest.mark.parametrize("layer", ["stem.0", "stem.1", "stem.2", "stem", "last.0", "last"])
def test_the_packed_copy_gives_the_same_maps(net: nn.Module, images: Tensor, layer: str) -> None:
    expected = explain(net, images, layer, target=2, methods=ALL)
    result = explain(accelerate(net, [layer]), images, layer, target=2, methods=ALL)
    torch.testing.assert_close(result.logits, expected.logits)
    for name in ALL:
        torch.testing.assert_close(result.raw[name], expected.raw[name], rtol=1e-4, atol=1e-6)


def test_an_activation_used_twice_is_not_packed(images: Tensor) -> None:
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)
            self.relu = nn.ReLU()

        def forward(self, values: Tensor) -> Tensor:
            return self.relu(self.second(self.relu(self.first(values)))).mean((2, 3))

    torch.manual_seed(0)
    model = Shared().eval()
    fast = accelerate(model, ["second"])
    assert isinstance(fast.relu, nn.ReLU)
    with torch.no_grad():
        torch.testing.assert_close(fast(images), model(images))


@pytest.mark.filterwarnings("ignore:no gradient reaches")  # the one class is off
def test_a_kept_part_that_ends_in_a_convolution_keeps_its_output(images: Tensor) -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.part = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 3))
            self.norm, self.relu = nn.BatchNorm2d(4), nn.ReLU()

        def forward(self, values: Tensor) -> Tensor:
            return self.relu(self.norm(self.part(values))).mean((2, 3))

    torch.manual_seed(0)
    model = Parts().eval()
    model.norm.running_mean.uniform_(0.5, 1.5)
    for layer, norm in (("part", nn.BatchNorm2d), ("norm", nn.Identity), ("relu", nn.Identity)):
        fast = accelerate(model, [layer])
        assert type(fast.norm) is norm
        expected, found = (explain(network, images, layer, target=1) for network in (model, fast))
        torch.testing.assert_close(found.raw["grad_cam"], expected.raw["grad_cam"])
