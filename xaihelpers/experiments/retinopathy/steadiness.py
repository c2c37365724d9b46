"""How rough a map is, how much it moves when the image is disturbed, and what eps does to both."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import networks
from xaihelpers.cams.maps import rectify, upsample
from xaihelpers.cams.methods import grad_cam, xgrad_cam
from xaihelpers.study import Case, LayerTensors, MapScorer, layer_tensors

EPS = (1e-12, 1e-10, 1e-7, 1e-4, 1e-2, 1.0)


def steadiness(
    model: nn.Module,
    images: Tensor,
    layers: dict[str, str],
    classes: Tensor,
    eps: Sequence[float] = EPS,
    deviation: float = 4.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Grad-CAM, and XGrad-CAM at every eps, on images and on the same images with noise.

    Args:
        model: a classifier.
        images: (N, 3, H, W) uint8.
        layers: what a layer is called -> dotted name.
        classes: (N,) int64, explained in both.
        eps: below XGrad-CAM's fraction.
        deviation: of the Gaussian noise, in grey levels of 255.
        seed: of the noise.

    Returns:
        Columns: image (row of the batch), layer, method, eps (NaN for Grad-CAM), variation (total
        variation of the undisturbed map), stability (correlation of the map with that of the
        noisy image). NaN where a map is empty.
    """
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    noisy = (images.float() + deviation * noise).round().clamp(0, 255).to(torch.uint8)
    clean, disturbed = (
        layer_tensors(model, networks.normalize(shown), list(layers.values()), classes)
        for shown in (images, noisy)
    )
    size = (images.shape[-2], images.shape[-1])
    rows = []
    for role, before, after in zip(layers, clean, disturbed, strict=True):
        for method, guard in [("grad_cam", None), *(("xgrad_cam", value) for value in eps)]:
            case = Case(reference=_heat(after, guard, size))
            values = MapScorer(("variation", "pearson")).scores(
                case, _heat(before, guard, size), method
            )
            about = {"image": range(len(images)), "layer": role, "method": method, "eps": guard}
            figures = {"variation": values["variation"], "stability": values["pearson"]}
            rows.append(pd.DataFrame({**about, **figures}).astype({"eps": float}))
    return pd.concat(rows, ignore_index=True)


def _heat(layer: LayerTensors, eps: float | None, size: tuple[int, int]) -> Tensor:
    """The heat map of XGrad-CAM with this eps, or of Grad-CAM without."""
    if eps is None:
        raw = grad_cam(layer.activations, layer.gradients)
    else:
        raw = xgrad_cam(layer.activations, layer.gradients, eps)
    return upsample(rectify(raw), size)
