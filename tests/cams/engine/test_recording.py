"""Lean recording changes no output, gives torch's gradients, and keeps half as much."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch import Tensor, nn

from xaihelpers import networks
from xaihelpers.cams import METHODS, explain, explain_classes
from xaihelpers.cams.engine import recording
from xaihelpers.cams.engine.recording import lean_recording

CONVOLUTIONS = [
    nn.Conv2d(4, 6, 1),
    nn.Conv2d(4, 6, 1, stride=2),
    nn.Conv2d(4, 6, 1, stride=(1, 3), groups=2, bias=False),
    nn.Conv2d(4, 6, 1, stride=2, padding=1),
    nn.Conv2d(4, 6, 3, padding=1),
    nn.Conv2d(4, 6, 3, stride=2, padding=1),
    nn.Conv2d(4, 4, 5, stride=2, padding=2, groups=4),
    nn.Conv2d(4, 6, (2, 3), stride=(3, 2), padding=(0, 2), dilation=(2, 1)),
    nn.Conv2d(4, 6, 3, padding="same"),
    nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
]


@pytest.fixture
def all_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "LARGE", 0)


def used(module: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    """The module in double precision; a batch norm with statistics of its own."""
    torch.manual_seed(0)
    module = module.double()
    if isinstance(module, nn.BatchNorm2d):
        for tensor in (module.weight, module.bias):
            if tensor is not None:
                nn.init.uniform_(tensor, -2, 2)
        module.train()(torch.randn(shape, dtype=torch.float64) * 3 + 1)
    return module.eval()


def gradient(module: nn.Module, features: Tensor, lean: bool) -> tuple[Tensor, Tensor]:
    """Output, and the gradient of its product with a fixed tensor."""
    leaf = features.clone().requires_grad_()
    with lean_recording([module]) if lean else nullcontext():
        output = module(leaf)
        weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
        (found,) = torch.autograd.grad((output * weights).sum(), leaf)
    return output.detach(), found


def nodes(module: nn.Module, features: Tensor) -> str:
    """Name of what recorded the module's output."""
    with lean_recording([module]):
        return type(module(features).grad_fn).__name__


@pytest.mark.usefixtures("all_sizes")
@pytest.mark.parametrize("size", [(9, 12), (8, 7)])
@pytest.mark.parametrize(
    "module",
    [*CONVOLUTIONS, nn.BatchNorm2d(4), nn.BatchNorm2d(4, affine=False), nn.BatchNorm2d(4, eps=0.5)],
    ids=str,
)
def test_outputs_equal_and_gradients_right(module: nn.Module, size: tuple[int, int]) -> None:
    shape = (2, 4, *size)
    module = used(module, shape)
    features = torch.randn(shape, dtype=torch.float64)
    (output, found), (expected, true) = (gradient(module, features, lean) for lean in (True, False))
    assert torch.equal(output, expected)
    torch.testing.assert_close(found, true, rtol=1e-12, atol=1e-12)


@pytest.mark.usefixtures("all_sizes")
@pytest.mark.parametrize("module", [*CONVOLUTIONS[:3], CONVOLUTIONS[5], nn.BatchNorm2d(4)], ids=str)
def test_gradients_agree_with_differences_and_can_be_derived_again(module: nn.Module) -> None:
    shape = (1, 4, 5, 4)
    module = used(module, shape)
    features = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    with lean_recording([module]):
        assert torch.autograd.gradcheck(module, features)
        assert torch.autograd.gradgradcheck(module, features)


@pytest.mark.usefixtures("all_sizes")
@pytest.mark.parametrize("module", [*CONVOLUTIONS[:3], CONVOLUTIONS[5], nn.BatchNorm2d(4)], ids=str)
def test_several_gradients_run_as_one(module: nn.Module) -> None:
    shape = (2, 4, 5, 6)
    module = used(module, shape)
    features = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    with lean_recording([module]):
        output = module(features)
        rows = torch.randn(3, *output.shape, dtype=torch.float64)
        (found,) = torch.autograd.grad(
            output, features, rows, retain_graph=True, is_grads_batched=True
        )
        for row, batched in zip(rows, found, strict=True):
            (single,) = torch.autograd.grad(output, features, row, retain_graph=True)
            torch.testing.assert_close(batched, single)


def test_it_stands_back_where_it_may_not_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    module = nn.Conv2d(4, 6, 3).eval()
    features = torch.randn(2, 4, 8, 8, requires_grad=True)
    assert nodes(module, features) == "ConvolutionBackward0"  # too little to be worth it
    monkeypatch.setattr(recording, "LARGE", 0)
    assert nodes(module, features) == "_ConvolutionBackward"
    last = features.detach().to(memory_format=torch.channels_last).requires_grad_()
    assert nodes(module, last) == "ConvolutionBackward0"
    assert nodes(module, features[0]) != "_ConvolutionBackward"
    with torch.autocast("cpu"):
        assert nodes(module, features) == "ConvolutionBackward0"
    with torch.no_grad():
        assert nodes(module, features) == "NoneType"
    norm = nn.BatchNorm2d(4)
    assert nodes(norm.train(), features) == "NativeBatchNormBackward0"
    assert nodes(norm.eval(), features) == "_BatchNormBackward"
    free = nn.BatchNorm2d(4, track_running_stats=False).eval()
    assert nodes(free, features) == "NativeBatchNormBackward0"


def test_modules_are_left_as_they_were_even_after_an_error() -> None:
    module, patched = nn.Conv2d(4, 6, 1), nn.Conv2d(4, 6, 1)
    patched.forward = lambda features: features * 0  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="stop"), lean_recording([module, patched]):
        assert "forward" in module.__dict__
        assert not patched(torch.ones(1, 4, 2, 2)).any()
        raise RuntimeError("stop")
    assert "forward" not in module.__dict__
    assert not patched(torch.ones(1, 4, 2, 2)).any()


@contextmanager
def kept() -> Iterator[list[Tensor]]:
    """The tensors that autograd keeps."""
    found: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield found


def features_kept(tensors: list[Tensor], model: nn.Module) -> int:
    """Bytes of the tensors that are not the model's own."""
    storages = {tensor.untyped_storage().data_ptr(): tensor for tensor in tensors}
    for own in (*model.parameters(), *model.buffers()):
        storages.pop(own.untyped_storage().data_ptr(), None)
    return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())


@pytest.mark.parametrize(
    ("arch", "share"), [("resnet50", 0.55), ("densenet121", 0.55), ("efficientnet_b0", 0.7)]
)
def test_maps_of_an_early_layer_are_torchs_and_less_is_kept(
    arch: str, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    model, images = networks.build(arch, 5).eval(), torch.randn(2, 3, 96, 96)
    layer = networks.LAYERS[arch]["stage2"]
    monkeypatch.setattr(recording, "LARGE", 0)
    with kept() as few:
        lean = explain(model, images, layer, target=0, methods=tuple(METHODS))
    classes = explain_classes(model, images, layer, classes=[1, 3])
    assert not any("forward" in module.__dict__ for module in model.modules())
    monkeypatch.setattr(recording, "_FORWARDS", {})
    with kept() as many:
        usual = explain(model, images, layer, target=0, methods=tuple(METHODS))
    expected = explain_classes(model, images, layer, classes=[1, 3])
    assert features_kept(few, model) < share * features_kept(many, model)
    assert torch.equal(lean.logits, usual.logits)
    for method, raw in usual.raw.items():
        assert (lean.raw[method] - raw).abs().max() < 1e-5 * raw.abs().max(), method
    error = (classes.raw["grad_cam"] - expected.raw["grad_cam"]).abs().max()
    assert error < 1e-5 * expected.raw["grad_cam"].abs().max()
