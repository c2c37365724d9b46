"""The accelerated copy gives the same maps and leaves the model alone."""

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import METHODS, ExplainError, LayerNotFoundError, explain
from xaihelpers.cams.engine.accelerate import AGREEMENT, accelerate, agreement

ALL = tuple(METHODS)


@pytest.mark.parametrize("layer", ["stem.0", "stem.1", "stem.2", "last.0", "last"])
def test_the_copy_gives_the_same_maps(net: nn.Module, images: Tensor, layer: str) -> None:
    net, images = net.double(), images.double()
    expected = explain(net, images, layer, target=2, methods=ALL)
    result = explain(accelerate(net, [layer], torch.float64), images, layer, target=2, methods=ALL)
    torch.testing.assert_close(result.logits, expected.logits, rtol=1e-10, atol=1e-12)
    for name in ALL:
        torch.testing.assert_close(result.raw[name], expected.raw[name], rtol=1e-8, atol=1e-10)


def test_a_batch_norm_is_folded_unless_its_convolution_is_to_be_explained(net: nn.Module) -> None:
    assert isinstance(accelerate(net, ["last"]).stem[1], nn.Identity)
    assert isinstance(accelerate(net, [net.stem[0]]).stem[1], nn.BatchNorm2d)


def test_a_batch_norm_is_not_folded_into_a_convolution_that_others_read(images: Tensor) -> None:
    class Branch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)

        def forward(self, values: Tensor) -> Tensor:
            values = self.conv(values)
            return (values + self.norm(values)).mean((2, 3))

    model = Branch().eval()
    fast = accelerate(model, ["conv"])
    assert isinstance(accelerate(model, []).norm, nn.BatchNorm2d)
    torch.testing.assert_close(fast(images), model(images))


def test_the_model_is_left_as_it_was(net: nn.Module, images: Tensor) -> None:
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    accelerate(net, ["last"], torch.bfloat16, images, ())
    assert net.training
    assert not net._forward_pre_hooks
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.is_contiguous()


def test_every_part_of_the_copy_is_in_evaluation_mode(net: nn.Module) -> None:
    fast = accelerate(net.train(), ["last"])
    assert not any(module.training for module in fast.modules())


def test_bfloat16_takes_float32_images_and_gives_similar_maps(
    net: nn.Module, images: Tensor
) -> None:
    expected = explain(net, images, "last", target=2, methods=ALL)
    fast = accelerate(net, ["last"], torch.bfloat16, images, ())
    result = explain(fast, images, "last", target=2, methods=ALL)
    for name in ALL:
        both = torch.stack([result.raw[name].flatten(), expected.raw[name].flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.99
        assert result.raw[name].dtype == torch.float32


def test_an_unknown_layer_is_refused(net: nn.Module) -> None:
    with pytest.raises(LayerNotFoundError):
        accelerate(net, ["nowhere"])


def test_a_network_that_cannot_be_traced_is_refused() -> None:
    class Branching(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return values if values.sum() > 0 else -values

    with pytest.raises(ExplainError, match="explain the model itself"):
        accelerate(Branching(), [])


def test_a_short_type_is_refused_until_it_is_compared_with_the_original(net: nn.Module) -> None:
    with pytest.raises(ExplainError, match="pass `check`"):
        accelerate(net, ["last"], torch.bfloat16)


def test_a_copy_whose_maps_differ_is_refused_and_the_method_named(images: Tensor) -> None:
    class Cancelling(nn.Module):
        """Activations that nearly cancel: bfloat16 keeps little of their difference."""

        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Conv2d(3, 4, 3, padding=1)
            self.head = nn.Linear(4, 2)
            nn.init.constant_(self.last.bias, 300.0)

        def forward(self, values: Tensor) -> Tensor:
            return self.head(self.last(values).mean((2, 3)))

    torch.manual_seed(0)
    model = Cancelling().eval()
    with pytest.raises(ExplainError, match="grad_cam at last"):
        accelerate(model, ["last"], torch.bfloat16, images, ["grad_cam"])
    accelerate(model, ["last"], torch.float32, images, ["grad_cam"])


def test_agreement_is_the_least_correlation_of_any_image(net: nn.Module, images: Tensor) -> None:
    fast = accelerate(net, ["last"], torch.bfloat16, images, ())
    first = explain(net, images, "last", target=None, methods=ALL)
    second = explain(fast, images, "last", target=first.target, methods=ALL)
    for (layer, name), least in agreement(net, fast, images, ["last"]).items():
        pairs = zip(first.raw[name], second.raw[name], strict=True)
        expected = min(
            float(torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]) for a, b in pairs
        )
        assert layer == "last"
        assert least == pytest.approx(expected, abs=1e-5)


@pytest.mark.filterwarnings("ignore:no gradient reaches")
def test_two_empty_maps_agree_and_one_empty_map_does_not(net: nn.Module, images: Tensor) -> None:
    silent = accelerate(net, ["last"])
    with torch.no_grad():
        for parameter in silent.parameters():
            parameter.zero_()
    assert agreement(silent, silent, images, ["last"], ["grad_cam"]) == {("last", "grad_cam"): 1}
    assert agreement(net, silent, images, ["last"], ["grad_cam"])["last", "grad_cam"] == 0
    assert AGREEMENT > 0.99
