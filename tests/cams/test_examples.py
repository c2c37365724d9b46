"""The examples in the docstrings of `xaihelpers.cams` run and print what they show."""

import doctest
import pkgutil
from collections.abc import Callable
from importlib import import_module

import pytest

from xaihelpers import cams
from xaihelpers.cams import (
    METHODS,
    accelerate,
    axioms,
    explain,
    explain_classes,
    explain_layers,
    guided,
    hooks,
    maps,
    methods,
    targets,
)

MODULES = sorted(m.name for m in pkgutil.walk_packages(cams.__path__, "xaihelpers.cams."))


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_show(name: str) -> None:
    assert doctest.testmod(import_module(name)).failed == 0


PUBLIC = [
    *(explain, explain_layers, explain_classes, accelerate, hooks.capture, hooks.find_layer),
    *(guided.guided_relu, guided.guided_backprop, guided.guided_grad_cam),
    *(methods.cam, methods.counterfactual, *METHODS.values()),
    *(maps.rectify, maps.upsample, maps.min_max, maps.threshold),
    *(targets.logit, targets.probability, targets.log_probability),
    *(targets.difference, targets.counterfactual, targets.as_target),
    *(axioms.conservation_error, axioms.sensitivity_error, axioms.bias_terms),
    *(axioms.channel_shares, axioms.channel_drops, axioms.denominator_report),
]


@pytest.mark.parametrize("function", PUBLIC, ids=lambda function: function.__name__)
def test_every_public_function_has_an_example(function: Callable) -> None:
    assert ">>> " in function.__doc__
