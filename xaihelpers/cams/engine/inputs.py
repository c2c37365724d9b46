"""Read what is passed to a network: a tensor, a tuple, a dict, or a list of images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from xaihelpers.errors import InputError

PREFERRED = "pixel_values"  # the images among Hugging Face's keywords


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """The arguments of a call of a network.

    Attributes:
        args: positional arguments.
        kwargs: keyword arguments.
        images: the tensor whose pixels are explained, (N, channels, *S); for a list of images,
            their stack.
        count: number of images, N.
        size: spatial size of the images, S.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    images: Tensor

    @property
    def count(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, ...]:
        return tuple(self.images.shape[2:]) or tuple(self.images.shape[1:])

    @property
    def device(self) -> torch.device:
        return self.images.device

    @property
    def is_one_tensor(self) -> bool:
        """Whether the network is called with one tensor and nothing else."""
        return len(self.args) == 1 and self.args[0] is self.images and not self.kwargs

    def call(self, model: nn.Module) -> Any:
        """Call the network."""
        return model(*self.args, **self.kwargs)

    def split(self, size: int) -> list[ModelInputs]:
        """Cut a call with one tensor into calls with `size` images at most."""
        return [ModelInputs((part,), {}, part) for part in self.images.split(size)]


def read_inputs(inputs: Any) -> ModelInputs:
    """Read and check the arguments of a call.

    Args:
        inputs: a tensor (N, channels, *S); a tuple, called as `model(*inputs)`; a mapping, called
            as `model(**inputs)`; or a list of images (channels, H, W) of one size, for detectors.

    Raises:
        InputError: there is no floating-point tensor, or it is empty or not finite.

    Example:
        >>> read_inputs((torch.zeros(2, 3, 8, 8), torch.zeros(2, 5))).size
        (8, 8)
    """
    if isinstance(inputs, Tensor):
        images = _recordable(inputs)
        return ModelInputs((images,), {}, _images([images]))
    if isinstance(inputs, list):
        return _read_list(inputs)
    if isinstance(inputs, Mapping):
        kwargs = {name: _recordable(value) for name, value in inputs.items()}
        preferred = kwargs.get(PREFERRED)
        return ModelInputs((), kwargs, _images([preferred, *kwargs.values()]))
    if isinstance(inputs, tuple):
        args = tuple(_recordable(value) for value in inputs)
        return ModelInputs(args, {}, _images(args))
    raise InputError(
        f"images must be a torch tensor, a tuple, a dict or a list of tensors, "
        f"got {type(inputs).__name__}"
    )


def check_images(model: nn.Module, images: Any) -> None:
    """Check that images are a usable tensor of as many dimensions as the network takes.

    Args:
        model: the network. Its convolutions say how many dimensions a batch has.
        images: (N, channels, *S).

    Raises:
        InputError: they are not.
    """
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a torch tensor, got {type(images).__name__}")
    inputs = read_inputs(images)
    if _fits(model, images.ndim):
        return
    reason = complaint(model, inputs)
    if reason is not None:
        raise reason


def complaint(model: nn.Module, inputs: ModelInputs) -> InputError | None:
    """Say what about the inputs may have made a forward pass fail; None if nothing is known."""
    images = inputs.images
    if inputs.is_one_tensor and not _fits(model, images.ndim):
        expected = sorted({len(module.kernel_size) + 2 for module in convolutions(model)})
        return InputError(
            f"this network takes batches of {' or '.join(map(str, expected))} dimensions "
            f"(images, channels, ...), got shape {tuple(images.shape)}; one image is `image[None]`"
        )
    weight = next((p for p in model.parameters() if p.is_floating_point()), None)
    if weight is not None and weight.dtype != images.dtype:
        return InputError(
            f"images are {images.dtype} and the network's weights {weight.dtype}; convert one: "
            f"`images.to({weight.dtype})` or `model.to({images.dtype})`"
        )
    return None


def convolutions(model: nn.Module) -> Iterator[_ConvNd]:
    """All convolutions of a network."""
    return (module for module in model.modules() if isinstance(module, _ConvNd))


def _fits(model: nn.Module, dimensions: int) -> bool:
    """Whether some convolution takes images of so many dimensions, or there is none at all."""
    module = None
    for module in convolutions(model):
        if len(module.kernel_size) + 2 == dimensions:
            return True
    return module is None


def _read_list(images: list[Any]) -> ModelInputs:
    if not images or not all(isinstance(image, Tensor) and image.ndim == 3 for image in images):
        raise InputError("a list of inputs holds images (channels, height, width), at least one")
    sizes = sorted({tuple(image.shape) for image in images})
    if len(sizes) > 1:
        raise InputError(
            f"the images have different sizes {sizes}, so their maps do not fit into one tensor; "
            "explain them one by one"
        )
    images = [_recordable(image) for image in images]
    return ModelInputs((images,), {}, _images([torch.stack(images)]))


def _images(values: Iterable[Any]) -> Tensor:
    """The first floating-point tensor that may be images, checked."""
    tensors = [value for value in values if isinstance(value, Tensor)]
    for least in (3, 2):
        for tensor in tensors:
            if tensor.is_floating_point() and tensor.ndim >= least:
                _check_images(tensor)
                return tensor
    given = ", ".join(f"{tuple(tensor.shape)} {tensor.dtype}" for tensor in tensors) or "no tensor"
    raise InputError(
        "images (N, channels, ...) must be floating point and normalised as in training, "
        f"got {given}"
    )


def _check_images(images: Tensor) -> None:
    if images.numel() == 0:
        raise InputError(f"the batch is empty: shape {tuple(images.shape)}; pass at least one")
    if images.sum().isfinite():  # quick; a sum of large finite values may overflow, so look closer
        return
    finite = images.isfinite().flatten(1).all(dim=1)
    if not finite.all():
        positions = (~finite).nonzero().flatten().tolist()
        raise InputError(f"images {positions} hold NaN or infinity; check how they were normalised")


def _recordable(value: Any) -> Any:
    """A tensor made in inference mode cannot be recorded, its copy can."""
    return value.clone() if isinstance(value, Tensor) and value.is_inference() else value
