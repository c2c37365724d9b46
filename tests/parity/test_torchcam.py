"""Rectified maps against TorchCAM, and why it is no oracle for Grad-CAM++."""

from collections.abc import Callable

import pytest
from torch import Tensor, nn
from torchcam.methods import GradCAM, GradCAMpp
from torchcam.methods import LayerCAM as TorchLayerCAM

from xaihelpers.cams import explain, methods

Network = Callable[[str], nn.Module]
Pictures = Callable[[int], Tensor]
Error = Callable[[Tensor, Tensor], float]


def torchcam(peer: type, model: nn.Module, images: Tensor, layer: str) -> tuple[Tensor, ...]:
    """Rectified map, activations and gradients."""
    with peer(model, layer) as extractor:
        (raw,) = extractor([0, 3], model(images), normalized=False)
        return raw, extractor.hook_a[0], extractor.hook_g[0]


@pytest.mark.parametrize(("arch", "layer"), [("resnet50", "layer4"), ("vgg19", "features.36")])
def test_grad_cam_agrees(
    arch: str, layer: str, network: Network, pictures: Pictures, error: Error
) -> None:
    rectified, *_ = torchcam(GradCAM, network(arch), pictures(2), layer)
    ours = explain(network(arch), pictures(2), layer, target=[0, 3]).raw["grad_cam"]
    assert error(ours.relu(), rectified) <= 1e-4


def test_grad_cam_plus_plus_of_torchcam_has_other_weights(
    network: Network, pictures: Pictures, error: Error
) -> None:
    """`alpha[index][mask].div_(...)` divides a copy made by the boolean mask, so a = G^2."""
    rectified, activations, gradients = torchcam(
        GradCAMpp, network("resnet50"), pictures(2), "layer4"
    )
    weights = (gradients**2 * gradients.relu()).sum((2, 3))
    assert error(rectified, methods.cam(activations, weights).relu()) <= 1e-4
    ours = explain(
        network("resnet50"), pictures(2), "layer4", target=[0, 3], methods="grad_cam_plus_plus"
    )
    assert error(rectified, ours.raw["grad_cam_plus_plus"].relu()) > 0.1


def test_layer_cam_of_torchcam_is_the_positive_map(
    network: Network, pictures: Pictures, error: Error
) -> None:
    rectified, *_ = torchcam(TorchLayerCAM, network("resnet50"), pictures(2), "layer2")
    ours = explain(network("resnet50"), pictures(2), "layer2", target=[0, 3], methods="layer_cam")
    assert error(ours.raw["layer_cam"].relu(), rectified) <= 1e-4
