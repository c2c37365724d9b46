"""What is timed: our engine and its peers doing the same work on the same model and images."""

from __future__ import annotations

from collections.abc import Callable

import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

from xaihelpers.cams import METHODS, explain, explain_classes

THREE = ("grad_cam", "grad_cam_plus_plus", "xgrad_cam")
PEERS = {
    "grad-cam": (GradCAM, GradCAMPlusPlus, XGradCAM),
    "torchcam": (torchcam.GradCAM, torchcam.GradCAMpp, torchcam.XGradCAM),
}
Job = Callable[[], object]


def forward(model: nn.Module, images: Tensor) -> Job:
    """The floor: a bare forward pass of the same batch under `no_grad`."""

    def job() -> Tensor:
        with torch.no_grad():
            return model(images)

    return job


def ours(model: nn.Module, images: Tensor, layer: str, classes: int) -> dict[str, Job]:
    """Our engine: one, three and five methods, and every class under three."""
    return {
        "ours, one method": lambda: explain(model, images, layer, 0, ["grad_cam"]),
        "ours, three methods": lambda: explain(model, images, layer, 0, THREE),
        "ours, five methods": lambda: explain(model, images, layer, 0, list(METHODS)),
        f"ours, {classes} classes x three": lambda: explain_classes(
            model, images, layer, methods=THREE
        ),
    }


def peers(model: nn.Module, images: Tensor, layer: str, classes: int) -> dict[str, Job]:
    """The peers, each used as its own documentation says."""
    return {
        "grad-cam, one method": lambda: _grad_cam(model, images, layer, 1, [0]),
        "grad-cam, three methods": lambda: _grad_cam(model, images, layer, 3, [0]),
        f"grad-cam, {classes} classes x three": lambda: _grad_cam(
            model, images, layer, 3, range(classes)
        ),
        "torchcam, one method": lambda: _torchcam(model, images, layer, 1),
        "torchcam, three methods": lambda: _torchcam(model, images, layer, 3),
        "captum, one method": lambda: LayerGradCam(model, model.get_submodule(layer)).attribute(
            images, 0
        ),
    }


def _grad_cam(model: nn.Module, images: Tensor, layer: str, count: int, classes: object) -> None:
    for method in PEERS["grad-cam"][:count]:
        with method(model, [model.get_submodule(layer)]) as explainer:
            for target in classes:
                explainer(images, [ClassifierOutputTarget(target)] * len(images))


def _torchcam(model: nn.Module, images: Tensor, layer: str, count: int) -> None:
    for method in PEERS["torchcam"][:count]:
        with method(model, layer) as extractor:
            extractor(0, model(images))
