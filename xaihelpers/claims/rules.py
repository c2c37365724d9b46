"""The kit that verdict rules are made of.

A rule reads measures by name and returns a verdict. "Above" and "below" always speak of the whole
95 % interval; where a measure has none, of the value itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from xaihelpers.claims.types import Measure

Measures = Mapping[str, Measure]


def above(measure: Measure, bound: float) -> bool:
    """Whether the whole interval lies above the bound."""
    return measure.lowest > bound


def below(measure: Measure, bound: float) -> bool:
    """Whether the whole interval lies below the bound."""
    return measure.highest < bound


def ending(measures: Measures, *endings: str) -> dict[str, Measure]:
    """The measures whose names end in one of these texts; the rule reads no other by this."""
    return {name: measures[name] for name in measures if name.endswith(endings)}
