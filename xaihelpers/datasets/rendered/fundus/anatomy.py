"""The healthy eye of a rendered fundus: optic disc, macula, arteries and veins.

Coordinates are retinal: the fovea at (0, 0), the optic disc near (1, 0), y down, so one unit is
the distance from fovea to disc (about 4.7 mm in an adult). The left eye is mirrored by the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xaihelpers.datasets.rendered.outlines import ribbons

_STEPS = 26
_AVASCULAR_RADIUS = 0.26


@dataclass(frozen=True)
class Vessels:
    """One generation of vessels: paths (N, P, 2), widths and headings (N, P), is_vein (N,)."""

    paths: np.ndarray
    widths: np.ndarray
    headings: np.ndarray
    is_vein: np.ndarray

    def outlines(self) -> list[tuple[np.ndarray, bool]]:
        """Retinal outlines, each cut off before the vessel-free fovea, and is_vein."""
        bands = ribbons(self.paths, self.widths)
        near = np.hypot(self.paths[..., 0], self.paths[..., 1]) < _AVASCULAR_RADIUS
        stop = np.where(near.any(axis=1), near.argmax(axis=1), self.paths.shape[1])
        end = bands.shape[1]
        return [
            (np.concatenate([band[:n], band[end - n :]]), bool(vein))
            for band, n, vein in zip(bands, stop, self.is_vein, strict=True)
            if n > 2
        ]


@dataclass(frozen=True)
class Anatomy:
    """A drawn eye: disc, cup, macula and vessel tree, retinal units."""

    disc: np.ndarray
    disc_radii: tuple[float, float]
    cup: np.ndarray
    cup_radius: float
    macula_radius: float
    macula_depth: float
    blood: np.ndarray
    pallor: np.ndarray
    mottling: float
    streaks: float
    generations: tuple[Vessels, ...]


def _grow(
    rng: np.random.Generator,
    start: np.ndarray,
    heading: np.ndarray,
    turn: np.ndarray,
    reach: np.ndarray,
    width: np.ndarray,
    is_vein: np.ndarray,
    tortuosity: float,
) -> Vessels:
    """Grow N vessels; heading (N,) swings by `turn` (N,), mostly early, plus smooth wavering."""
    count = len(start)
    s = np.linspace(0, 1, _STEPS)
    swing = (1 - np.exp(-3.2 * s)) / (1 - np.exp(-3.2))
    phase = rng.uniform(0, 2 * np.pi, (count, 2, 1))
    waves = np.sin(2 * np.pi * np.array([[1.3], [3.1]]) * s + phase) - np.sin(phase)
    angles = heading[:, None] + turn[:, None] * swing + tortuosity * waves.sum(axis=1)
    steps = np.stack([np.cos(angles), -np.sin(angles)], axis=2) * (reach / _STEPS)[:, None, None]
    paths = start[:, None] + np.cumsum(steps, axis=1) - steps[:, :1]
    return Vessels(
        paths, width[:, None] * (1 - 0.68 * s) * (1 - 0.45 * np.exp(-14 * s)), angles, is_vein
    )


def _trunks(rng: np.random.Generator, cup: np.ndarray, tortuosity: float) -> Vessels:
    """Arcades and nasal trunks, a vein and an artery each, above and below the disc."""
    kinds = np.array([(side, vein) for side in (1, -1) for vein in (True, False)] * 3)
    side, is_vein = kinds[:, 0].astype(float), kinds[:, 1].astype(bool)
    family = np.repeat((0, 1, 2), 4)
    heading = np.deg2rad(np.array((82.0, 42.0, 158.0)))[family] + rng.normal(0, 0.13, 12)
    target = np.deg2rad(np.array((188.0, 12.0, 178.0)))[family] + rng.normal(0, 0.14, 12)
    reach = np.array((2.9, 1.3, 0.62))[family] * rng.uniform(0.85, 1.15, 12)
    width = (
        np.array((0.047, 0.033, 0.012))[family]
        * rng.uniform(0.85, 1.15, 12)
        * rng.uniform(0.75, 1.2)
    )
    width = width * np.where(is_vein, 1.0, rng.uniform(0.62, 0.76))
    heading = np.where(is_vein, heading, heading - 0.10)
    start = cup + rng.normal(0, 0.018, (12, 2)) - np.stack([np.zeros(12), side * 0.03], axis=1)
    return _grow(
        rng, start, side * heading, side * (target - heading), reach, width, is_vein, tortuosity
    )


def _branches(
    rng: np.random.Generator,
    parents: Vessels,
    per_parent: np.ndarray,
    reach: tuple[float, float],
    tortuosity: float,
) -> Vessels:
    """Side branches of a generation, leaving by 25-60 degrees and bending back a little."""
    owner = np.repeat(np.arange(len(parents.paths)), per_parent)
    order = np.concatenate([np.arange(n) for n in per_parent])
    along = (order + rng.uniform(0.45, 1.1, len(owner))) / (per_parent[owner] + 0.4)
    step = np.clip((along * _STEPS).astype(int), 3, _STEPS - 2)
    sign = np.where((order + rng.integers(0, 2, len(parents.paths))[owner]) % 2 == 0, 1.0, -1.0)
    leave = sign * rng.uniform(0.45, 1.05, len(owner))
    return _grow(
        rng,
        parents.paths[owner, step],
        parents.headings[owner, step] + leave,
        -leave * rng.uniform(0.1, 0.75, len(owner)),
        rng.uniform(*reach, len(owner)) * (1.15 - 0.5 * along),
        parents.widths[owner, step] * rng.uniform(0.42, 0.66, len(owner)),
        parents.is_vein[owner],
        tortuosity * 1.3,
    )


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw an eye, independent of the grade."""
    disc = np.array([1.0, rng.normal(-0.05, 0.03)])
    disc_radius = rng.uniform(0.185, 0.235)
    cup = disc + np.array([rng.uniform(-0.02, 0.03), rng.normal(0, 0.012)])
    tortuosity = rng.uniform(0.05, 0.17)
    trunks = _trunks(rng, cup, tortuosity)
    family_counts = np.repeat((6, 3, 1), 4) + rng.integers(-1, 2, 12)
    branches = _branches(rng, trunks, family_counts, (0.45, 1.0), tortuosity)
    twigs = _branches(
        rng, branches, rng.integers(1, 4, len(branches.paths)), (0.16, 0.42), tortuosity
    )
    return Anatomy(
        disc=disc,
        disc_radii=(disc_radius * rng.uniform(0.86, 0.97), disc_radius),
        cup=cup,
        cup_radius=disc_radius * rng.uniform(0.32, 0.6),
        macula_radius=rng.uniform(0.20, 0.32),
        macula_depth=rng.uniform(0.1, 0.7),
        blood=rng.uniform(0.7, 1.45) * np.exp(rng.normal(0, 0.12, 3)),
        pallor=rng.uniform(0.82, 1.08) * np.exp(rng.normal(0, (0.02, 0.045, 0.10))),
        mottling=rng.uniform(0.02, 0.11),
        streaks=rng.uniform(0.0, 0.13),
        generations=(trunks, branches, twigs),
    )
