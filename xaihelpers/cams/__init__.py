"""Class-activation maps: the methods as formulas, and the engine that computes them.

from xaihelpers.cams import explain
explanation = explain(model, images, layer="features.8", methods=("grad_cam", "xgrad_cam"))
explanation.maps["grad_cam"]  # (N, H, W) in [0, 1]
"""

from xaihelpers.cams import axioms, guided, hooks, maps, methods, targets
from xaihelpers.cams.engine.accelerate import accelerate
from xaihelpers.cams.engine.explain import explain, explain_classes, explain_layers
from xaihelpers.cams.explanation import ClassExplanation, Explanation
from xaihelpers.cams.methods import METHODS
from xaihelpers.errors import (
    ExplainError,
    ExplainWarning,
    InputError,
    LayerNotFoundError,
    LayoutError,
    NothingCapturedError,
    TargetError,
)

__all__ = [
    "METHODS",
    "ClassExplanation",
    "ExplainError",
    "ExplainWarning",
    "Explanation",
    "InputError",
    "LayerNotFoundError",
    "LayoutError",
    "NothingCapturedError",
    "TargetError",
    "accelerate",
    "axioms",
    "explain",
    "explain_classes",
    "explain_layers",
    "guided",
    "hooks",
    "maps",
    "methods",
    "targets",
]
