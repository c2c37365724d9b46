"""Why would XGrad-CAM light the corners of a photograph? The suspects, one by one and together.

Two outcomes: the share of a map's energy that lies outside the retina disc, where there is nothing
to see, and whether its peak lies there. `FACTORS` are what may have gone into a picture whose
corners glow. Each can be switched on or off, so that every combination can be measured
(`outside_by_causes`) and the effect divided among them (`factorial.effects`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2.functional import resize

from xaihelpers import networks
from xaihelpers.cams.maps import min_max, rectify, upsample
from xaihelpers.cams.methods import cam, grad_cam, xgrad_cam
from xaihelpers.metrics import corners, factorial
from xaihelpers.metrics.factorial import Outcomes
from xaihelpers.study import Case, LayerTensors, MapScorer, layer_tensors

#: Suspect -> what "on" means. With all of them off: Grad-CAM of the logit at the tensor that feeds
#: the pooling, 7 x 7 cells, put where they sit, negative values cut, border pixels repeated.
FACTORS: dict[str, str] = {
    "formula": "XGrad-CAM's weights instead of Grad-CAM's",
    "tensor": "the suspect tensor instead of the one that feeds the pooling",
    "coarse grid": "the image at 128 px, a map of 4 x 4 cells, instead of 224 px and 7 x 7",
    "zero padding": "zeros beyond the border, as trained, instead of repeated border pixels",
    "noise": "noise (10 grey levels) in the dark surround instead of black",
    "small gradients": "gradients of the probability instead of the logit",
    "eps": "1e-12 below XGrad-CAM's fraction instead of 1e-7",
    "no ReLU": "the signed map stretched by min-max instead of its positive part",
    "placement": "cells spread evenly over the image instead of put where they sit",
}
COARSE = 128  # px
NOISE = 10.0  # grey levels of 255, standard deviation
CANVAS = 4  # maps are drawn at a quarter of the image's size, finer than any cell


@dataclass(frozen=True)
class Suspects:
    """The network under suspicion and where its cells sit.

    Attributes:
        model: the classifier.
        pooled: the layer that feeds the pooling.
        suspects: layers that may have been taken instead, on grids of the same size.
        first: centre of the first cell, in pixels.
        step: distance of the cells, in pixels.
    """

    model: nn.Module
    pooled: str
    suspects: tuple[str, ...]
    first: float = 0.0
    step: float = 32.0


@contextmanager
def border_repeated(model: nn.Module, wanted: bool = True) -> Iterator[None]:
    """Convolutions pad with the nearest pixel instead of zeros inside the block."""
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    before = [convolution.padding_mode for convolution in convolutions]
    try:
        for convolution in convolutions if wanted else []:
            convolution.padding_mode = "replicate"
        yield
    finally:
        for convolution, mode in zip(convolutions, before, strict=True):
            convolution.padding_mode = mode


def noisy_surround(images: Tensor, retina: Tensor, seed: int, deviation: float = NOISE) -> Tensor:
    """uint8 images with Gaussian noise added outside the retina; (N, 3, H, W) and (N, H, W) bool.

    The same images and seed give the same noise.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(images.shape, generator=generator).to(images.device) * deviation
    changed = (images.float() + noise).round().clamp(0, 255).to(torch.uint8)
    return torch.where(retina[:, None], images, changed)


#: Outcome -> score of `study.SCORES`: in [0, 1], 0 for an empty map.
OUTCOMES = {"energy": "outside", "peak": "peak_outside"}


def outside_by_causes(
    suspects: Suspects, images: Tensor, retina: Tensor, classes: Tensor, seed: int = 0
) -> Mapping[tuple[str, str], Outcomes]:
    """Every outcome under every combination of `FACTORS`, one value per image.

    Args:
        suspects: the network and its layers.
        images: (N, 3, H, W) uint8.
        retina: (N, H, W) bool.
        classes: (N,) the class explained, which stays the same whatever is done to the image.
        seed: of the noise.

    Returns:
        (suspect layer, outcome) -> combination of factors that are on -> (N,) in [0, 1].
    """
    outcomes: dict[tuple[str, str], dict[frozenset[str], np.ndarray]] = {
        key: {} for key in product(suspects.suspects, OUTCOMES)
    }
    for coarse, zeros, noise in product((False, True), repeat=3):
        shown = noisy_surround(images, retina, seed) if noise else images
        shown = resize(shown, [COARSE, COARSE], antialias=True) if coarse else shown
        with border_repeated(suspects.model, not zeros):
            names, inputs = [suspects.pooled, *suspects.suspects], networks.normalize(shown)
            pooled, *others = layer_tensors(suspects.model, inputs, names, classes)
        inside = _shrunk(retina, shown.shape[-1] // CANVAS)
        shared = {"coarse grid": coarse, "zero padding": zeros, "noise": noise}
        draw = partial(_drawn, inside=inside, first=suspects.first, step=suspects.step)
        for switched, values in draw(pooled):
            for name, outcome in outcomes:
                outcomes[name, outcome][_on(shared | switched)] = values[outcome]
        for name, layer in zip(suspects.suspects, others, strict=True):
            for switched, values in draw(layer):
                on = _on(shared | switched | {"tensor": True})
                for outcome in OUTCOMES:
                    outcomes[name, outcome][on] = values[outcome]
    return outcomes


def _shrunk(mask: Tensor, side: int) -> Tensor:
    """A mask (N, H, W) on a smaller square: pixels of which it covers at least half."""
    return F.interpolate(mask[:, None].float(), (side, side), mode="area")[:, 0] >= 0.5


def _drawn(
    layer: LayerTensors, inside: Tensor, first: float, step: float
) -> Iterator[tuple[dict[str, bool], dict[str, np.ndarray]]]:
    """The outcomes of every map that can be drawn from one layer's activations and gradients."""
    size = (inside.shape[1], inside.shape[2])
    cells = ((first + 0.5) / CANVAS - 0.5, step / CANVAS)  # in pixels of the canvas
    case, scorer = Case(masks={"retina": inside}), MapScorer(tuple(OUTCOMES.values()))
    drawn: list[tuple[dict[str, bool], dict[str, np.ndarray]]] = []
    for formula, small, eps in product((False, True), repeat=3):
        gradients = layer.probability_gradients if small else layer.gradients
        if eps and not formula:  # Grad-CAM has no eps: the maps are those just drawn
            yield from [({**switched, "eps": True}, values) for switched, values in drawn]
            continue
        if formula:
            raw = xgrad_cam(layer.activations, gradients, eps=1e-12 if eps else 1e-7)
        else:
            raw = grad_cam(layer.activations, gradients)
        drawn = []
        for signed, spread in product((False, True), repeat=2):
            heat = raw if signed else rectify(raw)
            grown = upsample(heat, size) if spread else corners.place(heat, size, *cells)
            shown = min_max(grown) if signed else grown
            scored = scorer.scores(case, shown, "xgrad_cam" if formula else "grad_cam")
            values = {name: scored[score].double().numpy() for name, score in OUTCOMES.items()}
            switched = {"formula": formula, "small gradients": small, "eps": eps}
            drawn.append((switched | {"no ReLU": signed, "placement": spread}, values))
        yield from drawn


def _on(switched: dict[str, bool]) -> frozenset[str]:
    return frozenset(name for name, on in switched.items() if on)


def repairs(activations: Tensor, gradients: Tensor) -> dict[str, Tensor]:
    """XGrad-CAM with one of its ills removed at a time: name -> raw map (N, H, W).

    "sign kept" gives each weight the sign of the mean gradient; "largest channel out" drops the
    channel with the largest |w| sum |A|; "sum of |A|" divides by what cannot cancel. Grad-CAM and
    XGrad-CAM as written stand beside them.
    """
    values, slopes = activations.flatten(2), gradients.flatten(2)
    products = (values * slopes).sum(2)
    weights = products / (values.sum(2) + 1e-7)
    size = values.abs().sum(2)
    largest = (weights.abs() * size).argmax(dim=1, keepdim=True)
    signed = weights.abs() * slopes.mean(2).sign()
    changed = {
        "sign kept": signed,
        "largest channel out": weights.scatter(1, largest, 0),
        "both": signed.scatter(1, largest, 0),
        "sum of |A|": products / (size + 1e-7),
    }
    maps = {name: cam(activations, weight) for name, weight in changed.items()}
    return {
        "grad_cam": grad_cam(activations, gradients),
        "xgrad_cam": xgrad_cam(activations, gradients),
    } | maps


def divide(outcomes: Outcomes) -> dict[str, factorial.Effect]:
    """`factorial.effects` of all `FACTORS`."""
    return factorial.effects(outcomes, tuple(FACTORS))
