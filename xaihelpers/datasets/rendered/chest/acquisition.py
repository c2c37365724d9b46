"""From attenuation to the stored picture: devices on the chest, exposure, grain and collimation.

Drawn independently of patient and class, so none of it can give the class away.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from xaihelpers.datasets.rendered.chest.canvas import Canvas, band, curve, ellipse

_METAL = 0.75  # attenuation of an electrode's snap


@dataclass(frozen=True)
class Acquisition:
    """Settings of one exposure; curves are in body units, `collimation` in frame units."""

    middle: float
    contrast: float
    black: float
    white: float
    gamma: float
    blur: float
    grain: float
    sharpening: float
    tilt: np.ndarray
    collimation: np.ndarray
    electrodes: np.ndarray
    leads: np.ndarray
    tubes: tuple[np.ndarray, ...]
    noise_seed: int


def draw_acquisition(rng: np.random.Generator) -> Acquisition:
    """Draw exposure, display curve, sharpness, noise, collimation, electrodes and lines."""
    electrodes, leads = _electrodes(rng)
    shutters = np.where(rng.uniform(size=4) < 0.22, rng.uniform(0.0, 0.045, 4), 0.0)
    return Acquisition(
        middle=rng.uniform(0.60, 0.86),
        contrast=rng.uniform(2.2, 3.3),
        black=rng.uniform(0, 26),
        white=rng.uniform(212, 252),
        gamma=float(np.exp(rng.normal(0, 0.12))),
        blur=rng.uniform(0.0008, 0.0028),
        grain=rng.uniform(0.008, 0.030),
        sharpening=rng.uniform(0.0, 0.9),
        tilt=rng.normal(0, 0.05, 2),
        collimation=shutters,
        electrodes=electrodes,
        leads=leads,
        tubes=_tubes(rng),
        noise_seed=int(rng.integers(2**63)),
    )


def _electrodes(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres (E, 2) of electrodes and their wires (E, n, 2) running out of the frame."""
    sites = np.array([(-0.27, 0.21), (0.28, 0.20), (-0.24, 0.66), (0.27, 0.69), (0.02, 0.56)])
    count = int(rng.integers(2, 6)) if rng.uniform() < 0.45 else 0
    centres = sites[rng.permutation(5)[:count]] + rng.normal(0, 0.02, (count, 2))
    exits = rng.choice([-1.0, 1.0], count)
    wires = np.zeros((count, 5, 2))
    for i, (x, y) in enumerate(centres):
        sag = rng.normal(0, 0.05, (5, 2)) * [[0], [1], [1], [1], [0]]
        t = np.linspace(0, 1, 5)
        end = (x + exits[i] * 0.25, y + rng.uniform(0.35, 0.8))
        wires[i] = np.stack([x + (end[0] - x) * t**1.6, y + (end[1] - y) * t], 1) + sag
    return centres, curve(wires, closed=False) if count else np.zeros((0, 25, 2))


def _tubes(rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Centre lines of a tracheal tube, a central venous line and a gastric tube, where present."""
    tube = [(0.004, -0.2), (0.0, 0.05), (-0.004, 0.18), (-0.006, 0.29)]
    venous = [(-0.30, 0.06), (-0.20, 0.15), (-0.10, 0.19), (-0.05, 0.25), (-0.045, 0.40)]
    gastric = [(0.012, -0.2), (0.010, 0.2), (0.012, 0.5), (0.03, 0.74), (0.11, 0.84), (0.20, 0.83)]
    present = rng.uniform(size=3) < (0.10, 0.14, 0.10)
    jitter = rng.normal(0, 0.006, (3, 6, 2))
    lines = (tube, venous, gastric)
    return tuple(
        curve(np.array(line) + jitter[i, : len(line)], closed=False)
        for i, line in enumerate(lines)
        if present[i]
    )


def add_devices(total: np.ndarray, canvas: Canvas, settings: Acquisition) -> np.ndarray:
    """Add electrodes, wires and tubes to an attenuation map (H, W) float32."""
    if not len(settings.electrodes) and not settings.tubes:
        return total
    layer = canvas.layer()
    if len(settings.leads):
        canvas.fill(layer, band(settings.leads, np.array(0.0034)), 130)
    for line in settings.tubes:
        canvas.fill(layer, band(line, np.array(0.0065)), 85)
    for centre in settings.electrodes:
        canvas.fill(layer, ellipse(centre, (0.017, 0.017)), 60)
        canvas.fill(layer, ellipse(centre, (0.0085, 0.0085)), 255)
    return cv2.scaleAdd(layer.astype(np.float32), _METAL / 255, total)


def expose(total: np.ndarray, settings: Acquisition) -> np.ndarray:
    """Turn attenuation (H, W) float32 into a grey picture (H, W) uint8, bright where dense.

    Scatter and beam tilt, then an S-shaped display curve with quantum noise that grows where
    fewer photons arrive, unsharp masking as consoles apply it, and collimator shutters.
    """
    size = len(total)
    axis = np.linspace(-0.5, 0.5, size, dtype=np.float32)
    tilt = settings.tilt.astype(np.float32)
    total = total * (1.0 + axis * tilt[0] + (axis * tilt[1])[:, None])
    total = np.asarray(cv2.GaussianBlur(total, (0, 0), max(settings.blur * size, 0.3)))
    if settings.sharpening > 0.05:
        wide = cv2.resize(total, (64, 64), interpolation=cv2.INTER_AREA)
        wide = cv2.resize(cv2.GaussianBlur(wide, (0, 0), 2.5), (size, size))
        total += (total - wide) * (0.45 * settings.sharpening)
    rng = np.random.Generator(np.random.SFC64(settings.noise_seed))
    noise = rng.standard_normal((size, size), dtype=np.float32)
    grain = np.asarray(cv2.GaussianBlur(noise, (0, 0), 0.55))
    strength = settings.grain * (size / 224) ** 0.5 * 1.6
    total += grain * (strength * cv2.exp(0.45 * total))
    return _display(total, settings)


def _display(total: np.ndarray, settings: Acquisition) -> np.ndarray:
    """Apply the display curve and the collimator's shutters; (H, W) float32 to uint8."""
    start = 1 / (1 + np.exp(settings.contrast * settings.middle))
    grey = 1 / (1 + cv2.exp((settings.middle - total) * settings.contrast))
    grey = cv2.pow(np.maximum((grey - start) / (1 - start), 0), settings.gamma)
    picture = grey * (settings.white - settings.black) + settings.black
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    top, bottom, left, right = np.rint(settings.collimation * len(picture)).astype(int)
    shade = int(0.4 * settings.black)
    picture[:top], picture[len(picture) - bottom :] = shade, shade
    picture[:, :left], picture[:, len(picture) - right :] = shade, shade
    return picture
