"""Where a detector puts its images: resized, then padded to a common canvas.

torchvision's detectors do this inside the model. A layer's grid then covers the canvas, and a map
must be cut to the image before it is stretched to the image's own size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from xaihelpers.cams.engine.inputs import ModelInputs
from xaihelpers.cams.hooks import in_this_thread

TRANSFORM = "GeneralizedRCNNTransform"  # torchvision's; the core does not import torchvision


@dataclass
class Canvas:
    """What a detector's transform made of the images.

    Attributes:
        size: height and width of the padded batch, in pixels; None if nothing was padded.
        contents: height and width of each resized image in its upper left corner.
    """

    size: tuple[int, ...] | None = None
    contents: list[tuple[int, ...]] = field(default_factory=list)


@contextmanager
def capture_canvas(model: nn.Module, inputs: ModelInputs) -> Iterator[Canvas]:
    """Record in the block where a detector's own transform puts a list of images.

    Args:
        model: the network.
        inputs: what it is called with; only lists of images are put on a canvas.
    """
    canvas = Canvas()
    if not (inputs.args and isinstance(inputs.args[0], list)):
        yield canvas
        return

    def record(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        images = output[0]
        canvas.size = tuple(images.tensors.shape[-2:])
        canvas.contents = [tuple(size) for size in images.image_sizes]

    transforms = [part for part in model.modules() if type(part).__name__ == TRANSFORM]
    handles = [part.register_forward_hook(in_this_thread(record)) for part in transforms]
    try:
        yield canvas
    finally:
        for handle in handles:
            handle.remove()
