"""Raw maps against the `grad-cam` package (import name `pytorch_grad_cam`)."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from pytorch_grad_cam.base_cam import BaseCAM
from torch import Tensor, nn

from xaihelpers.cams import METHODS, explain
from xaihelpers.cams.engine import recording

PEERS: dict[str, type[BaseCAM]] = {
    "grad_cam": GradCAM,
    "grad_cam_plus_plus": GradCAMPlusPlus,
    "xgrad_cam": XGradCAM,
    "hires_cam": HiResCAM,
    "layer_cam": LayerCAM,
}
METHODS_COMPARED = ("grad_cam", "xgrad_cam", "hires_cam", "layer_cam")
STEADY = ("grad_cam", "hires_cam", "layer_cam")  # no division: float32 rounds them alike anywhere
Network = Callable[..., nn.Module]
Pictures = Callable[[int], Tensor]
Error = Callable[[Tensor, Tensor], float]


class Peer:
    """One pass of the peer; its formulas are then applied to what it captured."""

    def __init__(
        self, model: nn.Module, layer: str, images: Tensor, classes: list[int], scale: float = 1
    ) -> None:
        self.model, self.layer, self.images = model, model.get_submodule(layer), images
        self.targets = [lambda output, index=index: output[index] * scale for index in classes]
        with GradCAM(model, [self.layer]) as cam:
            cam(images, self.targets)
            self.activations = cam.activations_and_grads.activations[0]
            self.gradients = cam.activations_and_grads.gradients[0]
        model.zero_grad()

    def raw(self, name: str) -> Tensor:
        """The peer's map before its ReLU and scaling."""
        arrays = self.activations.numpy(), self.gradients.numpy()
        with PEERS[name](self.model, [self.layer]) as cam:
            raw = cam.get_cam_image(self.images, [self.layer], self.targets, *arrays, False)
        return torch.from_numpy(raw)


@cache
def once(model: nn.Module, layer: str, count: int) -> tuple[Peer, dict[str, Tensor]]:
    """The peer's pass and our raw maps, for a class per image, in the network's own precision."""
    images = torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    images = images.to(next(model.parameters()).dtype)
    classes = [(3 * index) % 5 for index in range(count)]
    ours = explain(model, images, layer, target=classes, methods=tuple(PEERS)).raw
    return Peer(model, layer, images, classes), ours


def test_raw_maps_agree(arch: str, layer: str, count: int, network: Network, error: Error) -> None:
    peer, ours = once(network(arch, torch.float64), layer, count)
    for name in METHODS_COMPARED:
        assert error(ours[name], peer.raw(name)) <= 1e-9, name


def test_raw_maps_agree_in_single_precision(
    arch: str, layer: str, count: int, network: Network, error: Error
) -> None:
    """XGrad-CAM and Grad-CAM++ divide by sums that come near to zero at a signed layer.

    How far float32 is off there depends on the order in which a processor adds, so they are
    compared in float64.
    """
    peer, ours = once(network(arch), layer, count)
    for name in STEADY:
        assert error(ours[name], peer.raw(name)) <= 1e-4, name


def test_raw_maps_agree_when_recorded_as_large_features_are(
    arch: str,
    layer: str,
    count: int,
    network: Network,
    error: Error,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pictures here are too small for the lean recording unless it is told otherwise."""
    peer, expected = once(network(arch, torch.float64), layer, count)
    monkeypatch.setattr(recording, "LARGE", 0)
    classes = [(3 * index) % 5 for index in range(count)]
    ours = explain(
        network(arch, torch.float64), peer.images, layer, target=classes, methods=tuple(PEERS)
    ).raw
    for name in METHODS_COMPARED:
        assert error(ours[name], peer.raw(name)) <= 1e-9, name
    assert error(ours["grad_cam_plus_plus"], expected["grad_cam_plus_plus"]) <= 1e-9


def test_grad_cam_plus_plus_differs_by_the_peers_eps_and_nothing_else(
    arch: str, layer: str, count: int, network: Network, error: Error
) -> None:
    """The peer divides by 2 G^2 + S G^3 + 1e-6; at usual gradients G^2 is no larger than that."""
    peer, ours = once(network(arch, torch.float64), layer, count)

    def equation_19(eps: float) -> Tensor:
        activations, gradients = peer.activations, peer.gradients
        total = activations.sum((2, 3), keepdim=True)
        divisor = 2 * gradients**2 + total * gradients**3 + eps
        a = torch.where(gradients == 0, 0, gradients**2 / divisor)
        weights = (a * gradients.relu()).sum((2, 3), keepdim=True)
        return (weights * activations).sum(1)

    assert error(peer.raw("grad_cam_plus_plus"), equation_19(1e-6)) <= 1e-9
    assert error(ours["grad_cam_plus_plus"], equation_19(0)) <= 1e-9


@pytest.mark.parametrize(
    ("arch", "layer"),
    [("vgg19", "features.36"), ("vgg19", "features.18"), ("resnet50", "layer4")],
)
def test_grad_cam_plus_plus_agrees_once_gradients_dwarf_the_eps(
    arch: str, layer: str, network: Network, pictures: Pictures, error: Error
) -> None:
    classes = [0, 3, 1, 4]
    ours = explain(
        network(arch),
        pictures(4),
        layer,
        target=lambda logits: 1e4 * logits.gather(1, torch.tensor(classes)[:, None])[:, 0],
        methods="grad_cam_plus_plus",
    )
    scaled = Peer(network(arch), layer, pictures(4), classes, scale=1e4)
    assert error(ours.raw["grad_cam_plus_plus"], scaled.raw("grad_cam_plus_plus")) <= 1e-4


def test_the_eps_of_the_peer_can_change_a_map_beyond_recognition(
    network: Network, error: Error
) -> None:
    peer, ours = once(network("vgg19"), "features.18", 4)
    assert error(peer.raw("grad_cam_plus_plus"), ours["grad_cam_plus_plus"]) > 0.1


@pytest.mark.parametrize(("arch", "layer"), [("vgg19", "features.34"), ("densenet121", "features")])
def test_the_peer_explains_other_activations_where_an_in_place_relu_follows(
    arch: str, layer: str, network: Network, pictures: Pictures, error: Error
) -> None:
    """It keeps the layer's own memory, which the ReLU then overwrites; we pass on a copy."""
    model, images = network(arch), pictures(2)
    peer = Peer(model, layer, images, [0, 1])
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(
        lambda module, inputs, output: kept.append(output.detach().clone())
    )
    with torch.no_grad():
        model(images)
    handle.remove()
    assert torch.equal(peer.activations, kept[0].relu())
    ours = explain(model, images, layer, target=[0, 1], methods=tuple(PEERS))
    for name, method in METHODS.items():
        assert error(ours.raw[name], method(kept[0], peer.gradients)) <= 1e-4, name
    assert error(peer.raw("grad_cam"), ours.raw["grad_cam"]) > 0.01
