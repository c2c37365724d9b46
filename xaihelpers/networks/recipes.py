"""What a training run is made of: a recipe, its cycles of image sizes, and its augmentation."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import v2

import xaihelpers

BF16_GAIN = 1.3  # bf16 must beat fp32 by this factor before it is used


@dataclass(frozen=True)
class Cycle:
    """One one-cycle schedule of the learning rate over epochs whose image size may grow.

    lr: highest learning rate.
    sizes: side of the images in px, one entry per epoch, e.g. (96, 96, 128).
    warmup: share of the steps in which the rate rises.
    """

    lr: float
    sizes: tuple[int, ...]
    warmup: float = 0.3


@dataclass(frozen=True)
class Augmentation:
    """Random changes drawn anew for every image and epoch; nothing is stored.

    horizontal_flip, vertical_flip: probabilities. degrees: rotation within +- degrees.
    zoom: scale within 1 +- zoom. light: brightness and contrast factors within 1 +- light.
    """

    horizontal_flip: float = 0.5
    vertical_flip: float = 0.0
    degrees: float = 8.0
    zoom: float = 0.08
    light: float = 0.1

    def transform(self) -> v2.Transform:
        """The torchvision transform for one uint8 image (3, H, W)."""
        return v2.Compose(
            [
                v2.RandomHorizontalFlip(self.horizontal_flip),
                v2.RandomVerticalFlip(self.vertical_flip),
                v2.RandomAffine(
                    self.degrees,
                    scale=(1 - self.zoom, 1 + self.zoom),
                    interpolation=v2.InterpolationMode.BILINEAR,
                ),
                v2.ColorJitter(brightness=self.light, contrast=self.light),
            ]
        )


def augment(images: Tensor, transform: v2.Transform | None) -> Tensor:
    """Apply the transform to each image of a uint8 batch (N, 3, H, W) on its own."""
    if transform is None:
        return images
    return torch.stack([transform(image) for image in images])


@dataclass(frozen=True)
class Recipe:
    """Everything that decides how a network is trained, apart from data and seed.

    cycles: run one after the other; the last one's best epoch is what is kept.
    low_precision: use bf16 where it pays (`best_precision`), else float32.
    patience: a cycle ends when the validation loss has not improved for so many epochs of one
        image size; None never stops early.
    class_weights: weight of each class in the loss, or None for equal weights.
    augmentation: None trains on the images as they are.
    """

    cycles: tuple[Cycle, ...]
    batch_size: int = 32
    weight_decay: float = 0.05
    label_smoothing: float = 0.05
    clip: float = 1.0
    low_precision: bool = False
    patience: int | None = 3
    class_weights: tuple[float, ...] | None = None
    augmentation: Augmentation | None = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        sizes = [size for cycle in self.cycles for size in cycle.sizes]
        if not sizes or any(not cycle.sizes for cycle in self.cycles) or min(sizes) < 1:
            raise ValueError("a recipe needs cycles, each of at least one epoch of 1 px or more")
        if self.batch_size < 1 or any(cycle.lr <= 0 for cycle in self.cycles):
            raise ValueError("a recipe needs batch_size >= 1 and learning rates above 0")

    @property
    def epochs(self) -> int:
        """Epochs of all cycles together."""
        return sum(len(cycle.sizes) for cycle in self.cycles)

    @property
    def final_size(self) -> int:
        """Image size of the last epoch, which the network is used at."""
        return self.cycles[-1].sizes[-1]

    def as_dict(self) -> dict[str, Any]:
        """JSON values, lists for tuples, as they come back from a model card."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def best_precision(device: torch.device | str = "cpu") -> str:
    """ "bf16" where mixed precision pays on this device, else "no".

    CUDA devices are asked. CPUs are timed, on one thread: only those with matrix units for bf16
    (AMX) gain, on others (AVX2) it is several times slower than float32.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    if device.type != "cpu":
        return "no"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several threads would also measure who else uses the machine
    try:
        full, low = (min(_time_convolution(low) for _ in range(3)) for low in (False, True))
    finally:
        torch.set_num_threads(threads)
    return "bf16" if full > BF16_GAIN * low else "no"


def _time_convolution(low: bool) -> float:
    """Seconds of one forward and backward pass of a small convolution."""
    with torch.random.fork_rng(devices=[]):
        layer = nn.Conv2d(128, 128, 3, padding=1)
        images = torch.ones(8, 128, 28, 28).contiguous(memory_format=torch.channels_last)
    layer = layer.to(memory_format=torch.channels_last)
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        output = layer(images).sum()
    output.backward()
    return time.perf_counter() - start


def versions(low_precision: bool, *packages: ModuleType) -> dict[str, str]:
    """What a model card says of the software: versions, and the precision of the training."""
    return {
        "xaihelpers": xaihelpers.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        **{package.__name__: package.__version__ for package in packages},
        "precision": best_precision() if low_precision else "no",
    }
