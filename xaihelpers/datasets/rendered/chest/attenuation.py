"""From a patient's curves to what the X-rays lost on their way: a map of summed attenuation.

The unit is arbitrary: 0 is open air, an aerated lung is near 0.45, the heart near 1.1, the
abdomen near 1.5. Overlapping structures add, as they do along a ray.
"""

from __future__ import annotations

import cv2
import numpy as np

from xaihelpers.datasets.rendered.chest.anatomy import SIDES, Anatomy
from xaihelpers.datasets.rendered.chest.canvas import Canvas, band, ellipse

_SOFT_SIZE = 96  # working size of everything without an edge


def lung_mask(canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Visible lung (H, W) bool: both lung fields less heart and mediastinum, bit-exact."""
    layer = canvas.layer()
    for lung in anatomy.lungs:
        canvas.fill(layer, lung.outline, smooth=False)
    canvas.fill(layer, anatomy.heart, 0, smooth=False)
    return layer > 0


def attenuation(canvas: Canvas, anatomy: Anatomy, density: np.ndarray) -> np.ndarray:
    """Sum the chest's attenuation (H, W) float32 with the finding's `density` added."""
    soft = Canvas(_SOFT_SIZE, anatomy.pose)
    body, thick_lung = _soft_tissue(soft, anatomy), _soft_lung(soft, anatomy)
    size = (canvas.size, canvas.size)
    body = cv2.resize(body, size, interpolation=cv2.INTER_CUBIC)
    depth = cv2.resize(thick_lung, size, interpolation=cv2.INTER_CUBIC)
    lungs, heart = canvas.layer(), canvas.fill(canvas.layer(), anatomy.heart)
    for lung in anatomy.lungs:
        canvas.fill(lungs, lung.outline)
    air = _unit(canvas.blur(lungs, 0.0022)) * (0.50 + 0.36 * depth) * anatomy.aeration
    shadow = _unit(canvas.blur(heart, 0.0035))
    outside = _unit(canvas.fill(canvas.layer(), anatomy.body))
    total = outside * (0.16 + body) - air * (1.0 - 0.74 * shadow)
    total += _skeleton(canvas, anatomy, 0.4 + 0.6 * depth) * anatomy.bone * outside
    total += _vessels(canvas, anatomy) * air
    total -= _air_spaces(canvas, anatomy)
    total += density
    return cv2.max(total, _arms(canvas, anatomy))


def _unit(layer: np.ndarray) -> np.ndarray:
    return layer.astype(np.float32) * np.float32(1 / 255)


def _soft_tissue(soft: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Body wall, shoulders, abdomen, breasts and hila, (soft size)^2 float32."""
    body = _unit(soft.blur(soft.fill(soft.layer(), anatomy.body), 0.022))
    core = _unit(soft.blur(soft.fill(soft.layer(), anatomy.body), 0.085))
    total = body * (0.42 + 0.46 * core + 0.14 * anatomy.bulk)
    belly, base = soft.layer(), anatomy.base
    box = np.array([(-0.8, base - 0.02), (0.8, base - 0.02), (0.8, 1.6), (-0.8, 1.6)])
    soft.fill(belly, box)
    total += 0.30 * _unit(soft.blur(belly, 0.05)) * core
    column = np.array([(-0.055, -0.3), (0.055, -0.3), (0.055, 1.4), (-0.055, 1.4)])
    total += 0.22 * _unit(soft.blur(soft.fill(soft.layer(), column), 0.022)) * body
    for side in SIDES:
        shoulder = soft.fill(soft.layer(), ellipse((side * 0.37, 0.16), (0.13, 0.09)))
        total += 0.20 * _unit(soft.blur(shoulder, 0.04)) * body
        hilum = soft.fill(soft.layer(), ellipse(anatomy.hila[int(side > 0)], (0.028, 0.055)))
        total += 0.13 * anatomy.vascular * _unit(soft.blur(hilum, 0.018))
    if anatomy.breast > 0:
        chest = soft.blur(soft.fill(soft.layer(), anatomy.breasts), 0.030)
        total += anatomy.breast * _unit(chest)
    inner = soft.blur(soft.fill(soft.layer(), anatomy.heart), 0.04)
    return np.asarray(total + 0.20 * _unit(inner), np.float32)


def _soft_lung(soft: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Depth of air along the ray, 0..1: least at the pleura, most in mid lung."""
    layer = soft.layer()
    for lung in anatomy.lungs:
        soft.fill(layer, lung.outline)
    return _unit(soft.blur(layer, 0.034))


def _skeleton(canvas: Canvas, anatomy: Anatomy, clarity: np.ndarray) -> np.ndarray:
    """Ribs, clavicles, scapulae and spine, (H, W) float32, brighter at their cortex.

    `clarity` (H, W) scales the ribs: scatter washes them out below the diaphragm.
    """
    width = np.array(anatomy.rib_width)
    back, front = canvas.layer(), canvas.layer()
    for lines, layer, wide, values in (
        (anatomy.posterior_ribs, back, width, (255, 185)),
        (anatomy.anterior_ribs, front, width * 1.15, (150, 105)),
    ):
        for outer, inner in zip(band(lines, wide), band(lines, 0.62 * wide), strict=True):
            canvas.fill(layer, outer, values[0])
            canvas.fill(layer, inner, values[1])
    plates = canvas.fill(canvas.layer(), anatomy.scapulae, 80)
    canvas.fill(plates, anatomy.clavicles, 255)
    for bone in anatomy.clavicles:
        middle = bone.mean(0)
        canvas.fill(plates, middle + (bone - middle) * (0.97, 0.80), 205)
    spine = canvas.layer()
    for vertebra in anatomy.vertebrae:
        middle = vertebra.mean(0)
        canvas.fill(spine, vertebra, 210)
        canvas.fill(spine, middle + (vertebra - middle) * 0.80, 120)
        for side in SIDES:
            canvas.fill(spine, ellipse(middle + (side * 0.019, -0.008), (0.0055, 0.009)), 230)
        canvas.fill(spine, ellipse(middle + (0, 0.012), (0.005, 0.013)), 215)
    total = cv2.addWeighted(
        _unit(canvas.blur(back, 0.0022)), 0.170, _unit(canvas.blur(front, 0.0045)), 0.16, 0.0
    )
    total *= clarity
    cv2.scaleAdd(_unit(canvas.blur(plates, 0.0028)), 0.32, total, total)
    return cv2.scaleAdd(_unit(canvas.blur(spine, 0.0040)), 0.20, total)


def _vessels(canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Pulmonary vessels as a share of the air they displace, (H, W) float32."""
    layer = canvas.layer()
    for polygons, value in zip(anatomy.vessels[::-1], (80, 125, 200), strict=True):
        canvas.fill(layer, polygons, value)
    return _unit(canvas.blur(layer, 0.0026)) * (0.33 * anatomy.vascular)


def _air_spaces(canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    """Trachea, main bronchi and the gastric bubble, (H, W) float32 of missing attenuation."""
    layer = canvas.layer()
    canvas.fill(layer, anatomy.trachea[1:], 130)
    canvas.fill(layer, anatomy.trachea[:1], 205)
    layer = canvas.blur(layer, 0.006)
    gas = canvas.blur(canvas.fill(canvas.layer(), anatomy.gas, 255), 0.010)
    return _unit(cv2.add(layer, gas)) * 0.30


def _arms(canvas: Canvas, anatomy: Anatomy) -> np.ndarray:
    layer, bone = canvas.layer(), canvas.layer()
    t = np.linspace(0, 1, anatomy.arms.shape[1])
    canvas.fill(layer, band(anatomy.arms, 0.135 - 0.02 * t))
    canvas.fill(bone, band(anatomy.arms, np.array(0.036)))
    flesh = _unit(canvas.blur(layer, 0.012)) * 0.80
    return flesh + _unit(canvas.blur(bone, 0.003)) * 0.30
