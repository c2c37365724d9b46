"""Dots and whiskers: every estimate at its value, every row named once."""

import pytest

from xaihelpers.errors import FigureError
from xaihelpers.metrics.intervals import Interval
from xaihelpers.show.dots import dots


def interval(value: float) -> Interval:
    return Interval(value, value - 0.1, value + 0.2, 0.95, 10)


def test_each_estimate_is_drawn_at_its_value_in_its_row() -> None:
    groups = {"one": {"a": interval(1), "b": interval(2)}, "two": {"b": interval(3)}}
    figure = dots(groups, "energy", reference=0.5, note="chance")
    (ax,) = figure.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert [bar.lines[0].get_xdata().tolist() for bar in ax.containers] == [[1, 2], [3]]
    rows = [[round(y) for y in bar.lines[0].get_ydata()] for bar in ax.containers]
    assert rows == [[0, 1], [1]]
    whiskers = ax.containers[0].lines[2][0].get_segments()
    assert whiskers[0][:, 0].tolist() == pytest.approx([0.9, 1.2])
    assert ax.lines[0].get_xdata() == [0.5, 0.5]


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(FigureError, match="at least one"):
        dots({"one": {}}, "energy")
