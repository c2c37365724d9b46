"""What stands where something was taken away: blur, mean, zero, or pixels made up from neighbours.

Images are `(N, C, H, W)` float, normalised as the network expects them. No replacement is neutral:
a flat patch is itself a thing to see, and its outline gives the mask away (Rong 2022, arXiv
2202.00449); `impute` hides the outline best.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import functional as TF

from xaihelpers.errors import EvaluationError

NOISE = 0.01  # standard deviation of what is added to imputed pixels, in the images' own unit
ITERATIONS = 1000


def blur(images: Tensor) -> Tensor:
    """The images out of focus: Gaussian of a 20th of the side; shapes go, colours stay.

    RISE (arXiv 1806.07421) starts insertion from a blurred image.
    """
    side = min(images.shape[2:])
    spread = side / 20
    width = min(2 * round(3 * spread) + 1, 2 * (side // 2) - 1)
    return TF.gaussian_blur(images, [width, width], [spread, spread])


def mean(images: Tensor) -> Tensor:
    """Each image's own mean colour everywhere."""
    return images.mean(dim=(2, 3), keepdim=True).expand_as(images)


def zero(images: Tensor) -> Tensor:
    """0 everywhere: not black but, after normalisation, the mean colour of ImageNet."""
    return torch.zeros_like(images)


#: Name -> images to images: what a removed pixel is replaced with.
FILLINGS: dict[str, Callable[[Tensor], Tensor]] = {"blur": blur, "mean": mean, "zero": zero}


def filling(name: str) -> Callable[[Tensor], Tensor]:
    """A function of `FILLINGS` by name.

    Raises:
        EvaluationError: no such name.
    """
    if name not in FILLINGS:
        raise EvaluationError(f"unknown filling {name!r}; choose one of {', '.join(FILLINGS)}")
    return FILLINGS[name]


def impute(
    images: Tensor, removed: Tensor, noise: Tensor | float = 0.0, tolerance: float = 1e-3
) -> Tensor:
    """Noisy linear imputation: a removed pixel is the weighted mean of its neighbours, plus noise.

    ROAD (Rong 2022, arXiv 2202.00449): of the eight neighbours the direct ones weigh 1/6 and the
    diagonal ones 1/12; where both ends are unknown this is a linear system, solved here for the
    whole batch by conjugate gradients on the device. At the image's edge the weights of the
    neighbours that exist are scaled up. An image removed altogether becomes its mean colour.

    Args:
        images: (N, C, H, W) float, normalised.
        removed: (N, H, W) bool.
        noise: added to removed pixels: (N, C, H, W), or a standard deviation (`NOISE` in ROAD),
            drawn with torch's generator.
        tolerance: residual of the linear system relative to its right-hand side; 1e-3 is off by
            less than the noise, on average.
    """
    if removed.dtype != torch.bool or removed.shape != (len(images), *images.shape[2:]):
        raise EvaluationError(
            f"removed must be bool and {(len(images), *images.shape[2:])}, "
            f"not {removed.dtype} {tuple(removed.shape)}"
        )
    gone = removed[:, None].to(images.dtype)
    weight = _neighbours(torch.ones_like(gone))
    whole = removed.flatten(1).all(dim=1)[:, None, None, None]
    start = torch.where(whole, mean(images), _pull(images * (1 - gone), 1 - gone)) * gone
    filled = _solve(gone, weight, gone * _neighbours(images * (1 - gone)), start, tolerance)
    if not isinstance(noise, Tensor):
        noise = noise * torch.randn_like(images) if noise else torch.zeros_like(images)
    return torch.where(removed[:, None], filled + noise, images)


def _neighbours(images: Tensor) -> Tensor:
    """Weighted sum over eight neighbours, 0 beyond the edge: (1, 2, 1) twice, less the centre."""
    padded = F.pad(images, (1, 1, 1, 1))
    rows = padded[..., :-2, :] + 2 * padded[..., 1:-1, :] + padded[..., 2:, :]
    return (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:] - 4 * images) / 12


def _pull(kept: Tensor, known: Tensor) -> Tensor:
    """A smooth guess of every pixel from the known ones, halving the grid until all is known."""
    if min(kept.shape[2:]) <= 1 or bool((known > 0).all()):
        return kept / known.clamp_min(torch.finfo(kept.dtype).tiny)
    half = [
        F.avg_pool2d(part, 2, ceil_mode=True, count_include_pad=False) for part in (kept, known)
    ]
    coarse = _pull(half[0], half[1])
    size = (kept.shape[2], kept.shape[3])
    guess = F.interpolate(coarse, size, mode="bilinear", align_corners=False)
    return torch.where(known > 0, kept / known.clamp_min(torch.finfo(kept.dtype).tiny), guess)


def _solve(gone: Tensor, weight: Tensor, wanted: Tensor, start: Tensor, tolerance: float) -> Tensor:
    """x on the removed pixels with weight x - neighbours(x) = wanted, by conjugate gradients."""

    def apply(x: Tensor) -> Tensor:
        return gone * (weight * x - _neighbours(x))

    def dot(a: Tensor, b: Tensor) -> Tensor:
        return (a * b).sum(dim=(2, 3), keepdim=True)

    tiny = torch.finfo(start.dtype).tiny
    scale = dot(wanted, wanted)  # 0 where no pixel is left: there the start is the answer
    x, goal = start, tolerance**2 * torch.where(scale > 0, scale, dot(start, start))
    residual = wanted - apply(x)
    direction, size = residual, dot(residual, residual)
    for _ in range(ITERATIONS):
        if bool((size <= goal).all()):
            break
        bent = apply(direction)
        step = size / dot(direction, bent).clamp_min(tiny)
        x, residual = x + step * direction, residual - step * bent
        new = dot(residual, residual)
        direction, size = residual + new / size.clamp_min(tiny) * direction, new
    return x
