"""The same maps whatever mode, wrapper or context the network stands in."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import (
    METHODS,
    ExplainError,
    Explanation,
    NothingCapturedError,
    explain,
    explain_classes,
)
from xaihelpers.cams.engine.modes import evaluating

ALL = tuple(METHODS)


@pytest.fixture
def expected(small_net: Callable[[], nn.Module], images: Tensor) -> Explanation:
    return explain(small_net(), images, "last", target=1, methods=ALL)


def assert_same(result: Explanation, expected: Explanation, rtol: float = 1e-5) -> None:
    torch.testing.assert_close(result.logits, expected.logits, rtol=rtol, atol=1e-6)
    for name in ALL:
        scale = expected.raw[name].abs().max()
        error = (result.raw[name] - expected.raw[name]).abs().max() / scale
        assert error <= rtol, name


def test_train_mode_and_batch_norm_statistics_are_untouched(
    net: nn.Module, images: Tensor, expected: Explanation
) -> None:
    net.train()
    net.stem.eval()
    statistics = {name: buffer.clone() for name, buffer in net.named_buffers()}
    assert_same(explain(net, images, "last", target=1, methods=ALL), expected)
    assert net.training
    assert net.drop.training
    assert not net.stem[1].training
    for name, buffer in net.named_buffers():
        assert torch.equal(buffer, statistics[name])


def test_evaluation_mode_ends_with_the_block_even_after_an_error(net: nn.Module) -> None:
    net.train()
    net.stem.eval()
    before = [module.training for module in net.modules()]
    with pytest.raises(RuntimeError, match="halfway"), evaluating(net):
        assert not any(module.training for module in net.modules())
        raise RuntimeError("halfway")
    assert [module.training for module in net.modules()] == before


def test_frozen_parameters(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    net.requires_grad_(False)
    assert_same(explain(net, images, "last", target=1, methods=ALL), expected)
    assert not any(parameter.requires_grad for parameter in net.parameters())


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_inside_gradient_contexts(
    net: nn.Module, images: Tensor, expected: Explanation, context: Callable
) -> None:
    with context():
        assert_same(explain(net, images.clone(), "last", target=1, methods=ALL), expected)
        assert explain_classes(net, images.clone(), "last", methods=ALL).raw.keys() == set(ALL)
        assert torch.is_inference_mode_enabled() is (context is torch.inference_mode)


def test_images_made_in_inference_mode_and_tapped_at_the_input(
    net: nn.Module, images: Tensor
) -> None:
    net = nn.Sequential(nn.Identity(), net)
    with torch.inference_mode():
        made = images.clone()
    result = explain(net, made, "0", target=1)
    assert torch.equal(result.raw["grad_cam"], explain(net, images, "0", target=1).raw["grad_cam"])


def test_under_autocast(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        result = explain(net, images, "last", target=1, methods=ALL)
    assert result.logits.dtype == torch.bfloat16
    for name in ALL:
        assert result.raw[name].dtype == torch.float32
        both = torch.stack([result.raw[name].flatten(), expected.raw[name].flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.99


def test_autocast_keeps_no_weight_of_ours(net: nn.Module, images: Tensor) -> None:
    with torch.autocast("cpu", torch.bfloat16):
        explain(net, images, "last", target=1)
        net(images).sum().backward()
    assert all(parameter.grad is not None for parameter in net.parameters())


def test_half_precision_network(net: nn.Module, images: Tensor) -> None:
    result = explain(net.bfloat16(), images.bfloat16(), "last", target=1, methods=ALL)
    assert {raw.dtype for raw in result.raw.values()} == {torch.float32}


def test_channels_last(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    form = torch.channels_last
    net, images = net.to(memory_format=form), images.contiguous(memory_format=form)
    assert_same(explain(net, images, "last", target=1, methods=ALL), expected)


def test_data_parallel(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    assert_same(
        explain(nn.DataParallel(net), images, "module.last", target=1, methods=ALL), expected
    )


def test_compiled_model(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    compiled = torch.compile(net, backend="eager")
    compiled(images)
    assert_same(explain(compiled, images, "last", target=1, methods=ALL), expected)


STANCE = pytest.mark.skipif(
    not hasattr(torch.compiler, "set_stance"), reason="parts compiled in place need torch 2.6"
)


@STANCE
def test_model_compiled_in_place(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    net.compile(backend="eager")
    net(images)
    assert_same(explain(net, images, "last", target=1, methods=ALL), expected)


@STANCE
def test_model_with_a_compiled_part(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    net.last = torch.compile(net.last, backend="eager")
    with torch.no_grad():
        net(images)
    assert_same(explain(net, images, "last", target=1, methods=ALL), expected)
    inner = explain(net, images, net.last._orig_mod[1], target=1, methods=ALL)
    assert_same(inner, expected)


def test_compiled_parts_are_refused_where_torch_cannot_run_them_as_written(
    net: nn.Module, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(torch.compiler, "set_stance", raising=False)
    net.compile(backend="eager")
    with pytest.raises(ExplainError, match="torch 2.6 or newer.*before `torch.compile`"):
        explain(net, images, "last", target=1)


def test_compiled_code_is_used_again_afterwards(net: nn.Module, images: Tensor) -> None:
    graphs = []

    def count(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable:
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    compiled = torch.compile(net, backend=count)
    explain(compiled, images, "last", target=1)
    assert graphs == []
    compiled(images)
    assert len(graphs) == 1


def test_a_layer_called_past_its_hooks_is_refused(net: nn.Module, images: Tensor) -> None:
    class Unhooked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, images: Tensor) -> Tensor:
            features = self.net.last.forward(self.net.stem(images))
            return self.net.head(features.mean((2, 3)))

    with pytest.raises(NothingCapturedError, match="'net.last' did not run"):
        explain(Unhooked().eval(), images, "net.last", target=1)


class Backbone(nn.Module):
    """Runs the trunk in a context of its own."""

    def __init__(self, net: nn.Module, context: Callable) -> None:
        super().__init__()
        self.net, self.context = net, context

    def forward(self, images: Tensor) -> Tensor:
        with self.context():
            features = self.net.last(self.net.stem(images))
        return self.net.head(features.mean((2, 3)))


def test_layer_in_a_no_grad_block_of_the_model(
    net: nn.Module, images: Tensor, expected: Explanation
) -> None:
    net.head.bias.requires_grad_(False)
    flags = [parameter.requires_grad for parameter in net.parameters()]
    model = Backbone(net, torch.no_grad).eval()
    assert_same(explain(model, images, "net.last", target=1, methods=ALL), expected)
    classes = explain_classes(model, images, "net.last", methods=ALL)
    torch.testing.assert_close(classes.of(1).raw["hires_cam"], expected.raw["hires_cam"])
    assert [parameter.requires_grad for parameter in net.parameters()] == flags


def test_layer_in_an_inference_mode_block_of_the_model_is_refused(
    net: nn.Module, images: Tensor
) -> None:
    model = Backbone(net, torch.inference_mode).eval()
    with pytest.raises(NothingCapturedError, match="the model's own torch.inference_mode"):
        explain(model, images, "net.last", target=1)


def test_hooks_of_the_user_still_count(net: nn.Module, images: Tensor) -> None:
    net.last.register_forward_hook(lambda module, inputs, output: output * 2)
    doubled = explain(net, images, "last", target=1).raw["grad_cam"]
    single = explain(net, images, "last.1", target=1).raw["grad_cam"]
    torch.testing.assert_close(doubled, single)  # A doubled, dy/dA unchanged, against A, 2 dy/dA


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu(net: nn.Module, images: Tensor, expected: Explanation) -> None:
    result = explain(net.cuda(), images.cuda(), "last", target=1, methods=ALL)
    assert result.raw["grad_cam"].is_cuda
    for name in ALL:
        torch.testing.assert_close(result.raw[name].cpu(), expected.raw[name], rtol=1e-2, atol=1e-3)
