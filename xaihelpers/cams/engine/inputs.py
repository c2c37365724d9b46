"""Check a batch before a network sees it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from xaihelpers.errors import InputError


def check_images(model: nn.Module, images: Tensor) -> None:
    """Check that images are a finite, floating-point, non-empty batch that the network can take.

    Args:
        model: the network. Its convolutions say how many dimensions a batch has.
        images: (N, channels, *S).

    Raises:
        InputError: they are not.

    Example:
        >>> import torch
        >>> check_images(nn.Conv2d(3, 4, 3), torch.rand(2, 3, 8, 8))
    """
    if not isinstance(images, Tensor):
        raise InputError(f"images must be a torch tensor, got {type(images).__name__}")
    if not images.is_floating_point():
        raise InputError(
            f"images must be floating point and normalised as in training, got {images.dtype}"
        )
    if not _fits(model, images.ndim):
        expected = sorted({len(module.kernel_size) + 2 for module in convolutions(model)})
        raise InputError(
            f"this network takes batches of {' or '.join(map(str, expected))} dimensions "
            f"(images, channels, ...), got shape {tuple(images.shape)}; one image is `image[None]`"
        )
    if images.numel() == 0:
        raise InputError(f"the batch is empty: shape {tuple(images.shape)}; pass at least one")
    if images.sum().isfinite():  # quick; a sum of large finite values may overflow, so look closer
        return
    finite = images.isfinite().flatten(1).all(dim=1)
    if not finite.all():
        positions = (~finite).nonzero().flatten().tolist()
        raise InputError(f"images {positions} hold NaN or infinity; check how they were normalised")


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
