"""One picture on one axis: an image, a heat map over it, lesion outlines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from torch import Tensor

from xaihelpers.cams.maps import upsample
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


def as_picture(
    image: Array, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
) -> np.ndarray:
    """An image in the one form that is drawn.

    Args:
        image: (H, W, 3), (3, H, W), (H, W) or (1, H, W); uint8, or floating point in [0, 1] or
            normalised by `mean` and `std`.
        mean: of each colour, which a normalised image has lost.
        std: of each colour, by which a normalised image was divided.

    Returns:
        (H, W, 3), uint8 or float32 in [0, 1].

    Raises:
        FigureError: another shape, or values outside [0, 1].
    """
    picture = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.shape[2] not in (1, 3):
        picture = picture.transpose(1, 2, 0)
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 3) or picture.size == 0:
        raise FigureError(
            f"image must be (H, W, 3), (3, H, W), (H, W) or (1, H, W), not {tuple(picture.shape)}; "
            "of a batch, pass one image"
        )
    if mean is not None or std is not None:
        picture = _unnormalised(picture, mean or (0.0,), std or (1.0,))
    if picture.shape[2] == 1:
        picture = np.repeat(picture, 3, axis=2)
    if picture.dtype == np.uint8:
        return picture
    picture = picture.astype(np.float32)
    if not (np.isfinite(picture).all() and picture.min() >= 0 and picture.max() <= 1):
        raise FigureError(
            f"image values lie in [{picture.min():.3g}, {picture.max():.3g}]; pass uint8, or "
            "floats in [0, 1], or say by mean=... and std=... how networks.normalize changed them"
        )
    return picture


def _unnormalised(picture: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """What an image was before `mean` was subtracted and `std` divided; rounding is cut off."""
    values = picture * np.asarray(std, dtype=np.float32) + np.asarray(mean, dtype=np.float32)
    outside = max(-float(values.min()), float(values.max()) - 1)
    return np.clip(values, 0, 1) if outside < 0.01 else values


@lru_cache(maxsize=16)
def colour_table(cmap: str) -> np.ndarray:
    """A colour map as (256, 3) uint8 RGB."""
    table: np.ndarray = mpl.colormaps[known_cmap(cmap)](np.arange(256), bytes=True)[:, :3]
    return table


def blend(image: np.ndarray, heat: np.ndarray, cmap: str, opacity: float) -> np.ndarray:
    """A map over an image, as pixels.

    Args:
        image: (H, W, 3) uint8 RGB.
        heat: (H, W) in [0, 1]; a value v is drawn with opacity `opacity * min(2 v, 1)`.
        cmap: name of a colour map.
        opacity: in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB.
    """
    colours = colour_table(cmap)[(255 * heat + 0.5).astype(np.uint8)]
    alpha = (opacity * np.minimum(2 * heat, 1)).astype(np.float32)[..., None]
    mixed = image + alpha * (colours.astype(np.float32) - image)
    return (mixed + 0.5).astype(np.uint8)


def as_heat(heat: Array, size: tuple[int, int] | None = None, signed: bool = False) -> np.ndarray:
    """A map in the one form that is drawn.

    Args:
        heat: (H, W) or (1, H, W), finite, not negative unless `signed`.
        size: height and width to bring it to, bilinearly with cell centres matched, as
            `cams.maps.upsample` does; None keeps its own grid.
        signed: whether negative values are allowed.

    Returns:
        (H, W) float32.

    Raises:
        FigureError: another shape, or values that are not allowed.
    """
    values = heat.detach().cpu().numpy() if isinstance(heat, torch.Tensor) else np.asarray(heat)
    if values.ndim == 3 and len(values) == 1:
        values = values[0]
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
        resized: np.ndarray = upsample(torch.from_numpy(values)[None], size)[0].numpy()
        return resized
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
