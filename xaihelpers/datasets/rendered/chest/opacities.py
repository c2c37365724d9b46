"""What is wrong with the lungs: the only part of the radiograph that depends on the class.

A finding is a layer of added density, uint8, drawn at a fixed working size with integer
arithmetic only (so that its mask is the same bits everywhere), then brought to the wanted size.
Where it lies follows the radiology of the three classes: none (Normal); focal, lobar, nodular or
diffuse interstitial, often one-sided or central (Viral Pneumonia); bilateral, peripheral,
lower-zone ground glass (COVID).
"""

from __future__ import annotations

import cv2
import numpy as np

from xaihelpers.datasets.rendered.chest.anatomy import Anatomy, Lung
from xaihelpers.datasets.rendered.chest.canvas import Canvas

PATTERNS = ("focal", "lobar", "nodular", "interstitial")
FULL_DENSITY = 1.0  # attenuation added where the finding's layer reads 255
THRESHOLD = 16  # of 255: added attenuation of 0.06, some ten grey levels, is called visible
_WORK = 256
_CIRCLE = np.linspace(0.0, 2 * np.pi, 20, endpoint=False)


def draw_finding(
    rng: np.random.Generator, label: int, anatomy: Anatomy, size: int
) -> tuple[np.ndarray, str]:
    """Draw the finding of class `label`: added density (size, size) uint8 and the pattern's name.

    The layer is not yet cut to the visible lung. Normal gives zeros and "none".
    """
    canvas = Canvas(_WORK, anatomy.pose)
    if label == 0:
        return np.zeros((size, size), np.uint8), "none"
    if label == 2:
        return _resize(_ground_glass(rng, canvas, anatomy), size), "ground_glass"
    pattern = PATTERNS[int(rng.choice(4, p=(0.28, 0.18, 0.22, 0.32)))]
    draw = {"focal": _focal, "lobar": _lobar, "nodular": _nodular, "interstitial": _interstitial}
    return _resize(draw[pattern](rng, canvas, anatomy), size), pattern


def _resize(layer: np.ndarray, size: int) -> np.ndarray:
    """Resample to (size, size), bit-exactly; a blur first keeps small sizes free of aliasing."""
    if size < _WORK:
        sigma = 0.45 * _WORK / size
        layer = cv2.GaussianBlur(layer, (0, 0), sigma, hint=cv2.ALGO_HINT_ACCURATE)
    return cv2.resize(layer, (size, size), interpolation=cv2.INTER_LINEAR_EXACT)


def _texture(rng: np.random.Generator, low: int, cells: int = 40) -> np.ndarray:
    """Mottle (work, work) uint8 between `low` and 255 on a grid of `cells` x `cells` patches."""
    grid = rng.integers(low, 256, (cells, cells), dtype=np.uint8)
    return cv2.resize(grid, (_WORK, _WORK), interpolation=cv2.INTER_LINEAR_EXACT)


def _times(layer: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Multiply two uint8 layers read as fractions of 255, in integers."""
    return ((layer.astype(np.uint16) * factor + 127) // 255).astype(np.uint8)


def _patch(
    rng: np.random.Generator, lung: Lung, centre: tuple[float, float], radii: tuple[float, float]
) -> np.ndarray:
    """An irregular blob (20, 2), given by centre and radii in the lung's own coordinates."""
    waves = rng.normal(0, 0.13, 4)
    phase = rng.uniform(0, 2 * np.pi, 4)
    radius = 1 + sum(w * np.sin((k + 2) * _CIRCLE + phase[k]) for k, w in enumerate(waves))
    u = centre[0] + radii[0] * radius * np.cos(_CIRCLE)
    return lung.at(np.clip(u, -0.1, 1.15), centre[1] + radii[1] * radius * np.sin(_CIRCLE))


def _ground_glass(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Bilateral hazy patches along the chest wall, densest in the lower zones."""
    layer = canvas.layer()
    strength = rng.uniform(112, 165)
    for lung in anatomy.lungs:
        for number in range(int(rng.integers(2, 5))):
            v = rng.uniform(0.62, 0.92) if number < 2 else rng.uniform(0.35, 0.75)
            centre = (rng.uniform(0.78, 0.98), v)
            radii = (rng.uniform(0.24, 0.42), rng.uniform(0.09, 0.17))
            value = int(strength * rng.uniform(0.75, 1.15))
            patch = canvas.fill(canvas.layer(), _patch(rng, lung, centre, radii), value)
            layer = np.maximum(layer, canvas.blur(patch, rng.uniform(0.010, 0.020)))
    return _times(_times(layer, _texture(rng, 135, 44)), _texture(rng, 170, 14))


def _focal(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """One dense consolidation in one lung, mostly central, with air bronchograms."""
    lung = anatomy.lungs[int(rng.integers(2))]
    u, v = rng.uniform(0.25, 0.60), rng.uniform(0.22, 0.78)
    behind_heart = lung.side > 0 and v > 0.5
    centre = (u + 0.22 * behind_heart, v)
    radii = (rng.uniform(0.26, 0.40), rng.uniform(0.10, 0.17))
    layer = canvas.layer()
    value = int(rng.integers(125, 170))
    canvas.fill(layer, _patch(rng, lung, centre, radii), value)
    for _ in range(int(rng.integers(1, 4))):
        near = (centre[0] + rng.normal(0, 0.2), centre[1] + rng.normal(0, 0.09))
        spot = canvas.fill(canvas.layer(), _patch(rng, lung, near, (0.14, 0.06)), value)
        layer = np.maximum(layer, spot)
    layer = canvas.blur(layer, 0.016)
    return _times(_times(layer, _bronchograms(rng, canvas, lung)), _texture(rng, 175, 30))


def _lobar(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """A lobe or segment filled up to its fissure: one sharp edge, one lung."""
    lung = anatomy.lungs[int(rng.integers(2))]
    fissure = rng.uniform(0.36, 0.52)
    upper = rng.uniform() < 0.6
    far = rng.uniform(0.05, 0.18) if upper else rng.uniform(0.80, 0.98)
    u = np.linspace(0.0, 1.1, 12)
    edge = lung.at(u, fissure + 0.05 * u)
    other = lung.at(u, far + 0.03 * np.sin(u * 6 + rng.uniform(0, 6)))
    outline = np.concatenate([edge, other[::-1]])
    layer = canvas.fill(canvas.layer(), outline, int(rng.integers(125, 180)))
    sharp = canvas.blur(layer, 0.005)
    soft = np.minimum(sharp, canvas.blur(layer, 0.020))
    return _times(_times(soft, _bronchograms(rng, canvas, lung)), _texture(rng, 170, 24))


def _bronchograms(rng: np.random.Generator, canvas: Canvas, lung: Lung) -> np.ndarray:
    """Air-filled bronchi left dark: a factor (work, work) uint8 around 255."""
    t = np.linspace(0, 1, 8)
    angle, bend = rng.uniform(-0.45, 0.45, 7), rng.normal(0, 0.16, 7)
    u = 0.05 + rng.uniform(0.5, 0.9, 7)[:, None] * t
    v = 0.48 + angle[:, None] * t + bend[:, None] * t**2
    layer = canvas.strokes(canvas.layer(), lung.at(u, v), 85, width=2)
    return 255 - canvas.blur(layer, 0.003)


def _nodular(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Many small nodules, thickest around the hilum, in one lung or both."""
    layer, haze = canvas.layer(), canvas.layer()
    both, value = rng.uniform() < 0.5, int(rng.integers(90, 135))
    chosen = anatomy.lungs if both else (anatomy.lungs[int(rng.integers(2))],)
    for lung in chosen:
        count = int(rng.integers(26, 46))
        u, v = rng.beta(1.6, 2.6, count), rng.normal(0.5, 0.17, count)
        centres = lung.at(u * 0.9 + 0.03, np.clip(v, 0.12, 0.9))
        radius = rng.uniform(0.006, 0.013, (count, 1, 1))
        ring = np.stack([np.cos(_CIRCLE), np.sin(_CIRCLE)], -1)
        canvas.fill(layer, centres[:, None] + radius * ring, value)
        canvas.fill(haze, _patch(rng, lung, (0.3, 0.5), (0.36, 0.26)), 42)
    haze = canvas.blur(haze, 0.03)
    return cv2.add(canvas.blur(layer, 0.0045), _times(haze, _texture(rng, 140)))


def _interstitial(rng: np.random.Generator, canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Perihilar streaks and a fine network over a central haze, mostly in both lungs."""
    lines, haze = canvas.layer(), canvas.layer()
    both = rng.uniform() < 0.75
    chosen = anatomy.lungs if both else (anatomy.lungs[int(rng.integers(2))],)
    value, cloud = int(rng.integers(92, 132)), int(rng.integers(50, 74))
    ring = np.stack([np.cos(_CIRCLE[::3]), np.sin(_CIRCLE[::3])], -1)
    for lung in chosen:
        t = np.linspace(0, 1, 6)
        count = int(rng.integers(40, 65))
        start, angle = rng.beta(1.3, 2.2, count) * 0.6, rng.normal(0, 0.33, count)
        u = start[:, None] + rng.uniform(0.12, 0.30, count)[:, None] * t
        v = 0.47 + angle[:, None] * (0.25 + u) + rng.normal(0, 0.03, count)[:, None] * t**2
        canvas.strokes(lines, lung.at(u, v), value)
        count = int(rng.integers(45, 70))
        u, v = rng.beta(1.5, 2.4, count) * 0.85, np.clip(rng.normal(0.5, 0.16, count), 0.1, 0.9)
        radius = rng.uniform(0.008, 0.024, (count, 1, 1))
        cells = lung.at(u, v)[:, None] + radius * ring * rng.uniform(0.45, 1.55, (count, 7, 1))
        canvas.strokes(lines, cells, value, closed=True)
        canvas.fill(haze, _patch(rng, lung, (0.28, 0.5), (0.36, 0.26)), cloud)
    haze = canvas.blur(haze, 0.03)
    return cv2.add(canvas.blur(lines, 0.0028), _times(haze, _texture(rng, 140)))
