"""The camera of a rendered fundus photograph: field of view, position, colour, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from xaihelpers.datasets.rendered.outlines import (
    Shape,
    coverage,
    ellipse,
    smooth_noise,
    squared_distance,
)

_TINTS = {
    "orange": (0.86, 0.44, 0.17),
    "brown": (0.56, 0.27, 0.12),
    "pale": (0.84, 0.60, 0.42),
    "reddish": (0.76, 0.30, 0.21),
    "yellowish": (0.76, 0.52, 0.18),
    "pinkish": (0.80, 0.46, 0.40),
}
_SHAPES = ("round", "flat-topped", "cropped")
_VIEWS = ("macula", "between", "disc")


@dataclass(frozen=True)
class Camera:
    """Where the eye lies in the picture and how the picture is taken; lengths are relative."""

    shape: str
    tint: str
    view: str
    eye: str
    centre: np.ndarray
    radius: float
    flat: float
    notch: float | None
    unit: float
    fovea: np.ndarray
    tilt: float
    colour: np.ndarray
    contrast: np.ndarray
    falloff: float
    light: np.ndarray
    haze: np.ndarray
    shadow: float
    shadow_from: np.ndarray
    blur: float
    noise: float

    def place(self, points: np.ndarray) -> np.ndarray:
        """Retinal points (..., 2), fovea at 0, disc near (1, 0) -> image-relative points."""
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        x = points[..., 0] * cos - points[..., 1] * sin
        y = points[..., 0] * sin + points[..., 1] * cos
        mirror = 1.0 if self.eye == "right" else -1.0
        return self.fovea + self.unit * np.stack([mirror * x, y], axis=-1)


def _direction(rng: np.random.Generator) -> np.ndarray:
    turn = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(turn), np.sin(turn)])


def _draw_colour(rng: np.random.Generator, tint: str) -> np.ndarray:
    """Colour (3,) of the healthy retina, R, G, B about 0..1: a mix of two tints, kept natural."""
    other = str(rng.choice(list(_TINTS)))
    mix = rng.uniform(0, 0.5)
    colour = (1 - mix) * np.array(_TINTS[tint]) + mix * np.array(_TINTS[other])
    colour = colour * rng.uniform(0.78, 1.08) * np.exp(rng.normal(0, (0.04, 0.06, 0.10)))
    colour[1] = np.clip(colour[1], 0.38 * colour[0], 0.65 * colour[0])
    colour[2] = np.clip(colour[2], 0.36 * colour[1], 0.80 * colour[1])
    return colour


def draw_camera(rng: np.random.Generator) -> Camera:
    """Draw a camera and a view of the eye, independent of the grade."""
    shape = str(rng.choice(_SHAPES, p=(0.45, 0.4, 0.15)))
    view = str(rng.choice(_VIEWS, p=(0.6, 0.25, 0.15)))
    eye = str(rng.choice(("left", "right")))
    tint = str(rng.choice(list(_TINTS)))
    radius = rng.uniform(0.51, 0.57) if shape == "cropped" else rng.uniform(0.445, 0.498)
    flat = {"round": 1.0, "flat-topped": rng.uniform(0.80, 0.93), "cropped": 0.86}[shape]
    centre = 0.5 + rng.normal(0, 0.004, 2)
    unit = radius / rng.uniform(1.35, 1.75)
    shift = {"macula": 0.12, "between": 0.5, "disc": 0.92}[view] + rng.normal(0, 0.08)
    mirror = 1.0 if eye == "right" else -1.0
    fovea = centre - unit * np.array([mirror * shift, rng.normal(0, 0.06)])
    colour = _draw_colour(rng, tint)
    return Camera(
        shape=shape,
        tint=tint,
        view=view,
        eye=eye,
        centre=centre,
        radius=radius,
        flat=flat,
        notch=rng.uniform(-1.0, -0.6) if rng.random() < 0.5 else None,
        unit=unit,
        fovea=fovea,
        tilt=rng.normal(0, 0.07),
        colour=colour,
        contrast=rng.uniform(0.88, 1.15) * np.exp(rng.normal(0, (0.12, 0.06, 0.12))),
        falloff=rng.uniform(0.10, 0.68),
        light=centre + rng.normal(0, 0.07, 2),
        shadow=max(0.0, rng.uniform(-0.5, 0.8)),
        shadow_from=centre + radius * rng.uniform(0.85, 1.15) * _direction(rng),
        haze=rng.uniform(0, 0.2) * rng.uniform((0.5, 0.4, 0.4), (1.0, 0.75, 0.9)),
        blur=rng.uniform(0.0003, 0.0026),
        noise=rng.uniform(0.004, 0.022),
    )


def field_of_view(camera: Camera, size: int) -> np.ndarray:
    """Coverage (size, size) uint8 of the lit field, with its notch."""
    rim = ellipse(np.zeros(2), (camera.radius, camera.radius), points=160)
    rim[:, 1] = rim[:, 1].clip(-camera.flat * camera.radius, camera.flat * camera.radius)
    shapes = [Shape(rim + camera.centre)]
    if camera.notch is not None:
        towards = np.array([np.cos(camera.notch), np.sin(camera.notch)])
        tab = ellipse(camera.centre + camera.radius * towards, (0.016, 0.016))
        shapes.append(Shape(tab))
    return coverage(shapes, size)


def expose(
    camera: Camera, retina: np.ndarray, field: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Photograph a lit retina.

    retina: (size, size, 3) float32, reflectance 0..1; field: coverage (size, size) uint8.
    Returns (size, size, 3) uint8: falloff of the light, haze, shadow of the pupil's
    edge, blur, the black surround, noise.
    """
    size = len(field)
    distance = squared_distance(size, camera.light) / np.float32(camera.radius**2)
    light = 1.06 - np.float32(camera.falloff) * distance * (0.55 + 0.45 * distance)
    rim = squared_distance(size, camera.shadow_from) / np.float32(-((0.55 * camera.radius) ** 2))
    lit: np.ndarray = retina * np.maximum(light, 0.12)[..., None]
    lit += (distance.clip(0, 1) ** 3)[..., None] * camera.haze.astype(np.float32)
    lit *= 1 - np.float32(camera.shadow) * np.exp(rim)[..., None]
    lit = np.asarray(cv2.GaussianBlur(lit, (0, 0), max(camera.blur * size, 0.2)))
    lit *= (field.astype(np.float32) / 255)[..., None]
    grain = rng.standard_normal((size, size), dtype=np.float32)
    grain += smooth_noise(rng, size, size // 3)
    lit += grain[..., None] * np.float32(camera.noise)
    lit += np.float32(0.012)
    return np.asarray(cv2.convertScaleAbs(np.maximum(lit, 0), alpha=255))
