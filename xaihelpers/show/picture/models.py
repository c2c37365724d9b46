"""A network by its name, as the shell and the explorer's page take it."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from xaihelpers.errors import ArchitectureError, CheckpointError, XaiError
from xaihelpers.files import sha256
from xaihelpers.show.picture.classes import classes_of
from xaihelpers.show.picture.transforms import Transform, transform_of

FORMS = (
    "imagenet",
    "torchvision:resnet50",
    "timm:convnext_tiny",
    "package.module:factory",
)
PICKLED = (".pth", ".pt", ".bin", ".ckpt", ".pkl", ".tar")
CONVERT = (
    "import torch; from safetensors.torch import save_file; "
    "save_file(torch.load({old!r}, weights_only=True), {new!r})"
)


@dataclass(frozen=True)
class NamedModel:
    """A network and what its pictures need.

    Attributes:
        name: as it was asked for.
        model: in evaluation mode, on the CPU.
        classes: names in the order of the logits; () if unknown.
        transform: PIL image -> tensor (3, h, w).
        weights: SHA-256 of the weights' file; "" for a factory of one's own.
        layers: role -> dotted name of layers worth a look; empty if none are known.
    """

    name: str
    model: nn.Module
    classes: tuple[str, ...]
    transform: Transform
    weights: str = ""
    layers: tuple[tuple[str, str], ...] = ()


def open_model(name: str, weights: str | Path = "") -> NamedModel:
    """Open a network; nothing is downloaded.

    Args:
        name: "imagenet", "torchvision:NAME", "timm:NAME", or "package.module:factory", where
            `factory()` gives a network, or (network, classes, transform).
        weights: a .safetensors file; needed by torchvision's and timm's networks, which come
            without any.

    Raises:
        ArchitectureError: no such name, or no weights where they are needed.
        CheckpointError: the file is missing, is a pickle, or does not fit.
        WeightsUnavailableError: a package of the ImageNet network is not installed.
    """
    if name == "imagenet":
        return _imagenet(weights)
    family, _, rest = name.partition(":")
    if not rest:
        near = difflib.get_close_matches(name, FORMS, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ArchitectureError(f"no network is called {name!r}; expected {_forms()}{hint}")
    if family in ("torchvision", "timm"):
        if not weights:
            raise ArchitectureError(
                f"{name} has random weights unless a file is given, and maps of random weights "
                "explain nothing: add --weights FILE.safetensors, or use --model imagenet"
            )
        opened = _torchvision(rest) if family == "torchvision" else _timm(rest)
    else:
        opened = _factory(family, rest)
    if weights:
        _load(opened.model, Path(weights))
        opened = replace(opened, weights=sha256(weights))
    return replace(opened, name=name, model=opened.model.eval())


def _forms() -> str:
    return ", ".join(FORMS)


def _imagenet(weights: str | Path) -> NamedModel:
    from xaihelpers.networks import LAYERS, imagenet

    if weights:
        raise ArchitectureError(
            "imagenet brings its own weights; for others use --model timm:tf_efficientnet_lite0"
        )
    model, card = imagenet.load()
    layers = tuple(LAYERS[card["arch"]].items())
    classes = tuple(card["classes"])
    return NamedModel("imagenet", model, classes, transform_of(model), card["sha256"], layers)


def _torchvision(name: str) -> NamedModel:
    from torchvision import models

    known = models.list_models(models)
    if name not in known:
        raise ArchitectureError(f"torchvision has no classifier {name!r}{_nearest(name, known)}")
    default: Any = next(iter(models.get_model_weights(name)), None)
    if default is None:
        raise ArchitectureError(f"torchvision says nothing of how {name} sees pictures")
    default = models.get_model_weights(name).DEFAULT
    model = models.get_model(name, weights=None)
    classes = tuple(default.meta["categories"])
    return NamedModel(name, model, classes, default.transforms())


def _timm(name: str) -> NamedModel:
    try:
        timm = importlib.import_module("timm")
    except ImportError as error:
        raise ArchitectureError(f"timm:{name} needs timm: pip install timm") from error
    try:
        model = timm.create_model(name, pretrained=False)
    except RuntimeError as error:
        raise ArchitectureError(
            f"timm has no network {name!r}{_nearest(name, timm.list_models())}"
        ) from error
    return NamedModel(name, model, classes_of(model), transform_of(model))


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; nearest: {', '.join(near)}" if near else ""


def _factory(module: str, name: str) -> NamedModel:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        make: Callable[[], Any] = getattr(importlib.import_module(module), name)
        made = make()
    except XaiError:
        raise
    except Exception as error:
        raise ArchitectureError(
            f"{module}:{name} could not be called ({type(error).__name__}: {error}); expected "
            f"{_forms()}, where factory() gives a network or (network, classes, transform)"
        ) from error
    model, *rest = made if isinstance(made, tuple) else (made,)
    if not isinstance(model, nn.Module) or len(rest) > 2:
        raise ArchitectureError(
            f"{module}:{name}() gives {type(made).__name__}; expected a torch network, or "
            "(network, classes, transform)"
        )
    classes = rest[0] if rest else classes_of(model)
    transform = rest[1] if len(rest) > 1 else transform_of(model)
    return NamedModel(name, model, tuple(classes), transform)


def _load(model: nn.Module, path: Path) -> None:
    """Put the weights of a .safetensors file into a network, every name and shape checked."""
    if path.suffix.lower() in PICKLED:
        code = CONVERT.format(old=path.name, new=path.with_suffix(".safetensors").name)
        raise CheckpointError(
            f"{path} is a pickle, which can run any code when it is opened; convert it once where "
            f"you trust it: python -c {code!r}"
        )
    if not path.is_file():
        raise CheckpointError(f"there is no file {path}; check the path of the weights")
    try:
        model.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise CheckpointError(f"{path} is no .safetensors file ({error})") from error
    except RuntimeError as error:
        first = next((line for line in str(error).splitlines()[1:] if line.strip()), str(error))
        raise CheckpointError(
            f"{path} does not fit {type(model).__name__}: {first.strip()[:160]}"
        ) from error
