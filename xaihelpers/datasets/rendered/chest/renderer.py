"""Rendered chest radiographs with pixel-exact masks: Normal, Viral Pneumonia, COVID.

Each picture follows from (split, seed, index) alone. Anatomy, acquisition, finding and marker
each draw from a generator of their own, so a change of class or marker leaves the rest of the
picture as it was: `render("test", 5, label=0)` is the same patient with healthy lungs.
The class lives in the finding only.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered.chest.acquisition import (
    Acquisition,
    add_devices,
    draw_acquisition,
    expose,
)
from xaihelpers.datasets.rendered.chest.anatomy import draw_anatomy
from xaihelpers.datasets.rendered.chest.attenuation import attenuation, lung_mask
from xaihelpers.datasets.rendered.chest.canvas import Canvas
from xaihelpers.datasets.rendered.chest.markers import MARKERS, Marker, burn_in, draw_marker
from xaihelpers.datasets.rendered.chest.opacities import FULL_DENSITY, THRESHOLD, draw_finding
from xaihelpers.datasets.rendered.renderer import check
from xaihelpers.errors import DataError

CLASSES = ("Normal", "Viral Pneumonia", "COVID")
NORMAL, COVID = 0, 2
COUNTS = {"train": 2400, "val": 450, "test": 900}
MASKS = ("opacity", "lung", "marker")
SIZE = 224
VERSION = 2


def render(
    split: str,
    index: int,
    *,
    seed: int = 0,
    size: int = SIZE,
    label: int | None = None,
    marker_correlation: float = 0.0,
    marker: str | None = None,
    hidden: float = 0.0,
) -> Record:
    """Render one radiograph.

    Masks are bit-identical on every machine; the image may differ there by a grey level.

    Args:
        split: "train", "val" or "test".
        index: any number from 0.
        seed: any number from 0.
        size: side in pixels, 64 to 512. The patient is the same at every size.
        label: class index, 0 to 2; by default `index % 3`. The patient is the same for every class.
        marker_correlation: 0 (the text is independent of the class) to 1 (COVID always reads
            "AP PORTABLE", the others never); between, the probability that the class decides.
        marker: "none", "L" or "AP PORTABLE" forces the text; pixels outside it stay the same.
        hidden: probability that a COVID patient's lungs show nothing, as if another test had
            found the disease.

    Returns:
        Record: image (size, size, 3) uint8, three equal channels; masks (size, size) bool:
        "opacity" (lung pixels to which the finding adds an attenuation of at least 0.06, about ten
        grey levels; empty for Normal), "lung" (both visible lungs), "marker" (the text's
        rectangle); meta: pattern, marker, corner, electrodes, tubes.

    Raises:
        DataError: an argument is out of range.

    >>> render("test", 5, size=96, marker="L").meta["marker"]
    'L'
    """
    label = check(split, index, seed=seed, size=size, label=label, classes=CLASSES, counts=COUNTS)
    _check_options(marker_correlation, marker, hidden)
    patient, exposure, illness, writing, stage = _generators(split, seed, index)
    unseen = label == COVID and stage.uniform() < hidden
    anatomy, settings = draw_anatomy(patient), draw_acquisition(exposure)
    canvas = Canvas(size, anatomy.pose)
    lung = lung_mask(canvas, anatomy)
    finding, pattern = draw_finding(illness, NORMAL if unseen else label, anatomy, size)
    finding *= lung
    density = finding.astype(np.float32) * np.float32(FULL_DENSITY / 255)
    total = add_devices(attenuation(canvas, anatomy, density), canvas, settings)
    picture = expose(total, settings)
    text = draw_marker(writing, label, marker_correlation, marker)
    masks = {"opacity": finding >= THRESHOLD, "lung": lung, "marker": burn_in(picture, text)}
    image, name = np.repeat(picture[:, :, None], 3, axis=2), f"{split}/seed{seed}/{index:05d}"
    return Record(image, label, masks, f"chest_xray/{name}", _meta(pattern, text, settings))


def _generators(split: str, seed: int, index: int) -> list[np.random.Generator]:
    """Return independent generators for anatomy, acquisition, finding, marker and stage."""
    source = np.random.SeedSequence([crc32(b"chest_xray"), crc32(split.encode()), seed, index])
    return [np.random.default_rng(child) for child in source.spawn(5)]


def _meta(pattern: str, marker: Marker, settings: Acquisition) -> dict[str, object]:
    return {
        "pattern": pattern,
        "marker": marker.text,
        "marker_corner": marker.corner if marker.text != "none" else "none",
        "electrodes": len(settings.electrodes),
        "tubes": len(settings.tubes),
    }


def _check_options(correlation: float, marker: str | None, hidden: float) -> None:
    if not 0.0 <= correlation <= 1.0:
        raise DataError(f"marker_correlation {correlation} is out of range: use 0 to 1")
    if marker is not None and marker not in MARKERS:
        raise DataError(f"unknown marker {marker!r}: use one of {', '.join(MARKERS)}, or None")
    if not 0.0 <= hidden <= 1.0:
        raise DataError(f"hidden {hidden} is out of range: use 0 to 1")
