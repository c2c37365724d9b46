"""Hooks see what they should and are gone afterwards; layers are found by name."""

from collections import namedtuple
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import LayerNotFoundError, NothingCapturedError
from xaihelpers.cams.hooks import BackwardHook, ForwardHook, capture, find_layer, unwrap

Pair = namedtuple("Pair", "first second")


def hook_count(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._backward_hooks) for m in model.modules())


def test_forward_hook_keeps_the_output(net: nn.Module, images: Tensor) -> None:
    with ForwardHook(net.head) as hook:
        logits = net(images)
    assert torch.equal(hook.output, logits)
    assert not hook.output.requires_grad
    assert hook_count(net) == 0


def test_forward_hook_keeps_every_use_of_a_module() -> None:
    relu = nn.ReLU()
    with ForwardHook(relu) as hook:
        relu(torch.tensor([1.0]))
        relu(torch.tensor([2.0]))
    assert [output.item() for output in hook.outputs] == [1, 2]


def test_forward_hook_is_not_fooled_by_an_in_place_operation() -> None:
    layer = nn.Identity()
    net = nn.Sequential(layer, nn.ReLU(inplace=True))
    with ForwardHook(layer) as copied, ForwardHook(layer, clone=False) as shared:
        net(torch.tensor([-1.0]))
    assert copied.output.item() == -1
    assert shared.output.item() == 0, "without the copy the ReLU changes what was kept"


def test_forward_hook_is_gone_after_an_error(net: nn.Module) -> None:
    with pytest.raises(ZeroDivisionError), ForwardHook(net.head):
        _ = 1 / 0
    assert hook_count(net) == 0


def test_forward_hook_says_when_the_module_has_not_run(net: nn.Module) -> None:
    with ForwardHook(net.head) as hook, pytest.raises(NothingCapturedError, match="not run yet"):
        _ = hook.output


def test_backward_hook_survives_an_in_place_relu() -> None:
    layer = nn.Linear(2, 2, bias=False)
    nn.init.eye_(layer.weight)
    net = nn.Sequential(layer, nn.ReLU(inplace=True))
    with BackwardHook(layer) as hook:
        net(torch.tensor([[1.0, -1.0]])).sum().backward()
    assert hook.gradient.tolist() == [[1.0, 0.0]]
    assert hook_count(net) == 0


def test_backward_hook_sees_the_last_use_first() -> None:
    layer = nn.Identity()
    values = torch.tensor([1.0], requires_grad=True)
    with BackwardHook(layer) as hook:
        (layer(layer(values) * 3) * 5).backward()
    assert [gradient.item() for gradient in hook.gradients] == [5, 15]


def test_backward_hook_says_when_gradients_are_off(net: nn.Module, images: Tensor) -> None:
    with BackwardHook(net.last) as hook, torch.no_grad():
        net(images)
    with pytest.raises(NothingCapturedError, match="no_grad"):
        _ = hook.gradient


def test_find_layer_takes_a_name_or_a_module(net: nn.Module) -> None:
    assert find_layer(net, "stem.2") == ("stem.2", net.stem[2])
    assert find_layer(net, net.stem[2]) == ("stem.2", net.stem[2])


def test_find_layer_looks_inside_wrappers(net: nn.Module) -> None:
    wrapped = nn.DataParallel(torch.compile(net, backend="eager"))
    assert unwrap(wrapped) is net
    for name in ("last", "module.last", "module._orig_mod.last"):
        assert find_layer(wrapped, name) == ("last", net.last)


def test_find_layer_keeps_a_layer_that_is_called_module() -> None:
    net = nn.Module()
    net.module = nn.Conv2d(1, 1, 1)
    assert find_layer(net, "module") == ("module", net.module)


def test_find_layer_suggests_the_nearest_names(net: nn.Module) -> None:
    with pytest.raises(LayerNotFoundError, match=r"no layer 'stem\.O'; nearest: stem\.2, stem\.1"):
        find_layer(net, "stem.O")


def test_find_layer_names_the_last_layers_when_nothing_is_near(net: nn.Module) -> None:
    with pytest.raises(LookupError, match=r"nearest: last\.1, drop, head"):
        find_layer(net, "xyz")


def test_find_layer_refuses_a_module_of_another_network(
    net: nn.Module, small_net: Callable[[], nn.Module]
) -> None:
    with pytest.raises(LayerNotFoundError, match="not part of this SmallNet"):
        find_layer(net, small_net().last)


def test_capture_records_nothing_before_the_layer(net: nn.Module, images: Tensor) -> None:
    with capture(net, "last") as (tap,):
        logits = net(images)
        (gradient,) = torch.autograd.grad(logits[:, 0].sum(), tap.tensors)
    assert tap.tensors[0].is_leaf
    assert torch.equal(tap.activations, net.last(net.stem(images)))
    # GAP and a linear head: dy/dA = w / Z everywhere
    expected = (net.head.weight[0] / 36)[None, :, None, None].expand_as(gradient)
    torch.testing.assert_close(gradient, expected)


def test_capture_restores_hooks_and_gradient_mode(net: nn.Module, images: Tensor) -> None:
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            with capture(net, "last"):
                net(images)
            assert torch.is_grad_enabled() is mode
            with pytest.raises(ZeroDivisionError), capture(net, "last"):
                net(images)
                _ = 1 / 0
            assert torch.is_grad_enabled() is mode
    assert hook_count(net) == 0


def test_capture_gives_no_hook_when_one_of_the_layers_is_unknown(net: nn.Module) -> None:
    with pytest.raises(LayerNotFoundError), capture(net, "last", "nowhere"):
        pass
    assert hook_count(net) == 0


class Several(nn.Module):
    """Gives its input in a container, beside something else."""

    def __init__(self, pack: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.pack = pack

    def forward(self, values: Tensor) -> object:
        return self.pack(values)


@pytest.mark.parametrize(
    "pack",
    [
        lambda values: (torch.tensor([1]), values),
        lambda values: [torch.tensor([1]), values],
        lambda values: Pair(None, values),
    ],
)
def test_capture_rebuilds_a_container_around_its_first_float_tensor(
    pack: Callable[[Tensor], object], images: Tensor
) -> None:
    layer = Several(pack)
    with capture(layer, layer) as (tap,):
        output = layer(images)
    assert type(output) is type(pack(images))
    assert torch.equal(output[1], images)
    assert torch.equal(tap.activations, images)
    assert output[1].requires_grad


def test_capture_refuses_an_output_without_a_float_tensor(images: Tensor) -> None:
    layer = Several(lambda values: {"out": values})
    with pytest.raises(NothingCapturedError, match="gives dict"), capture(layer, layer):
        layer(images)


def test_activations_are_of_one_use_only(images: Tensor) -> None:
    relu = nn.ReLU()
    with capture(nn.Sequential(relu, relu), "0") as (tap,):
        nn.Sequential(relu, relu)(images)
    with pytest.raises(NothingCapturedError, match="ran 2 times"):
        _ = tap.activations
