"""Rendered fundus pictures of diabetic retinopathy with a mask for every lesion.

The pictures are drawn, not taken from patients. Camera, colour, eye and anatomy are drawn
independently of the grade; only the lesions tell it. Everything follows from (split, seed, index).
"""

from __future__ import annotations

import zlib

import numpy as np

from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered.fundus.anatomy import Anatomy, draw_anatomy
from xaihelpers.datasets.rendered.fundus.camera import Camera, draw_camera, expose, field_of_view
from xaihelpers.datasets.rendered.fundus.lesions import LESIONS, draw_lesions
from xaihelpers.datasets.rendered.fundus.painting import paint
from xaihelpers.datasets.rendered.fundus.placement import Places
from xaihelpers.datasets.rendered.outlines import Shape, coverage, ellipse, ribbons, soften
from xaihelpers.datasets.rendered.renderer import check

CLASSES = ("No DR", "Mild", "Moderate", "Severe", "Proliferative DR")
COUNTS = {"train": 3600, "val": 500, "test": 1000}
MASKS = (*LESIONS, "disc", "macula", "vessels", "retina")
SIZE = 224
VERSION = 2
_VISIBLE = 64  # of 255: a pixel belongs to a mask if its lesion covers a quarter of it


def render(
    split: str, index: int, *, seed: int = 0, size: int = SIZE, label: int | None = None
) -> Record:
    """Render one fundus picture.

    Args:
        split: "train", "val" or "test".
        index: any number from 0.
        seed: any number from 0.
        size: side in pixels, 64 to 512. The eye is the same at every size.
        label: grade, 0 to 4; by default `index % 5`. The eye is the same for every grade.

    Returns:
        Record: image (size, size, 3) uint8 RGB; masks (size, size) bool for every name in
        `MASKS`: the lesions (all pixels that a lesion covers), optic disc, macula, vessels and
        "retina" (the field of view); meta: camera, view, eye, tint, kinds of lesion present.

    Raises:
        DataError: an argument is out of range.

    >>> sick = render("test", 3, size=96)
    >>> sick.label, bool(sick.masks["haemorrhage"].any())
    (3, True)
    """
    label = check(split, index, seed=seed, size=size, label=label, classes=CLASSES, counts=COUNTS)
    eye_rng, lesion_rng, paint_rng = _generators(split, index, seed, label)
    camera, anatomy = draw_camera(eye_rng), draw_anatomy(eye_rng)
    field = field_of_view(camera, size)
    coverages, places = _eye(camera, anatomy, size, lesion_rng)
    lesions = draw_lesions(lesion_rng, label, camera, anatomy, places)
    coverages |= _lesion_coverages(lesions, size)
    image = expose(camera, paint(camera, anatomy, coverages, size, paint_rng), field, paint_rng)
    return Record(
        image=image,
        label=label,
        masks=_masks(coverages, field),
        name=f"fundus/{split}/seed{seed}/{index:05d}",
        meta={
            "camera": camera.shape,
            "view": camera.view,
            "eye": camera.eye,
            "tint": camera.tint,
            "lesions": tuple(name for name in LESIONS if lesions[name]),
        },
    )


def _generators(split: str, index: int, seed: int, label: int) -> list[np.random.Generator]:
    """Independent streams for the eye, its lesions and its painting."""
    key = [zlib.crc32(b"fundus"), zlib.crc32(split.encode()), seed, index]
    extra = ([0], [1, label], [2])
    return [np.random.default_rng(np.random.SeedSequence(key + part)) for part in extra]


def _eye(
    camera: Camera, anatomy: Anatomy, size: int, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], Places]:
    """Coverages of disc, cup and vessels, and the ground left for lesions."""
    bands: dict[bool, list[np.ndarray]] = {True: [], False: []}
    for vessels in reversed(anatomy.generations):
        for outline, is_vein in vessels.outlines():
            bands[is_vein].append(camera.place(outline))
    trunks = anatomy.generations[0]
    arteries = ~trunks.is_vein
    reflex = ribbons(trunks.paths[arteries, 2:18], 0.3 * trunks.widths[arteries, 2:18])
    disc = ellipse(anatomy.disc, anatomy.disc_radii, points=48)
    cup = ellipse(anatomy.cup, (anatomy.cup_radius, 1.05 * anatomy.cup_radius), points=40)
    outlines = {
        "disc": [camera.place(disc)],
        "cup": [camera.place(cup)],
        "vein": bands[True],
        "artery": bands[False],
        "reflex": [camera.place(band) for band in reflex],
    }
    inner = ellipse(np.zeros(2), (0.95 * camera.radius, 0.95 * camera.radius), points=80)
    limit = camera.flat * camera.radius - 0.025
    inner[:, 1] = inner[:, 1].clip(-limit, limit)
    wide_disc = ellipse(anatomy.disc, (0.26, 0.27))
    places = Places(
        rng, inner + camera.centre, bands[True] + bands[False], [camera.place(wide_disc)]
    )
    drawn = {name: coverage([Shape(o) for o in parts], size) for name, parts in outlines.items()}
    macula = ellipse(np.zeros(2), (anatomy.macula_radius, anatomy.macula_radius), points=40)
    drawn["macula"] = coverage([Shape(camera.place(macula))], size)
    return drawn, places


def _lesion_coverages(lesions: dict[str, list[Shape]], size: int) -> dict[str, np.ndarray]:
    """Coverages of the lesions that are present; fuzzy cotton wool; a scar with its rim."""
    drawn = {name: coverage(shapes, size) for name, shapes in lesions.items() if shapes}
    if "cotton_wool" in drawn:
        drawn["cotton_wool"] = soften(drawn["cotton_wool"], 0.0055)
    if "laser_scar" in drawn:
        rims = []
        for shape in lesions["laser_scar"]:
            middle = shape.outline.mean(axis=0)
            rims.append(Shape(middle + 1.4 * (shape.outline - middle), shape.opacity))
        drawn["laser_rim"] = coverage(rims, size)
    return drawn


def _masks(coverages: dict[str, np.ndarray], field: np.ndarray) -> dict[str, np.ndarray]:
    """Boolean masks by name, cut to the field of view."""
    retina = field >= 128
    nothing = np.zeros(field.shape, np.uint8)
    seen = coverages | {"vessels": np.maximum(coverages["vein"], coverages["artery"])}
    if "laser_rim" in seen:
        seen["laser_scar"] = np.maximum(seen["laser_scar"], seen["laser_rim"])
    names = (*LESIONS, "disc", "macula", "vessels")
    masks = {name: (seen.get(name, nothing) >= _VISIBLE) & retina for name in names}
    return masks | {"retina": retina}
