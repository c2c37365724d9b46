"""`python -m xaihelpers export NAME --to FILE.onnx`: a network with the maps of all its classes."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from xaihelpers import networks
from xaihelpers.errors import ArchitectureError
from xaihelpers.networks import imagenet
from xaihelpers.networks.classifiers import MEAN, STD
from xaihelpers.networks.export import Card, export
from xaihelpers.setups import SETUPS


def exportable() -> tuple[str, ...]:
    """Names of all networks that ship: "imagenet", and "<setup>:<architecture>"."""
    return ("imagenet", *(f"{setup}:{arch}" for setup, archs in SETUPS.items() for arch in archs))


def open_network(name: str) -> tuple[nn.Module, Card]:
    """A shipped network and what its file must say.

    Args:
        name: one of `exportable()`.

    Raises:
        ArchitectureError: there is no such network.
        WeightsUnavailableError: the package with the ImageNet weights is missing.
    """
    if name not in exportable():
        raise ArchitectureError(f"no network {name!r}; choose one of {', '.join(exportable())}")
    if name == "imagenet":
        model, _ = imagenet.load()
        layer = networks.LAYERS[imagenet.ARCH]["last"]
        return model, Card(
            "EfficientNet-Lite0 (ImageNet)",
            imagenet.class_names(),
            layer,
            imagenet.MEAN,
            imagenet.STD,
        )
    setup, arch = name.split(":")
    model, about = networks.load_shipped(setup, arch)
    return model, Card(name, about["classes"], networks.LAYERS[arch]["last"], MEAN, STD)


def run(name: str, path: Path | str, precision: str = "fp32") -> int:
    """Export a shipped network and say what was written; returns 0.

    Args:
        name: one of `exportable()`.
        path: ends in ".onnx".
        precision: of the stored weights: "fp32", "fp16" or "int8".
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise ArchitectureError(f"the file must end in .onnx, got {path.name}")
    model, card = open_network(name)
    written = export(model, card, path, precision)
    print(
        f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB, {precision}): images (1, 3, H, W) -> "
        f"logits (1, {len(written['classes'])}) and class maps at {written['layer']}; "
        f"classes and normalisation are in {path.with_suffix('.json')}"
    )
    return 0
