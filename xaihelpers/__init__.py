"""Learn, check and use class-activation maps.

from xaihelpers import explain
explanation = explain(model, images, layer="features.8", methods=["grad_cam"])

Nothing is imported before it is asked for: `import xaihelpers` takes milliseconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xaihelpers.cams import METHODS, explain, explain_classes, explain_layers
    from xaihelpers.errors import XaiError
    from xaihelpers.show.picture import explain_image

    __version__: str

__all__ = ["METHODS", "XaiError", "explain", "explain_classes", "explain_image", "explain_layers"]

#: Public name -> the module that holds it.
HOMES = {
    "METHODS": "xaihelpers.cams",
    "explain": "xaihelpers.cams",
    "explain_classes": "xaihelpers.cams",
    "explain_image": "xaihelpers.show.picture",
    "explain_layers": "xaihelpers.cams",
    "XaiError": "xaihelpers.errors",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        return import_module("importlib.metadata").version("xaihelpers")
    if name not in HOMES:
        raise AttributeError(f"module 'xaihelpers' has no attribute {name!r}")
    value = getattr(import_module(HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
