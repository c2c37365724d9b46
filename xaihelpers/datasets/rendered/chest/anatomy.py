"""A patient's chest as curves in body units (see `chest_canvas`), drawn at random.

Nothing in this module knows of a class: the anatomy of patient i is the same whatever is wrong
with the lungs. "Left" and "right" are the patient's; the patient's left is the viewer's right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xaihelpers.datasets.rendered.chest.canvas import Pose, band, curve, ellipse

SIDES = (-1, 1)  # right lung (viewer's left), left lung (viewer's right)
_RIBS = 10
_T = np.linspace(0.0, 1.0, 14)


@dataclass(frozen=True)
class Lung:
    """One lung field: its outline (n, 2) and the medial and costal edges as functions of y."""

    side: int
    outline: np.ndarray
    rows: np.ndarray
    medial: np.ndarray
    costal: np.ndarray

    def at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Map lung coordinates to body points (..., 2).

        u runs from the mediastinum (0) to the chest wall (1), v from the apex (0) to the base (1).
        """
        y = self.rows[0] + np.asarray(v) * (self.rows[-1] - self.rows[0])
        inner, outer = np.interp(y, self.rows, self.medial), np.interp(y, self.rows, self.costal)
        return np.stack([self.side * (inner + np.asarray(u) * (outer - inner)), y], -1)


@dataclass(frozen=True)
class Anatomy:
    """All curves of one patient; polygons are (n, 2) or (P, n, 2) float64 in body units."""

    pose: Pose
    lungs: tuple[Lung, Lung]
    heart: np.ndarray
    body: np.ndarray
    arms: np.ndarray
    breasts: np.ndarray
    scapulae: np.ndarray
    posterior_ribs: np.ndarray
    anterior_ribs: np.ndarray
    rib_width: float
    clavicles: np.ndarray
    vertebrae: np.ndarray
    trachea: np.ndarray
    gas: np.ndarray
    hila: np.ndarray
    vessels: tuple[np.ndarray, ...]
    base: float
    aeration: float
    bone: float
    breast: float
    vascular: float
    bulk: float


def draw_anatomy(rng: np.random.Generator) -> Anatomy:
    """Draw a patient: habitus, lungs, heart, skeleton, vessels and pose."""
    width = rng.uniform(0.92, 1.10)
    base = rng.uniform(0.68, 0.79)
    lungs = (_lung(rng, -1, width, base), _lung(rng, 1, width, base + rng.uniform(0.008, 0.03)))
    posterior, anterior = _ribs(rng, lungs)
    hila = np.array([[-0.088, 0.425], [0.095, 0.405]]) + rng.normal(0, 0.006, (2, 2))
    bulk = rng.uniform(0.0, 1.0)
    return Anatomy(
        pose=_pose(rng),
        lungs=lungs,
        heart=_heart(rng, base),
        body=_body(rng, width, bulk),
        arms=_arms(rng, width),
        breasts=_breasts(rng, base),
        scapulae=_scapulae(rng, width),
        posterior_ribs=posterior,
        anterior_ribs=anterior,
        rib_width=rng.uniform(0.021, 0.028),
        clavicles=_clavicles(rng),
        vertebrae=_vertebrae(rng),
        trachea=_trachea(rng),
        gas=ellipse(
            (rng.uniform(0.12, 0.20), base + rng.uniform(0.07, 0.10)),
            (rng.uniform(0.035, 0.075), rng.uniform(0.018, 0.035)),
            rng.uniform(-0.3, 0.3),
        ),
        hila=hila,
        vessels=_vessels(rng, hila),
        base=base,
        aeration=rng.uniform(0.84, 1.12),
        bone=rng.uniform(0.7, 1.15),
        breast=max(0.0, rng.uniform(-0.16, 0.16)),
        vascular=rng.uniform(0.7, 1.25),
        bulk=bulk,
    )


def _pose(rng: np.random.Generator) -> Pose:
    warp = np.zeros((4, 6))
    warp[:, :2] = rng.normal(0, 0.0055, (4, 2))
    warp[:, 2:4] = rng.normal(0, 6.0, (4, 2))
    warp[:, 4] = rng.uniform(0, 2 * np.pi, 4)
    return Pose(
        rotation=rng.normal(0, 0.032),
        scale=rng.uniform(0.98, 1.22),
        offset=rng.uniform(-0.028, 0.028, 2),
        warp=warp,
    )


def _lung(rng: np.random.Generator, side: int, width: float, base: float) -> Lung:
    """Outline from the apex down the chest wall, over the diaphragm and up the mediastinum."""
    wide = width * rng.uniform(0.96, 1.04)
    dome = rng.uniform(0.035, 0.075)
    apex = rng.uniform(0.095, 0.125)
    costal = [(0.118, 0.0), (0.188, 0.065), (0.252, 0.19), (0.297, 0.36), (0.322, 0.55)]
    drop = base - apex
    points = [(x * wide, apex + y * drop / 0.6) for x, y in costal]
    points += [(0.337 * wide, base - 0.015), (0.340 * wide, base + 0.028)]
    points += [(0.333 * wide, base + 0.032), (0.295 * wide, base - 0.35 * dome)]
    points += [(0.215 * wide, base - 0.95 * dome), (0.135 * wide, base - 0.8 * dome)]
    points += [(0.07, base - 0.1 * dome), (0.045, base), (0.036, base - 0.10)]
    points += [(0.036, 0.45), (0.040, 0.30), (0.050, 0.20), (0.072, apex + 0.025)]
    control = np.array(points) + rng.normal(0, 0.0022, (len(points), 2))
    outline = curve(control)
    rows = np.linspace(outline[:, 1].min(), base, 24)
    outer, inner = outline[:36], outline[-36:][::-1]
    return Lung(
        side=side,
        outline=outline * (side, 1),
        rows=rows,
        medial=np.interp(rows, inner[:, 1], inner[:, 0]) + 0.012,
        costal=np.interp(rows, outer[:, 1], outer[:, 0]),
    )


def _heart(rng: np.random.Generator, base: float) -> np.ndarray:
    """Mediastinum: great vessels, aortic knob, pulmonary trunk, left ventricle, right atrium."""
    size, knob = rng.uniform(0.86, 1.16), rng.uniform(0.9, 1.25)
    upright = rng.uniform(-0.012, 0.012)
    points = [(0.045, 0.10), (0.050, 0.20), (0.060 * knob, 0.262), (0.074 * knob, 0.295)]
    points += [(0.066 * knob, 0.332), (0.062, 0.36), (0.073, 0.40), (0.092 * size, 0.45)]
    points += [(0.135 * size, 0.52), (0.178 * size, 0.595), (0.192 * size + upright, 0.655)]
    points += [(0.178 * size + upright, base + 0.005), (0.12, base + 0.05), (-0.04, base + 0.05)]
    points += [(-0.070 * size, base - 0.01), (-0.092 * size, 0.615), (-0.090 * size, 0.54)]
    points += [(-0.070, 0.46), (-0.056, 0.40), (-0.055, 0.28), (-0.052, 0.19), (-0.05, 0.10)]
    return curve(np.array(points) + rng.normal(0, 0.0025, (len(points), 2)))


def _body(rng: np.random.Generator, width: float, bulk: float) -> np.ndarray:
    neck, wall = rng.uniform(0.085, 0.11), 0.385 * width + 0.045 * bulk
    slope = rng.uniform(0.075, 0.125)
    half = [(neck, -0.3), (neck, -0.05), (neck + 0.03, 0.025), (0.25, slope), (0.36, slope + 0.035)]
    half += [(0.43, slope + 0.09), (0.43, 0.25), (wall, 0.36), (wall, 0.55), (wall - 0.005, 0.75)]
    half += [(wall + 0.01, 1.0), (wall + 0.01, 1.4)]
    right = np.array(half)
    right[3:, 0] += rng.normal(0, 0.006)
    left = np.array(half) + rng.normal(0, 0.004, (len(half), 2))
    return curve(np.concatenate([left, right[::-1] * (-1, 1)]))


def _arms(rng: np.random.Generator, width: float) -> np.ndarray:
    """Upper arms hanging away from the chest, as centre lines (2, 14, 2)."""
    spread = rng.uniform(0.12, 0.26, 2)
    lines = []
    for side, out in zip(SIDES, spread, strict=True):
        x = 0.395 * width + 0.02 + out * _T
        lines.append(np.stack([side * x, 0.17 + 0.62 * _T], -1))
    return np.array(lines)


def _breasts(rng: np.random.Generator, base: float) -> np.ndarray:
    y, x = base - rng.uniform(0.02, 0.10), rng.uniform(0.19, 0.23)
    tall, wide = rng.uniform(0.11, 0.16), rng.uniform(0.13, 0.17)
    return np.stack([ellipse((s * x, y + rng.normal(0, 0.01)), (wide, tall)) for s in SIDES])


def _scapulae(rng: np.random.Generator, width: float) -> np.ndarray:
    shape = np.array([(0.275, 0.15), (0.40, 0.14), (0.405, 0.20), (0.335, 0.41), (0.315, 0.40)])
    out = rng.normal(0.01, 0.018, 2)
    return np.stack(
        [curve((shape * (width, 1) + (o, 0)) * (s, 1)) for s, o in zip(SIDES, out, strict=True)]
    )


def _ribs(rng: np.random.Generator, lungs: tuple[Lung, Lung]) -> tuple[np.ndarray, np.ndarray]:
    """Centre lines of posterior and anterior ribs, each (2 * ribs, 14, 2)."""
    top, gap = rng.uniform(0.105, 0.125), rng.uniform(0.059, 0.066)
    steep, number = rng.uniform(0.8, 1.25), np.arange(_RIBS)
    head = top + gap * number
    drop = steep * (0.030 + 0.0105 * number)
    posterior, anterior = [], []
    for lung in lungs:
        start = head + rng.normal(0, 0.003, _RIBS)
        end = start + drop
        reach = np.interp(end, lung.rows, lung.costal) + 0.010
        x = 0.040 + (reach - 0.040)[:, None] * np.sin(_T * np.pi / 2) ** 0.9
        rise = 0.016 * np.sin(np.minimum(_T * 2, 1) * np.pi)
        y = start[:, None] - rise + (end - start)[:, None] * _T**2.2
        posterior.append(np.stack([lung.side * x, y], -1))
        front = reach[:, None] - (reach * (0.60 + 0.01 * number))[:, None] * _T**1.15
        fall = steep * (0.075 + 0.010 * number)[:, None]
        low = end[:, None] + fall * np.sin(_T * np.pi / 2) ** 0.8
        anterior.append(np.stack([lung.side * front, low], -1)[:7])
    return np.concatenate(posterior), np.concatenate(anterior)


def _clavicles(rng: np.random.Generator) -> np.ndarray:
    """Polygons (2, n, 2): thick at the sternum, S-shaped, rising to the shoulder."""
    lines = []
    rise = rng.uniform(0.02, 0.10)
    for side in SIDES:
        y = rng.normal(0.195, 0.006)
        lift = rise + rng.normal(0, 0.008)
        shape = [(0.032, y), (0.10, y - 0.25 * lift), (0.19, y - 0.85 * lift)]
        shape += [(0.28, y - 1.02 * lift), (0.37, y - 0.85 * lift)]
        lines.append(curve(np.array(shape) * (side, 1), closed=False))
    line = np.stack(lines)
    t = np.linspace(0, 1, line.shape[1])
    return band(line, 0.022 + 0.014 * np.exp(-t * 8) + 0.006 * t**3)


def _vertebrae(rng: np.random.Generator) -> np.ndarray:
    """Vertebral bodies as slightly waisted boxes (14, n, 2) following a mild scoliosis."""
    y = -0.04 + 0.066 * np.arange(15) + rng.normal(0, 0.0015, 15)
    bend = rng.normal(0, 0.008) * np.sin(y * 4 + rng.uniform(0, 6))
    box = np.array([(-1, -1), (0, -0.9), (1, -1), (0.86, 0), (1, 1), (0, 0.9), (-1, 1), (-0.86, 0)])
    half = np.stack([0.030 + 0.0007 * np.arange(15), np.full(15, 0.0275)], -1)
    return box * half[:, None] + np.stack([bend, y], -1)[:, None]


def _trachea(rng: np.random.Generator) -> np.ndarray:
    """Air column and main bronchi as polygons (3, n, 2)."""
    lean = rng.uniform(-0.014, 0.002)
    fork = np.array([lean * 1.3, rng.uniform(0.345, 0.37)])
    tube = np.stack([np.linspace(0, fork[0], 14), np.linspace(-0.1, fork[1], 14)], -1)
    right = fork + _T[:, None] * np.array([-0.062, 0.062])
    left = fork + _T[:, None] * np.array([0.085, 0.052])
    widths = (0.030, 0.022, 0.019)
    return np.stack(
        [band(line, np.array(w)) for line, w in zip((tube, right, left), widths, strict=True)]
    )


def _vessels(rng: np.random.Generator, hila: np.ndarray) -> tuple[np.ndarray, ...]:
    """Branching pulmonary vessels as tapering polygons, one (B, 16, 2) array per generation."""
    sides = np.repeat(np.arange(2), 9)
    angle = np.tile(np.linspace(-1.25, 1.45, 9), 2) + rng.normal(0, 0.13, 18)
    start = hila[sides] + rng.normal(0, 0.012, (18, 2)) + (0, 0.012)
    length, width = rng.uniform(0.11, 0.20, 18), rng.uniform(0.0065, 0.0115, 18)
    mirror = np.where(sides == 0, -1.0, 1.0)
    generations = []
    t = np.linspace(0, 1, 8)
    for children in (2, 3, 0):
        bend = rng.normal(0, 0.5, len(angle))
        heading = angle[:, None] + bend[:, None] * t
        step = np.stack([mirror[:, None] * np.cos(heading), np.sin(heading)], -1)
        line = start[:, None] + np.cumsum(step, 1) * (length / 8)[:, None, None]
        generations.append(band(line, width[:, None] * (1 - 0.6 * t)))
        parent = np.repeat(np.arange(len(angle)), children)
        fork = rng.integers(2, 8, len(parent))
        start = line[parent, fork]
        turn = rng.choice([-1.0, 1.0], len(parent)) * rng.uniform(0.3, 0.8, len(parent))
        angle = heading[parent, fork] + turn
        length = length[parent] * rng.uniform(0.45, 0.8, len(parent))
        width = width[parent] * rng.uniform(0.45, 0.65, len(parent))
        mirror = mirror[parent]
    return tuple(generations)
