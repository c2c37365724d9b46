"""The accelerated copy gives the same maps and leaves the model alone."""

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import METHODS, ExplainError, LayerNotFoundError, explain
from xaihelpers.cams.fast import accelerate

ALL = tuple(METHODS)


@pytest.mark.parametrize("layer", ["stem.0", "stem.1", "stem.2", "last.0", "last"])
def test_the_copy_gives_the_same_maps(net: nn.Module, images: Tensor, layer: str) -> None:
    net, images = net.double(), images.double()
    expected = explain(net, images, layer, 2, ALL)
    result = explain(accelerate(net, [layer], torch.float64), images, layer, 2, ALL)
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


def test_the_model_is_left_as_it_was(net: nn.Module) -> None:
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    accelerate(net, ["last"], torch.bfloat16)
    assert net.training
    assert not net._forward_pre_hooks
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.is_contiguous()


def test_bfloat16_takes_float32_images_and_gives_similar_maps(
    net: nn.Module, images: Tensor
) -> None:
    expected = explain(net, images, "last", 2, ALL)
    result = explain(accelerate(net, ["last"], torch.bfloat16), images, "last", 2, ALL)
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
