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

CLASSES = ("Normal", "Viral Pneumonia", "COVID")
NORMAL, COVID = 0, 2
MASKS = ("opacity", "lung", "marker")
SPLITS = {"train": 2400, "val": 450, "test": 900}
VERSION = 2
_SIZES = (64, 512)


def render(
    split: str,
    index: int,
    seed: int = 0,
    size: int = 224,
    label: int | None = None,
    marker_correlation: float = 0.0,
    marker: str | None = None,
    hidden: float = 0.0,
) -> Record:
    """Render one radiograph; deterministic by (split, seed, index), at any size from 64 to 512.

    label: class index; by default index % 3.
    marker_correlation: 0 (text independent of the class) to 1 (COVID always reads "AP PORTABLE",
        the others never); between, the probability that the class decides the text.
    marker: "none", "L" or "AP PORTABLE" to force the text; all pixels outside it stay the same.
    hidden: probability that a COVID patient's lungs show nothing, as where another test found it.
    Returns a Record: image (size, size, 3) uint8, three equal channels; masks (size, size) bool:
    "opacity" (lung pixels to which the finding adds an attenuation of at least 0.06, about ten
    grey levels; empty for Normal), "lung" (both visible lungs), "marker" (the text's rectangle).
    Masks are bit-identical on every machine; the image may differ there by a grey level.
    Raises ValueError for a split, index, seed, size, label, correlation or marker out of range.
    """
    label = _check(split, index, seed, size, label, marker_correlation, marker)
    if not 0.0 <= hidden <= 1.0:
        raise ValueError(f"hidden {hidden} is out of range: use 0 to 1")
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


def _check(
    split: str,
    index: int,
    seed: int,
    size: int,
    label: int | None,
    correlation: float,
    marker: str | None,
) -> int:
    """Check the arguments of `render`; returns the class index."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}: use one of {', '.join(SPLITS)}")
    if index < 0 or seed < 0:
        raise ValueError(f"index and seed must be 0 or more, got index={index}, seed={seed}")
    if not _SIZES[0] <= size <= _SIZES[1]:
        raise ValueError(f"size {size} is out of range: use {_SIZES[0]} to {_SIZES[1]} pixels")
    if label is not None and not 0 <= label < len(CLASSES):
        names = ", ".join(f"{i} ({name})" for i, name in enumerate(CLASSES))
        raise ValueError(f"unknown label {label!r}: use one of {names}, or None for index % 3")
    if not 0.0 <= correlation <= 1.0:
        raise ValueError(f"marker_correlation {correlation} is out of range: use 0 to 1")
    if marker is not None and marker not in MARKERS:
        raise ValueError(f"unknown marker {marker!r}: use one of {', '.join(MARKERS)}, or None")
    return index % len(CLASSES) if label is None else int(label)
