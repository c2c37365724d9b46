"""Colour of a rendered retina: tissue, vessels and lesions blended from their coverages."""

from __future__ import annotations

import numpy as np

from xaihelpers.datasets.rendered.fundus.anatomy import Anatomy
from xaihelpers.datasets.rendered.fundus.camera import Camera
from xaihelpers.datasets.rendered.outlines import smooth_noise, soften, squared_distance

# Optical density (natural logarithm) per channel at full coverage: R, G, B.
_MOTTLING = (0.8, 1.3, 1.2)
_PIGMENT = (0.55, 1.0, 0.9)
_DENSITY = {
    "artery": (0.16, 0.62, 0.50),
    "vein": (0.46, 0.98, 0.66),
    "venous_beading": (0.22, 0.60, 0.42),
    "microaneurysm": (0.68, 1.70, 1.15),
    "haemorrhage": (0.56, 1.45, 1.00),
    "new_vessels": (0.42, 1.70, 1.15),
    "preretinal": (0.62, 2.00, 1.35),
}
_PIGMENT_RIM = (0.75, 0.80, 0.60)
_PALE = {
    "hard_exudate": (1.02, 0.90, 0.45),
    "cotton_wool": (0.98, 0.92, 0.80),
    "laser_scar": (0.90, 0.84, 0.62),
}


def _share(covered: np.ndarray) -> np.ndarray:
    return covered.astype(np.float32)[..., None] / np.float32(255)


def _absorb(image: np.ndarray, covered: np.ndarray, density: np.ndarray) -> None:
    """Darken in place as a coloured layer does: exp(-coverage * density)."""
    image *= np.exp(_share(covered) * -density.astype(np.float32))


def _cover(image: np.ndarray, covered: np.ndarray, colour: np.ndarray) -> None:
    """Blend an opaque colour in place."""
    image += _share(covered) * (colour.astype(np.float32) - image)


def _tissue(camera: Camera, anatomy: Anatomy, size: int, rng: np.random.Generator) -> np.ndarray:
    """Pigment epithelium, choroidal pattern and macula: (size, size, 3) float32."""
    mottling = smooth_noise(rng, size, 7) + 0.6 * smooth_noise(rng, size, 22)
    ridges = np.abs(smooth_noise(rng, size, 13)) - 0.7
    field = anatomy.mottling * mottling + anatomy.streaks * ridges
    spot = squared_distance(size, camera.fovea) / (anatomy.macula_radius * camera.unit) ** 2
    macula = np.float32(anatomy.macula_depth) * np.exp(-0.5 * spot, dtype=np.float32)
    fields = np.stack([field.astype(np.float32), macula], axis=2)
    density = fields @ np.array([_MOTTLING, _PIGMENT], np.float32)
    return np.exp(-density) * camera.colour.astype(np.float32)


def _brightness(camera: Camera) -> float:
    return float(0.62 + 0.45 * camera.colour[0])


def _optic_disc(
    image: np.ndarray, camera: Camera, anatomy: Anatomy, coverages: dict[str, np.ndarray]
) -> None:
    disc = soften(coverages["disc"], 0.09 * anatomy.disc_radii[0] * camera.unit)
    cup = soften(coverages["cup"], 0.22 * anatomy.cup_radius * camera.unit)
    glow = squared_distance(len(disc), camera.place(anatomy.disc))
    glow = np.exp(glow / -np.float32((2.1 * anatomy.disc_radii[1] * camera.unit) ** 2))
    image *= 1 + np.float32(0.16) * glow[..., None]
    bright = _brightness(camera) * anatomy.pallor
    rim = 0.2 * camera.colour + 0.8 * bright * np.array([1.05, 0.86, 0.56])
    _cover(image, (disc * np.float32(0.95)), rim)
    _cover(image, (cup * np.float32(0.9)), bright * np.array([1.02, 0.95, 0.78]))


def paint(
    camera: Camera,
    anatomy: Anatomy,
    coverages: dict[str, np.ndarray],
    size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Reflectance (size, size, 3) float32 of the eye.

    coverages: (size, size) uint8 by name: "disc", "cup", "vein", "artery", "reflex" and the
    lesions that are present; a scar's dark rim is "laser_rim".
    """
    image = _tissue(camera, anatomy, size, rng)
    _optic_disc(image, camera, anatomy, coverages)
    bright = _brightness(camera)
    pale = {n: bright * (0.85 * np.array(c) + 0.15 * camera.colour) for n, c in _PALE.items()}
    if "laser_scar" in coverages:
        _absorb(image, coverages["laser_rim"], np.array(_PIGMENT_RIM))
        _cover(image, coverages["laser_scar"] * np.float32(0.78), pale["laser_scar"])
    if "hard_exudate" in coverages:
        _cover(image, coverages["hard_exudate"], pale["hard_exudate"])
    for name in ("artery", "vein"):
        _absorb(image, coverages[name], anatomy.blood * np.array(_DENSITY[name]))
    image *= 1 + np.float32(0.22) * _share(coverages["reflex"])
    if "cotton_wool" in coverages:
        _cover(image, coverages["cotton_wool"] * np.float32(0.85), pale["cotton_wool"])
    for name in ("venous_beading", "haemorrhage", "microaneurysm", "new_vessels", "preretinal"):
        if name in coverages:
            _absorb(image, coverages[name], camera.contrast * np.array(_DENSITY[name]))
    return image
