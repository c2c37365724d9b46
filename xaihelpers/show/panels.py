"""One picture on one axis: an image, a heat map over it, lesion outlines."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from torch import Tensor

from xaihelpers.errors import FigureError

Array = np.ndarray | Tensor

CMAP = "inferno"  # perceptually uniform: equal steps in the map look like equal steps in brightness

#: One colour per structure, the same in every figure.
COLOURS = {
    "microaneurysm": "#ff4d4d",
    "haemorrhage": "#e033ff",
    "hard_exudate": "#ffe14d",
    "cotton_wool": "#00e5ff",
    "venous_beading": "#3d7bff",
    "new_vessels": "#3dff8b",
    "preretinal": "#ff9ae0",
    "laser_scar": "#b3a1ff",
    "opacity": "#3dff8b",
    "lung": "#4dd2ff",
    "marker": "#ffe14d",
    "circle": "#3d8bff",
    "square": "#ff9f1c",
    "triangle": "#3dff8b",
    "star": "#ff4d4d",
    "heart": "#b07aff",
    "cross": "#ffe14d",
    "moon": "#ff9ae0",
    "ring": "#00e5ff",
}
OTHER_COLOURS = ("#ff9f1c", "#c8ff4d", "#9d8cff", "#00e0c6", "#ff6f91", "#d0d0d0")


def as_picture(image: Array) -> np.ndarray:
    """An image as (H, W, 3) uint8 or float in [0, 1]; takes (3, H, W), (H, W, 3) or (H, W)."""
    picture = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if picture.ndim == 3 and picture.shape[0] == 3 and picture.shape[2] != 3:
        picture = picture.transpose(1, 2, 0)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise FigureError(
            f"image must be (H, W, 3), (3, H, W) or (H, W), not {tuple(picture.shape)}; "
            "of a batch, pass one image"
        )
    if picture.dtype == np.uint8:
        return picture
    picture = picture.astype(np.float32)
    if not (np.isfinite(picture).all() and picture.min() >= 0 and picture.max() <= 1):
        raise FigureError(
            f"image values lie in [{picture.min():.3g}, {picture.max():.3g}]; pass uint8, or "
            "floats in [0, 1]: the picture itself, not what networks.normalize made of it"
        )
    return picture


def as_heat(heat: Array, size: tuple[int, int] | None = None, signed: bool = False) -> np.ndarray:
    """A map as (H, W) float32, finite, not negative unless `signed`, of the given size if any."""
    values = heat.detach().cpu().numpy() if isinstance(heat, torch.Tensor) else np.asarray(heat)
    if values.ndim != 2 or values.size == 0:
        raise FigureError(f"heat must be one map (H, W), not {tuple(values.shape)}")
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise FigureError("heat holds NaN or infinite values; every value must be finite")
    if not signed and values.min() < 0:
        raise FigureError(
            f"heat holds negative values (least {values.min():.3g}); pass the rectified map, "
            "or draw the raw one with figures.signed_map"
        )
    if size is not None and values.shape != size:
        raise FigureError(
            f"heat is {values.shape} and the image {size}; upsample the map first: "
            "cams.maps.upsample(heat, size)"
        )
    return values


def draw_image(ax: Axes, image: Array) -> None:
    """Draw an image without ticks."""
    ax.imshow(as_picture(image))
    ax.set_axis_off()


def draw_heat(
    ax: Axes, heat: Array, image: Array | None = None, cmap: str = CMAP, opacity: float = 0.6
) -> AxesImage:
    """Draw a map from 0 to its maximum, over an image if given; an empty map says so in the title.

    Over an image the map is the more transparent the lower it is, so that the image stays
    readable where there is nothing to show.
    """
    picture = None if image is None else as_picture(image)
    values = as_heat(heat, None if picture is None else picture.shape[:2])
    peak = float(values.max())
    if peak == 0:
        ax.set_title("\n".join(filter(None, [ax.get_title(), "no positive evidence"])))
    share = values / peak if peak > 0 else values
    alpha = None
    if picture is not None:
        ax.imshow(picture)
        alpha = opacity * np.clip(2 * share, 0, 1)
    artist = ax.imshow(share * peak, cmap=cmap, vmin=0, vmax=peak or 1, alpha=alpha)
    ax.set_axis_off()
    return artist


def draw_contours(ax: Axes, masks: Mapping[str, Array], size: tuple[int, int]) -> list[Line2D]:
    """Outline every non-empty mask in the colour of its name; returns the legend's entries."""
    entries = []
    spare = iter(OTHER_COLOURS * (1 + len(masks) // len(OTHER_COLOURS)))
    for name, mask in masks.items():
        colour = COLOURS.get(name) or next(spare)
        values = mask.cpu().numpy() if isinstance(mask, torch.Tensor) else np.asarray(mask)
        if values.dtype != bool or values.shape != size:
            raise FigureError(
                f"mask {name!r} must be bool and {size} like the image, "
                f"not {values.dtype} {tuple(values.shape)}"
            )
        if values.any():
            padded = np.pad(values, 1).astype(np.uint8)
            extent = (np.arange(padded.shape[1]) - 1, np.arange(padded.shape[0]) - 1)
            ax.contour(*extent, padded, levels=[0.5], colors=[colour], linewidths=1)
            entries.append(Line2D([], [], color=colour, label=name.replace("_", " ")))
    ax.set_xlim(-0.5, size[1] - 0.5)
    ax.set_ylim(size[0] - 0.5, -0.5)
    return entries


def known_cmap(name: str) -> str:
    """The name of a colour map, or a clear error."""
    if name not in mpl.colormaps:
        raise FigureError(
            f"no colour map is called {name!r}; try 'inferno', 'viridis', 'magma' or 'jet'"
        )
    return name
