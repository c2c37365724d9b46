"""Colours, textures, clutter and light of a scene."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np

from xaihelpers.datasets.rendered.outlines import blob, fixed_point, pixel_centres, smooth_noise
from xaihelpers.datasets.rendered.scenes.layout import Placed

# The two tones of each colour; a texture alternates between them.
TONES = {
    "red": ((0.80, 0.13, 0.14), (0.97, 0.62, 0.60)),
    "orange": ((0.95, 0.50, 0.08), (1.00, 0.80, 0.55)),
    "yellow": ((0.97, 0.86, 0.16), (0.66, 0.55, 0.05)),
    "green": ((0.13, 0.58, 0.24), (0.66, 0.88, 0.66)),
    "blue": ((0.12, 0.30, 0.78), (0.60, 0.75, 0.98)),
    "purple": ((0.48, 0.18, 0.62), (0.83, 0.66, 0.92)),
    "white": ((0.95, 0.95, 0.95), (0.52, 0.52, 0.55)),
}
_PERIOD = {"small": 0.056, "large": 0.078}  # of a texture, as a share of the image's side
_FRACTION_BITS = 4


def background(rng: np.random.Generator, size: int) -> np.ndarray:
    """Muted ground with grain, strokes and blots: (size, size, 3) float32, about 0.2..0.8."""
    hue = rng.random()
    tones = [_muted(rng, (hue + shift) % 1) for shift in (0.0, rng.uniform(0.05, 0.5))]
    mix = np.clip(0.5 + 0.4 * smooth_noise(rng, size, 3), 0, 1)[..., None]
    ground = mix * tones[0] + (1 - mix) * tones[1]
    for _ in range(rng.integers(5, 11)):
        _blot(rng, ground, _muted(rng, rng.random()))
    for _ in range(rng.integers(6, 15)):
        _stroke(rng, ground, _muted(rng, rng.random()))
    grain = 0.030 * smooth_noise(rng, size, 14) + 0.022 * smooth_noise(rng, size, 40)
    return ground + grain[..., None]


def paint_thing(image: np.ndarray, thing: Placed, covered: np.ndarray, light: np.ndarray) -> None:
    """Lay a thing, and first its shadow, over the image in place.

    image: (size, size, 3) float32. covered: its `coverage`. light: direction the light comes from.
    """
    size = len(image)
    opacity = covered.astype(np.float32) / 255
    _shade(image, opacity, light, thing.side)
    x, y = pixel_centres(size)
    across, down = x - np.float32(thing.centre[0]), y - np.float32(thing.centre[1])
    share = _pattern(thing, across, down, size)[..., None]
    first, second = np.array(TONES[thing.colour], np.float32)
    surface = (1 - share) * first + share * second
    glow = 1 + np.float32(0.16) * (across * light[0] + down * light[1]) / np.float32(thing.side)
    image += opacity[..., None] * (surface * glow[..., None] - image)


def expose(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Exposure, a slight cast, blur and sensor noise: -> (size, size, 3) uint8."""
    size = len(image)
    image = image * np.float32(rng.uniform(0.86, 1.08))
    image *= rng.uniform(0.96, 1.04, 3).astype(np.float32)
    blur = rng.uniform(0.1, 0.8) * size / 128
    image = cv2.GaussianBlur(image, (0, 0), max(blur, 0.1))
    noise = rng.standard_normal((size, size, 3), dtype=np.float32)
    image = image + np.float32(rng.uniform(0.008, 0.028)) * noise
    return np.clip(np.rint(255 * image), 0, 255).astype(np.uint8)


def _pattern(thing: Placed, across: np.ndarray, down: np.ndarray, size: int) -> np.ndarray:
    """Share of the second tone in every pixel, turned with the thing: (size, size) in 0..1."""
    cos, sin = np.float32(np.cos(thing.angle)), np.float32(np.sin(thing.angle))
    period = np.float32(_PERIOD[thing.size])
    u = (across * cos + down * sin) / period + np.float32(thing.phase[0])
    v = (down * cos - across * sin) / period + np.float32(thing.phase[1])
    sharp = float(period * size)  # pixels per period: an edge is about one pixel wide
    turn = np.float32(2 * np.pi)
    if thing.texture == "striped":
        return _step(np.sin(turn * u) / turn, sharp)
    if thing.texture == "checked":
        return _step(np.sin(turn * u / 2) * np.sin(turn * v / 2) / 2, sharp)
    if thing.texture == "dotted":
        distance = np.hypot(u - np.rint(u), v - np.rint(v))
        return _step(np.float32(0.31) - distance, sharp)
    return np.zeros((size, size), np.float32)


def _step(distance: np.ndarray, sharp: float) -> np.ndarray:
    """0 to 1 across an edge at distance 0, within a pixel."""
    return np.clip(0.5 + sharp * distance, 0, 1).astype(np.float32)


def _shade(image: np.ndarray, opacity: np.ndarray, light: np.ndarray, side: float) -> None:
    """Darken where the thing keeps the light away: its soft outline, moved away from the light."""
    size = len(image)
    across, down = (-0.05 * side * size * light).tolist()
    move = np.array([[1, 0, across], [0, 1, down]], np.float32)
    shadow = cv2.warpAffine(opacity, move, (size, size))
    shadow = cv2.GaussianBlur(shadow, (0, 0), 0.012 * size)
    image *= (1 - np.float32(0.42) * shadow)[..., None]


def _muted(rng: np.random.Generator, hue: float) -> np.ndarray:
    tone = colorsys.hsv_to_rgb(hue, rng.uniform(0.05, 0.34), rng.uniform(0.34, 0.76))
    return np.array(tone, np.float32)


def _blot(rng: np.random.Generator, ground: np.ndarray, colour: np.ndarray) -> None:
    outline = blob(rng, rng.random(2), rng.uniform(0.03, 0.16, 2), rng.uniform(0.1, 0.5))
    layer = ground.copy()
    corners = fixed_point(outline, len(ground))
    cv2.fillPoly(layer, [corners], colour.tolist(), cv2.LINE_AA, shift=_FRACTION_BITS)
    ground += np.float32(rng.uniform(0.25, 0.7)) * (layer - ground)


def _stroke(rng: np.random.Generator, ground: np.ndarray, colour: np.ndarray) -> None:
    size = len(ground)
    start, along = rng.random(2), rng.uniform(-0.4, 0.4, 2)
    bend = rng.uniform(-0.15, 0.15, 2)
    t = np.linspace(0, 1, 9)[:, None]
    path = fixed_point(start + along * t + bend * np.sin(np.pi * t), size)
    width = max(1, round(rng.uniform(0.006, 0.022) * size))
    cv2.polylines(ground, [path], False, colour.tolist(), width, cv2.LINE_AA, shift=_FRACTION_BITS)
