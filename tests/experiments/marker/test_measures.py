"""Measures of a small marker table, worked out by hand, and the verdicts they lead to."""

import pytest

from tests.cases.marker_case import PATIENTS, marker_table
from xaihelpers.experiments.marker import measures
from xaihelpers.experiments.marker.claims import C8, C14


def test_c8_by_hand() -> None:
    found = measures.c8(marker_table())
    assert found["densenet121 linked marker ratio"].value == pytest.approx(8)
    assert found["small_vgg_gap balanced marker ratio"].value == pytest.approx(1)
    # as trained two thirds are right (2 for COVID, 0 for Normal); swapped none is
    assert found["densenet121 linked accuracy lost when swapped"].value == pytest.approx(2 / 3)
    assert found["small_vgg_gap balanced accuracy lost when swapped"].value == 0
    assert found["densenet121 linked marker ratio"].n == PATIENTS // 3
    assert C8.judge(found) == "depends"


def test_c14_by_hand() -> None:
    found = measures.c14(marker_table())
    assert found["small_vgg_gap marker ratio, linked less balanced"].value == pytest.approx(7)
    assert found["small_vgg_gap images that tell"].value == 1
    assert found["small_vgg_gap finding energy, balanced less linked"].value == pytest.approx(0.1)
    assert C14.judge(found) == "confirmed"
    assert C14.judge(measures.c14(marker_table(follows_text=False))) == "not testable here"
