"""Pictures with one look, and the small services every chapter uses.

from xaihelpers.show import figures, notebook
"""

from importlib import import_module
from types import ModuleType

#: Modules of this package, imported on first use so that one of them does not cost all.
MODULES = (
    "charts",
    "dots",
    "explorer",
    "figures",
    "front",
    "notebook",
    "panels",
    "picture",
    "style",
)

__all__ = list(MODULES)


def __getattr__(name: str) -> ModuleType:
    if name in MODULES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
