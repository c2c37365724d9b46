"""Raw Grad-CAM maps against Captum's `LayerGradCam`."""

from collections.abc import Callable

import pytest
from captum.attr import LayerGradCam
from torch import Tensor, nn

from xaihelpers.cams import explain

Network = Callable[[str], nn.Module]
Pictures = Callable[[int], Tensor]
Error = Callable[[Tensor, Tensor], float]


def captum(model: nn.Module, images: Tensor, layer: str, classes: list[int]) -> Tensor:
    peer = LayerGradCam(model, model.get_submodule(layer))
    return peer.attribute(images, target=classes, relu_attributions=False)[:, 0].detach()


def test_raw_maps_agree(
    arch: str, layer: str, count: int, network: Network, pictures: Pictures, error: Error
) -> None:
    classes = [(3 * index) % 5 for index in range(count)]
    expected = captum(network(arch), pictures(count), layer, classes)
    ours = explain(network(arch), pictures(count), layer, target=classes)
    assert error(ours.raw["grad_cam"], expected) <= 1e-4


@pytest.mark.parametrize(("arch", "layer"), [("vgg19", "features.34"), ("densenet121", "features")])
def test_raw_maps_agree_where_an_in_place_relu_follows(
    arch: str, layer: str, network: Network, pictures: Pictures, error: Error
) -> None:
    model, images = network(arch), pictures(2)
    ours = explain(model, images, layer, target=1).raw["grad_cam"]
    assert error(ours, captum(model, images, layer, [1, 1])) <= 1e-4
