"""Maps that never asked the network: what any method has to beat, and what none can exceed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from xaihelpers.cams.maps import min_max, upsample
from xaihelpers.errors import EvaluationError


def centre_gaussian(count: int, size: tuple[int, int], spread: float = 0.25) -> Tensor:
    """A Gaussian in the middle of the image, 1 at its peak: -> (count, H, W) float32.

    `spread` is the standard deviation as a share of the side.
    """
    rows, columns = (((torch.arange(side) + 0.5) / side - 0.5) / spread for side in size)
    bump = torch.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / 2)
    return (bump / bump.max()).expand(count, *size)


def uniform(count: int, size: tuple[int, int]) -> Tensor:
    """The same value everywhere: -> (count, H, W) float32 ones.

    Its energy in a mask is the mask's share of the image. Its maximum is no single pixel, so it
    has no pointing score worth printing.
    """
    return torch.ones(count, *size)


def edges(images: Tensor) -> Tensor:
    """Sobel gradient magnitude of the grey image, stretched to [0, 1]: (N, C, H, W) -> (N, H, W).

    Sees the picture and knows nothing of the network; the control that Adebayo 2018 (arXiv
    1810.03292) holds beside saliency maps. Images in any scale, uint8 or float.
    """
    if images.ndim != 4:
        raise EvaluationError(f"images must be (N, C, H, W), not {tuple(images.shape)}")
    grey = images.float().mean(dim=1, keepdim=True)
    smooth, slope = torch.tensor([1.0, 2.0, 1.0]), torch.tensor([-1.0, 0.0, 1.0])
    kernels = torch.stack([torch.outer(smooth, slope), torch.outer(slope, smooth)])
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    return min_max(F.conv2d(padded, kernels[:, None].to(grey.device)).norm(dim=1))


def best_possible(mask: Tensor, grid: Sequence[int]) -> Tensor:
    """Largest energy in the mask that any map of this grid can reach: (N, H, W) bool -> (N,).

    For a map of non-negative cells, upsampled bilinearly, the energy is a weighted mean of the
    energies of its single cells, so the best map is one lit cell. The heat of every cell inside
    the mask is the gradient of the whole map's heat inside it with respect to that cell. 0 for an
    empty mask.

    Args:
        grid: rows and columns of the layer.
    """
    if mask.dtype != torch.bool or mask.ndim != 3:
        raise EvaluationError(f"mask must be bool (N, H, W), not {mask.dtype} {tuple(mask.shape)}")
    with torch.enable_grad():
        cells = torch.zeros(1, *grid, device=mask.device, requires_grad=True)
        heat = upsample(cells, mask.shape[1:]).expand(mask.shape)
        (total,) = torch.autograd.grad(heat[:1].sum(), cells, retain_graph=True)
        many = cells.expand(len(mask), *grid).clone()
        (inside,) = torch.autograd.grad((upsample(many, mask.shape[1:]) * mask).sum(), many)
    return (inside / total).flatten(1).amax(dim=1)
