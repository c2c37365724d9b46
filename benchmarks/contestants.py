"""What is timed: our engine and its peers doing the same work on the same model and images."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from captum.attr import GuidedGradCam, LayerGradCam
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, XGradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

from xaihelpers import networks
from xaihelpers.cams import METHODS, explain, explain_classes
from xaihelpers.cams.engine.accelerate import accelerate
from xaihelpers.cams.engine.batches import MICRO_BATCH
from xaihelpers.cams.guided import guided_grad_cam

CLASSES = 5
THREE = ("grad_cam", "grad_cam_plus_plus", "xgrad_cam")
FIVE = tuple(METHODS)
PEERS = {
    "grad-cam": (GradCAM, GradCAMPlusPlus, XGradCAM),
    "torchcam": (torchcam.GradCAM, torchcam.GradCAMpp, torchcam.XGradCAM),
}
WITHOUT_RELU = ("efficientnet_b0",)  # SiLU: guided backpropagation as published does not exist
HEAVY = (
    "grad-cam, three methods",
    f"grad-cam, {CLASSES} classes x one",
    f"grad-cam, {CLASSES} classes x three",
)
LARGEST_FOR_PEERS = 8  # images; more take the slowest of them minutes a call
EARLY = "stage2"  # cells of 4 px: 56 x 56 of them at 224 px
IN_PIECES = f"forward pass in batches of {MICRO_BATCH}"
Job = Callable[[], object]


@dataclass(frozen=True, eq=False)
class Setting:
    """One network with random weights and one batch of noise; speed depends on neither."""

    arch: str
    model: nn.Module
    images: Tensor

    @classmethod
    def make(cls, arch: str, batch: int, size: int) -> Setting:
        """The same network and batch every time, on an accelerator if there is one."""
        device = "cuda" if torch.cuda.is_available() else "cpu"
        torch.manual_seed(0)
        model = networks.build(arch, CLASSES).eval().to(device)
        return cls(arch, model, torch.randn(batch, 3, size, size, device=device))

    def layer(self, role: str = "last") -> str:
        """Dotted name of a layer, by its role in `networks.LAYERS`."""
        return networks.LAYERS[self.arch][role]


def forward(model: nn.Module, images: Tensor) -> Job:
    """The floor: a bare forward pass of the same batch under `no_grad`."""

    def job() -> Tensor:
        with torch.no_grad():
            return model(images)

    return job


def everything(setting: Setting) -> dict[str, Job]:
    """Every contestant that this batch size is meant for, in the order of the table."""
    batch = len(setting.images)
    if batch > LARGEST_FOR_PEERS:
        return large(setting)
    jobs = ours(setting) | several_classes(setting) | accelerated(setting)
    jobs |= captum(setting) | peers(setting) | guided(setting)
    return jobs if batch > 1 else jobs | all_products(setting)


def ours(setting: Setting) -> dict[str, Job]:
    """Our engine, one class per image."""
    model, images, last = setting.model, setting.images, setting.layer()
    early = setting.layer(EARLY)
    return {
        "ours, one method": lambda: explain(model, images, last, target=0, methods=["grad_cam"]),
        "ours, three methods": lambda: explain(model, images, last, target=0, methods=THREE),
        "ours, five methods": lambda: explain(model, images, last, target=0, methods=FIVE),
        f"ours, five methods at {EARLY}": lambda: explain(
            model, images, early, target=0, methods=FIVE
        ),
    }


def several_classes(setting: Setting) -> dict[str, Job]:
    """Our engine, every class of every image."""
    model, images, last = setting.model, setting.images, setting.layer()
    return {
        f"ours, {CLASSES} classes x one": lambda: explain_classes(model, images, last),
        f"ours, {CLASSES} classes x three": lambda: explain_classes(
            model, images, last, methods=THREE
        ),
    }


def accelerated(setting: Setting) -> dict[str, Job]:
    """Our engine on the opt-in copy; its making is not timed."""
    copies = {
        name: accelerate(setting.model, [setting.layer()], dtype, setting.images, ())
        for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
    }

    def job(model: nn.Module) -> Job:
        return lambda: explain(model, setting.images, setting.layer(), target=0, methods=FIVE)

    return {f"ours, five methods, accelerated {name}": job(m) for name, m in copies.items()}


def large(setting: Setting) -> dict[str, Job]:
    """A large batch: five methods, the bare forward pass in our micro-batches, the fast copies."""

    def pieces() -> None:
        with torch.no_grad():
            for part in setting.images.split(MICRO_BATCH):
                setting.model(part)

    jobs = {
        IN_PIECES: pieces,
        "ours, five methods": lambda: explain(
            setting.model, setting.images, setting.layer(), target=0, methods=FIVE
        ),
    }
    return jobs | accelerated(setting)


def captum(setting: Setting) -> dict[str, Job]:
    """Captum's Grad-CAM, on the model as it is and on a copy without trainable parameters."""
    frozen = copy.deepcopy(setting.model).requires_grad_(False)

    def job(model: nn.Module) -> Job:
        explainer = LayerGradCam(model, model.get_submodule(setting.layer()))
        return lambda: explainer.attribute(setting.images, 0)

    return {"captum, one method": job(setting.model), "captum, one method, frozen": job(frozen)}


def peers(setting: Setting) -> dict[str, Job]:
    """grad-cam and TorchCAM, each used as its own documentation says."""
    return {
        "torchcam, one method": lambda: _torchcam(setting, 1),
        "torchcam, three methods": lambda: _torchcam(setting, 3),
        "grad-cam, one method": lambda: _grad_cam(setting, 1, [0]),
        "grad-cam, three methods": lambda: _grad_cam(setting, 3, [0]),
        f"grad-cam, {CLASSES} classes x one": lambda: _grad_cam(setting, 1, range(CLASSES)),
    }


def all_products(setting: Setting) -> dict[str, Job]:
    """The largest job, for single images only: fifteen calls of grad-cam."""
    return {f"grad-cam, {CLASSES} classes x three": lambda: _grad_cam(setting, 3, range(CLASSES))}


def guided(setting: Setting) -> dict[str, Job]:
    """Guided Grad-CAM, ours and Captum's, where the network has ReLUs."""
    if setting.arch in WITHOUT_RELU:
        return {}
    model, images, last = setting.model, setting.images, setting.layer()
    peer = GuidedGradCam(model, model.get_submodule(last))
    return {
        "ours, guided": lambda: guided_grad_cam(model, images, last, 0),
        "captum, guided": lambda: peer.attribute(images, 0, interpolate_mode="bilinear"),
    }


def _grad_cam(setting: Setting, count: int, classes: Iterable[int]) -> None:
    for method in PEERS["grad-cam"][:count]:
        with method(setting.model, [setting.model.get_submodule(setting.layer())]) as explainer:
            for target in classes:
                explainer(setting.images, [ClassifierOutputTarget(target)] * len(setting.images))


def _torchcam(setting: Setting, count: int) -> None:
    for method in PEERS["torchcam"][:count]:
        with method(setting.model, setting.layer()) as extractor:
            extractor(0, setting.model(setting.images))
