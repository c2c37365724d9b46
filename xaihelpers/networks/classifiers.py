"""The classifiers, from stock torchvision parts, ready to be explained."""

from __future__ import annotations

import copy
from typing import TypeVar, cast
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision import models
from torchvision.models.efficientnet import MBConv
from torchvision.models.vgg import cfgs, make_layers

from xaihelpers.cams.engine.modes import evaluating
from xaihelpers.errors import ArchitectureError, WeightsUnavailableError
from xaihelpers.networks import imagenet
from xaihelpers.networks.small import SMALL, SmallVGG

ARCHITECTURES = ("efficientnet_b0", "vgg19", "densenet121", "resnet50", "resnet18", "vgg16")
TRAINED_WITH_NORM = ("vgg19", "vgg16")  # plain VGGs do not start from random weights
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
VGG = TypeVar("VGG", "VGG19", "VGG16")


class VGG19(nn.Module):
    """VGG19 with the retinopathy project's head: features, GAP, 512-256, ELU, dropout 0.3, 256-C.

    Convolutions start as torchvision's do (He et al. 2015, fan out). `batch_norm` gives the form
    that is trained; `fold_batch_norm` turns it into the plain form that is shipped and explained.
    """

    def __init__(self, num_classes: int, batch_norm: bool = False) -> None:
        super().__init__()
        self.features = make_layers(cfgs["E"], batch_norm=batch_norm)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Sequential(
            nn.Linear(512, 256), nn.ELU(), nn.Dropout(0.3), nn.Linear(256, num_classes)
        )
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.constant_(module.get_parameter("bias"), 0.0)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images, sides of at least 32 px -> (N, C) logits."""
        return self.head(self.pool(self.features(images)).flatten(1))


class VGG16(models.VGG):
    """torchvision's VGG-16 with its fully connected head, 25088-4096-4096-C.

    With 1000 classes it has the 138,357,544 parameters that papers quote; 119.5 million of them
    are the head's. It has no global average pooling, so no CAM. `batch_norm`: as for `VGG19`.
    """

    def __init__(self, num_classes: int, batch_norm: bool = False) -> None:
        super().__init__(make_layers(cfgs["D"], batch_norm=batch_norm), num_classes)


class DenseNet121(models.DenseNet):
    """torchvision's DenseNet-121 with the last ReLU as a module, `final_relu`, that can be hooked.

    torchvision calls `F.relu` between `features` and the pooling, where no hook reaches it; what
    feeds the pooling is then out of reach. The state dict is torchvision's own.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__(32, (6, 12, 24, 16), 64, num_classes=num_classes)
        self.final_relu = nn.ReLU(inplace=False)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images -> (N, C) logits."""
        activations = self.final_relu(self.features(images))
        return self.classifier(activations.mean(dim=(2, 3)))


def build(arch: str, num_classes: int, weights: str | None = None) -> nn.Module:
    """Make a network with `num_classes` outputs, in training mode.

    Args:
        arch: a name of `ARCHITECTURES` or `SMALL`, "efficientnet_lite0" (timm's), or a VGG's form
            for training, "vgg19_bn" or "vgg16_bn".
        weights: None for a fresh start; "imagenet" for ImageNet weights below a fresh head. Those
            of "efficientnet_lite0" come from a package, those of the others are downloaded by
            torchvision.

    Raises:
        ArchitectureError: unknown `arch`, timm is not installed, or fewer than one class.
        WeightsUnavailableError: the ImageNet weights cannot be downloaded, or their package is not
            installed.
    """
    if num_classes < 1:
        raise ArchitectureError(f"num_classes must be at least 1, got {num_classes}")
    if weights not in (None, "imagenet"):
        raise ArchitectureError(f'weights must be None or "imagenet", got {weights!r}')
    if arch in ("vgg19", "vgg19_bn"):
        model: nn.Module = VGG19(num_classes, batch_norm=arch == "vgg19_bn")
    elif arch in ("vgg16", "vgg16_bn"):
        model = VGG16(num_classes, batch_norm=arch == "vgg16_bn")
    elif arch == "densenet121":
        model = DenseNet121(num_classes)
    elif arch == "efficientnet_b0":
        model = models.efficientnet_b0(num_classes=num_classes)
        _start_gently(model)
    elif arch == "resnet50":
        model = models.resnet50(num_classes=num_classes)
    elif arch == "resnet18":
        model = models.resnet18(num_classes=num_classes)
    elif arch == imagenet.ARCH:
        model = imagenet.architecture(num_classes)
    elif arch in SMALL:
        model = SmallVGG(num_classes, gap=arch == "small_vgg_gap")
    else:
        known = ", ".join(
            (*ARCHITECTURES, imagenet.ARCH, *SMALL, *(f"{name}_bn" for name in TRAINED_WITH_NORM))
        )
        raise ArchitectureError(f"unknown architecture {arch!r}; choose one of {known}")
    if weights == "imagenet":
        copy_weights(_imagenet(arch), model)
    return model


def copy_weights(source: nn.Module, target: nn.Module) -> list[str]:
    """Copy every tensor whose name and shape agree; return the names of `target` left as they were.

    A head for another number of classes is left out, which is how fine-tuning starts.
    """
    wanted = target.state_dict()
    same = {
        name: tensor
        for name, tensor in source.state_dict().items()
        if name in wanted and wanted[name].shape == tensor.shape
    }
    target.load_state_dict(same, strict=False)
    return [name for name in wanted if name not in same]


def fold_batch_norm(model: VGG) -> VGG:
    """Plain VGG with the same logits in eval mode: each batch norm folded into its convolution.

    For y = gamma (conv(x) - mean) / sqrt(var + eps) + beta both steps are linear in x, so they are
    one convolution. `model` is left as it is; the result is in eval mode on the CPU.
    """
    plain = copy.deepcopy(model).cpu().eval()
    folded: list[nn.Module] = []
    for layer in plain.features:
        if isinstance(layer, nn.BatchNorm2d):
            convolution = cast(nn.Conv2d, folded.pop())
            layer = fuse_conv_bn_eval(convolution, layer)
        folded.append(layer)
    plain.features = nn.Sequential(*folded)
    return plain


def normalize(images: Tensor) -> Tensor:
    """uint8 RGB (N, 3, H, W), 0..255 -> float32, ImageNet mean 0 and standard deviation 1.

    The one normalisation of every network here, whatever it was trained on.

    Raises:
        TypeError: the images are not uint8.
        ValueError: the shape is not (N, 3, H, W).
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"normalize expects uint8 images in 0..255, got {images.dtype}")
    if images.ndim != 4 or images.shape[1] != 3:
        raise ValueError(f"normalize expects (N, 3, H, W), got {tuple(images.shape)}")
    mean = torch.tensor(MEAN, device=images.device).view(3, 1, 1) * 255
    std = torch.tensor(STD, device=images.device).view(3, 1, 1) * 255
    return (images.float() - mean) / std


@torch.no_grad()
def predict(model: nn.Module, images: Tensor, batch_size: int = 32) -> Tensor:
    """Logits (N, C) float32 of uint8 images (N, 3, H, W), on the model's device.

    Runs in eval mode and leaves every module's training flag as it was.

    Raises:
        ValueError: no images, or the wrong shape.
    """
    if len(images) == 0:
        raise ValueError("predict got an empty batch; expected (N, 3, H, W) with N >= 1")
    device = next(model.parameters()).device
    with evaluating(model):
        logits = [model(normalize(part.to(device))) for part in images.split(batch_size)]
    return torch.cat(logits).float()


def _start_gently(model: models.EfficientNet) -> None:
    """Small head, N(0, 0.01), and damped residual branches (last batch-norm scale 0.2).

    torchvision's own start is meant for long schedules; in five epochs it does not get going.
    """
    nn.init.normal_(model.classifier[-1].weight, std=0.01)
    for block in model.modules():
        if isinstance(block, MBConv) and block.use_res_connect:
            nn.init.constant_(block.block[-1][1].weight, 0.2)


def _imagenet(arch: str) -> nn.Module:
    if arch == imagenet.ARCH:
        return imagenet.start(MEAN, STD)
    try:
        return models.get_model(arch, weights="DEFAULT")
    except (URLError, TimeoutError, ConnectionError, RuntimeError) as error:
        raise WeightsUnavailableError(
            f"torchvision's ImageNet weights of {arch} could not be downloaded ({error}). "
            "Connect to the internet once (they are kept in torch.hub's cache), or go on with "
            "weights=None, or start from a checkpoint of this project (networks.load_shipped)."
        ) from error
