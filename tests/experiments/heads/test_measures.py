"""Measures of the heads, by hand."""

from math import isnan

import pandas as pd
import pytest

from xaihelpers.experiments.heads import measures
from xaihelpers.experiments.heads.claims import C18


def test_c18_averages_seeds_and_compares_image_by_image() -> None:
    rows = [("gap_linear", "1100"), ("gap_linear", "1000"), ("fully_connected", "1110")]
    heads = pd.DataFrame(rows, columns=["head", "hits"]).assign(setting="frozen")
    found = measures.c18(heads)
    # image by image: 0, 0.5, 1, 0
    assert found["frozen: fully connected minus gap linear"].value == pytest.approx(1.5 / 4)
    assert found["frozen: fully connected minus gap linear"].n == 4


def test_without_a_table_of_heads_the_claim_is_not_testable_here() -> None:
    found = measures.c18(pd.DataFrame())
    assert all(isnan(m.value) for m in found.values())
    assert C18.judge(found) == "not testable here"
