"""The lesions of diabetic retinopathy by grade, drawn as outlines.

The grades follow the international clinical scale (Wilkinson 2003): microaneurysms only (1), more
than that (2), many haemorrhages or venous beading (3), new vessels or preretinal blood (4); laser
scars, the mark of treated proliferative disease, count as a sign of grade 4.
Sizes are relative to the side of the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xaihelpers.datasets.rendered.fundus.anatomy import Anatomy
from xaihelpers.datasets.rendered.fundus.camera import Camera
from xaihelpers.datasets.rendered.fundus.placement import Places
from xaihelpers.datasets.rendered.outlines import Shape, blob, ellipse, ribbons

LESIONS = (
    "microaneurysm",
    "haemorrhage",
    "hard_exudate",
    "cotton_wool",
    "venous_beading",
    "new_vessels",
    "preretinal",
    "laser_scar",
)
Shapes = list[Shape]


def draw_counts(rng: np.random.Generator, grade: int) -> dict[str, int]:
    """How many lesions of each kind an eye of this grade has; 0 for absent kinds."""

    def some(chance: float, low: int, high: int) -> int:
        return int(rng.integers(low, high + 1)) if rng.random() < chance else 0

    counts = dict.fromkeys(LESIONS, 0)
    if grade >= 1:
        counts["microaneurysm"] = some(1.0, 5, 11)
    if grade == 2:
        counts["haemorrhage"] = some(1.0, 4, 9)
        counts["hard_exudate"] = some(0.75, 1, 3)
        counts["cotton_wool"] = some(0.12, 1, 1)
    if grade == 3:
        counts["haemorrhage"] = some(1.0, 18, 26)
        counts["hard_exudate"] = some(0.5, 1, 3)
        counts["cotton_wool"] = some(0.75, 2, 5)
        counts["venous_beading"] = some(0.6, 1, 2)
    if grade == 4:
        counts["haemorrhage"] = some(0.75, 2, 11)
        counts["hard_exudate"] = some(0.4, 1, 2)
        counts["cotton_wool"] = some(0.3, 1, 3)
        counts["venous_beading"] = some(0.25, 1, 2)
        signs = ("new_vessels", "preretinal", "laser_scar")
        sure = str(rng.choice(signs, p=(0.5, 0.2, 0.3)))
        for sign, chance in zip(signs, (0.4, 0.25, 0.25), strict=True):
            counts[sign] = some(1.0 if sign == sure else chance, 1, 2)
        counts["preretinal"] = min(counts["preretinal"], 1)
    return counts


def _microaneurysms(rng: np.random.Generator, places: Places, count: int) -> Shapes:
    shapes = []
    for _ in range(count):
        radius = rng.uniform(0.0062, 0.0088)
        shapes.append(Shape(ellipse(places.take(0.017), (radius, radius), points=12)))
    return shapes


def _haemorrhages(rng: np.random.Generator, places: Places, count: int) -> Shapes:
    """Round dots, rough blots and flame-like streaks; the more there are, the smaller.

    So the total area, which shows in the colour of the whole picture, tells little of the grade.
    """
    shapes = []
    scale = rng.uniform(0.8, 1.0) if count > 15 else rng.uniform(1.0, 1.3)
    for kind in rng.choice(3, count, p=(0.45, 0.38, 0.17)):
        radius = rng.uniform((0.0085, 0.010, 0.0055)[kind], (0.0115, 0.016, 0.0075)[kind])
        radius *= scale
        long = radius * (rng.uniform(1, 1.5) if kind < 2 else rng.uniform(2.5, 3.5))
        centre = places.take(1.25 * max(radius, 0.8 * long))
        outline = blob(rng, centre, (long, radius), (0.08, 0.45, 0.3)[kind])
        shapes.append(Shape(outline, rng.uniform(0.85, 1.0)))
    return shapes


def _exudates(rng: np.random.Generator, places: Places, clusters: int) -> Shapes:
    """Clusters of small waxy deposits, some as a ring (circinate)."""
    shapes = []
    for ring in rng.random(clusters) < 0.4:
        spread = rng.uniform(0.022, 0.042)
        centre = places.take(spread + 0.008)
        count = int(rng.integers(8, 19))
        turn = rng.uniform(0, 2 * np.pi, count)
        out = rng.normal(0.9, 0.1, count) if ring else np.sqrt(rng.random(count))
        points = centre + spread * out[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
        for point in points:
            radius = rng.uniform(0.003, 0.0075)
            outline = blob(rng, point, (radius * rng.uniform(1, 1.5), radius), 0.35)
            shapes.append(Shape(outline, rng.uniform(0.75, 1.0)))
    return shapes


def _cotton_wool(rng: np.random.Generator, places: Places, count: int) -> Shapes:
    """Pale nerve-fibre infarcts: a few overlapping lobes, made fuzzy when painted."""
    shapes = []
    for _ in range(count):
        radius = rng.uniform(0.013, 0.022)
        centre = places.take(1.7 * radius)
        opacity = rng.uniform(0.8, 1.0)
        for _ in range(3):
            lobe = centre + rng.normal(0, 0.45 * radius, 2)
            outline = blob(rng, lobe, (radius, radius * rng.uniform(0.55, 0.8)), 0.25)
            shapes.append(Shape(outline, opacity))
    return shapes


def _preretinal(rng: np.random.Generator, places: Places, count: int) -> Shapes:
    """Boat-shaped blood before the retina: a level surface, a round keel."""
    shapes = []
    for _ in range(count):
        half = rng.uniform(0.055, 0.10)
        depth = half * rng.uniform(0.55, 0.95)
        centre = places.take(0.8 * half)
        turn = np.linspace(0, np.pi, 20)
        hull = np.stack([half * np.cos(turn), depth * np.sin(turn) ** 0.8 - depth / 2], axis=1)
        tilt = rng.normal(0, 0.06)
        spin = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
        shapes.append(Shape(centre + hull @ spin))
    return shapes


def _new_vessels(
    rng: np.random.Generator, places: Places, count: int, disc: np.ndarray | None
) -> Shapes:
    """Nets of fine loops, at the disc (where it is in view) or elsewhere."""
    shapes = []
    for net in range(count):
        at_disc = disc is not None and net == 0 and rng.random() < 0.5
        reach = rng.uniform(0.055, 0.085)
        centre = disc if at_disc and disc is not None else places.take(0.75 * reach)
        places.close(centre, reach)
        strands = int(rng.integers(11, 17))
        fan = np.linspace(0, 2 * np.pi, strands, endpoint=False) + rng.normal(0, 0.25, strands)
        s = np.linspace(0, 1, 28)
        curl = rng.choice((-1.0, 1.0), strands) * rng.uniform(2.2, 6.5, strands)
        wave = rng.uniform(0.3, 0.7, (strands, 1)) * np.sin(
            2 * np.pi * 2.2 * s + rng.uniform(0, 2 * np.pi, (strands, 1))
        )
        angle = fan[:, None] + curl[:, None] * s**1.4 + wave
        length = reach * rng.uniform(1.2, 2.0, (strands, 1, 1)) / len(s)
        steps = np.stack([np.cos(angle), np.sin(angle)], axis=2) * length
        start = centre + rng.normal(0, 0.12 * reach, (strands, 1, 2))
        widths = np.broadcast_to(0.0047 - 0.0016 * s, angle.shape)
        bands = ribbons(start + np.cumsum(steps, axis=1), widths)
        shapes += [Shape(band) for band in bands]
    return shapes


def _laser_scars(
    rng: np.random.Generator, places: Places, courses: int, camera: Camera, anatomy: Anatomy
) -> Shapes:
    """Rows of burns in a sector of the periphery, clear of macula and disc."""
    disc = camera.place(anatomy.disc)
    width = rng.uniform(1.2, 2.0) * courses
    first, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.0105, 0.0145)
    shapes = []
    for row in np.arange(0.92, 0.56, -rng.uniform(0.12, 0.16)) * camera.radius:
        step = rng.uniform(3.9, 4.6) * radius / row
        for turn in first + rng.normal(0, 0.12) + np.arange(0, width, step):
            point = camera.centre + row * np.array([np.cos(turn), np.sin(turn)])
            point = point + rng.normal(0, 0.0075, 2)
            if abs(point[1] - camera.centre[1]) > camera.flat * camera.radius - 2 * radius:
                continue
            if np.hypot(*(point - camera.fovea)) < 0.62 * camera.unit:
                continue
            if np.hypot(*(point - disc)) < 0.34 * camera.unit or rng.random() < 0.1:
                continue
            outline = blob(rng, point, radius * rng.uniform(0.75, 1.15, 2), 0.2)
            shapes.append(Shape(outline, rng.uniform(0.65, 1.0)))
            places.close(point, 1.3 * radius)
    return shapes


def _beading(rng: np.random.Generator, camera: Camera, anatomy: Anatomy, veins: int) -> Shapes:
    """Strings of sausage-like swellings along stretches of the temporal veins."""
    trunks = anatomy.generations[0]
    shapes = []
    for vein in rng.permutation([0, 2])[:veins]:
        begin = int(rng.integers(4, 8))
        path = camera.place(trunks.paths[vein, begin : begin + 13])
        calibre = trunks.widths[vein, begin : begin + 13] * camera.unit
        fine = np.linspace(0, 12, 72)
        path = np.stack([np.interp(fine, np.arange(13), path[:, i]) for i in (0, 1)], axis=1)
        swell = 1.15 + 0.75 * np.sin(2 * np.pi * fine / rng.uniform(1.7, 2.2))
        widths = np.interp(fine, np.arange(13), calibre) * swell
        shapes.append(Shape(ribbons(path[None], widths[None])[0]))
    return shapes


def draw_lesions(
    rng: np.random.Generator, grade: int, camera: Camera, anatomy: Anatomy, places: Places
) -> dict[str, Shapes]:
    """Draw the lesions of one eye, the largest first: name -> shapes ([] where absent)."""
    disc = camera.place(anatomy.disc)
    in_view = float(np.hypot(*(disc - camera.centre))) < 0.88 * camera.radius
    draw: dict[str, Callable[[int], Shapes]] = {
        "venous_beading": lambda n: _beading(rng, camera, anatomy, n),
        "laser_scar": lambda n: _laser_scars(rng, places, n, camera, anatomy),
        "preretinal": lambda n: _preretinal(rng, places, n),
        "new_vessels": lambda n: _new_vessels(rng, places, n, disc if in_view else None),
        "hard_exudate": lambda n: _exudates(rng, places, n),
        "cotton_wool": lambda n: _cotton_wool(rng, places, n),
        "haemorrhage": lambda n: _haemorrhages(rng, places, n),
        "microaneurysm": lambda n: _microaneurysms(rng, places, n),
    }
    counts = draw_counts(rng, grade)
    shapes = {name: draw[name](counts[name]) if counts[name] else [] for name in draw}
    return {name: shapes[name] for name in LESIONS}
