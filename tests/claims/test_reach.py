"""What a function rests on: everything of ours that it reaches, and nothing else."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from xaihelpers.claims import reach, rules
from xaihelpers.claims.reach import reached

BOUNDS = {"low": 0.1, "high": 0.9}


def helper(value: float) -> float:
    return value * BOUNDS["low"]


@dataclass(frozen=True)
class Judge:
    """A class with a method that reaches a helper."""

    def judge(self) -> float:
        return helper(1.0)


def by_method() -> float:
    return Judge().judge()


def by_attribute(measures: rules.Measures) -> bool:
    return rules.above(measures["x"], 0.5)


def by_default(value: float, function: object = helper) -> object:
    return function


def with_bound(bound: float) -> object:
    def rule(value: float) -> bool:
        return value > bound

    return rule


def by_library(values: list[float]) -> float:
    return float(np.mean(values))


def texts(*functions: object) -> str:
    return "\n".join(sorted(reached(*functions)))


def test_helpers_classes_and_constants_are_followed() -> None:
    assert "def helper" in texts(by_method)
    assert "class Judge" in texts(by_method)
    assert "BOUNDS = 'low', 0.1, 'high', 0.9" in texts(by_method)


def test_functions_of_other_modules_are_followed_by_attribute_and_by_default() -> None:
    assert "def above" in texts(by_attribute)
    assert "measure.lowest > bound" in texts(by_attribute)
    assert "def helper" in texts(by_default)


def test_a_bound_counts_in_a_closure_and_in_a_partial_function() -> None:
    assert reached(with_bound(0.1)) != reached(with_bound(0.2))
    assert reached(partial(by_default, 0.1)) != reached(partial(by_default, 0.2))


def test_libraries_are_not_followed() -> None:
    assert reached(by_library) == {reach.statements(_source_of_by_library())}


def _source_of_by_library() -> str:
    return "def by_library(values: list[float]) -> float:\n    return float(np.mean(values))\n"


def test_comments_docstrings_and_blank_lines_do_not_count() -> None:
    plain = "def f(x):\n    return x\n"
    worded = 'def f(x):\n    """Words."""\n\n    # why\n    return x\n'
    assert reach.statements(plain) == reach.statements(worded)
