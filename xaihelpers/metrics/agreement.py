"""How alike two maps of one image are: by methods, layers, seeds or redrawn weights.

Every figure takes two batches of maps, `(N, H, W)` float and finite, and gives `(N,)`. Raw (signed)
maps are welcome wherever only order or correlation counts. Correlations of a constant map do not
exist: they are NaN, to be left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from skimage.metrics import structural_similarity
from torch import Tensor

from xaihelpers.errors import EvaluationError

WINDOW = 11  # pixels, as in the paper on SSIM
SPREAD = 1.5  # standard deviation of that Gaussian window, in pixels


def check_pair(first: Tensor, second: Tensor) -> None:
    """Raise `EvaluationError` unless both are finite float maps (N, H, W) of one shape."""
    for maps in (first, second):
        if maps.ndim != 3 or 0 in maps.shape or not maps.is_floating_point():
            raise EvaluationError(
                f"maps must be float, (N, H, W) and not empty, not {maps.dtype} {tuple(maps.shape)}"
            )
        if not bool(torch.isfinite(maps).all()):
            raise EvaluationError("a map holds NaN or infinite values; every value must be finite")
    if first.shape != second.shape:
        raise EvaluationError(
            f"maps are {tuple(first.shape)} and {tuple(second.shape)}; compare maps of one grid, "
            "or upsample both first: cams.maps.upsample(heat, size)"
        )


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Linear correlation over pixels: (N, H, W) twice -> (N,) in [-1, 1], NaN of a constant map."""
    check_pair(first, second)
    a, b = (maps.flatten(1).double() for maps in (first, second))
    flat = (a == a[:, :1]).all(dim=1) | (b == b[:, :1]).all(dim=1)
    a, b = a - a.mean(dim=1, keepdim=True), b - b.mean(dim=1, keepdim=True)
    r = (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))
    return r.clamp(-1, 1).masked_fill(flat, torch.nan).to(first.dtype)


def ranks(maps: Tensor) -> Tensor:
    """Rank of every pixel within its map, from 1, ties sharing their mean: (N, H, W) -> float64.

    A map after ReLU is full of tied zeros; ranks by position would find order among them.
    """
    values = maps.flatten(1).contiguous()
    ordered = values.sort(dim=1).values
    below = torch.searchsorted(ordered, values, right=False)
    up_to = torch.searchsorted(ordered, values, right=True)
    return ((below + up_to + 1).double() / 2).view(maps.shape)


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """Pearson correlation of the ranks: (N, H, W) twice -> (N,) in [-1, 1], NaN of a constant map.

    Blind to any increasing change of the scale, so to contrast and gamma.
    """
    check_pair(first, second)
    return pearson(ranks(first), ranks(second)).to(first.dtype)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """Structural similarity: (N, H, W) twice, values in [0, 1], sides >= 11 -> (N,) in [-1, 1].

    Wang 2004 (IEEE TIP 13/4), eq. 13 averaged as in eq. 17: Gaussian window of 11 px with standard
    deviation 1.5, K1 = 0.01, K2 = 0.03, at every place where the window fits. Computed by
    scikit-image on the CPU. torchmetrics also averages over a border of reflected pixels, which
    moves the figure by up to 0.3 on small maps.

    Raises:
        EvaluationError: maps of unlike shapes, smaller than the window, or outside [0, 1].
    """
    check_pair(first, second)
    if min(first.shape[1:]) < WINDOW:
        raise EvaluationError(
            f"maps are {first.shape[1]} x {first.shape[2]}, smaller than the window of {WINDOW}; "
            "upsample both first"
        )
    if any(bool((maps < 0).any() or (maps > 1).any()) for maps in (first, second)):
        raise EvaluationError("SSIM is defined for values in [0, 1]; use cams.maps.min_max first")
    pairs = zip(*(maps.detach().double().cpu().numpy() for maps in (first, second)), strict=True)
    values = [
        structural_similarity(
            *pair, data_range=1.0, gaussian_weights=True, sigma=SPREAD, use_sample_covariance=False
        )
        for pair in pairs
    ]
    return first.new_tensor(values)


def top_cells(maps: Tensor, share: float) -> Tensor:
    """The highest `share` of each map's pixels: (N, H, W) -> bool, ties in reading order.

    As many in every map, at least one.

    Raises:
        EvaluationError: share not in (0, 1).
    """
    if not 0 < share < 1:
        raise EvaluationError(f"share is {share}; it must lie between 0 and 1, for example 0.2")
    values = maps.flatten(1)
    count = max(1, round(share * values.shape[1]))
    chosen = values.argsort(dim=1, descending=True, stable=True)[:, :count]
    taken = torch.zeros_like(values, dtype=torch.bool).scatter_(1, chosen, True)
    return taken.view(maps.shape)


def top_iou(first: Tensor, second: Tensor, share: float = 0.2) -> Tensor:
    """Overlap of the highest pixels of two maps: (N, H, W) twice -> (N,) in [0, 1].

    Intersection over union of the top `share`; NaN if a map is constant. Two unrelated maps
    reach share / (2 - share) on average, 0.11 for a fifth: that is the figure to beat, not 0.
    """
    check_pair(first, second)
    a, b = top_cells(first, share).flatten(1), top_cells(second, share).flatten(1)
    overlap = (a & b).sum(dim=1) / (a | b).sum(dim=1)
    flat = [(maps.flatten(1) == maps.flatten(1)[:, :1]).all(dim=1) for maps in (first, second)]
    return overlap.to(first.dtype).masked_fill(flat[0] | flat[1], torch.nan)


#: Name -> figure; higher is more alike in all of them.
AGREEMENTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "pearson": pearson,
    "spearman": spearman,
    "ssim": ssim,
    "top_iou": top_iou,
}
