"""The readers on the real sets themselves, where `XAIHELPERS_REAL` names a folder that holds them.

Nothing of the pictures is kept: caches go to a temporary folder, and only counts are compared.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from xaihelpers.datasets import load
from xaihelpers.datasets.index import crossing, thumbnails
from xaihelpers.datasets.real import covid_3class, eyepacs
from xaihelpers.datasets.real.grades import is_referable
from xaihelpers.datasets.real.shortcuts import shortcuts
from xaihelpers.datasets.registry import REAL

ROOT = Path(os.environ.get("XAIHELPERS_REAL", "/nowhere"))
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not ROOT.is_dir(), reason="no XAIHELPERS_REAL")]


@pytest.mark.parametrize("name", ["eyepacs_part", "covid_3class"])
def test_every_published_image_is_read(name: str) -> None:
    data = load(name, "all", size=64, root=ROOT, cache=False)
    published = REAL[name].published(REAL[name].index(REAL[name].find(ROOT) or ROOT))
    assert dict(zip(data.classes, np.bincount(data.labels).tolist(), strict=True)) == published
    assert data.report == ""
    assert data[0].image.shape == (64, 64, 3)


def test_idrid_has_lesions_by_type() -> None:
    data = load("idrid", "all", size=224, root=ROOT, cache=False)
    for i in range(len(data)):
        masks = data[i].masks
        assert masks["microaneurysm"].any()
        assert 0.005 < masks["disc"].mean() < 0.1
        assert (masks["disc"] & masks["retina"]).sum() > 0.95 * masks["disc"].sum()


def test_lung_boxes_cover_the_share_of_the_picture_that_is_known() -> None:
    data = load("covid_lung_boxes", "all", size=96, root=ROOT, cache=False)
    assert len(data) == 609
    shares = [data[i].masks["lung_boxes"].mean() for i in range(0, len(data), 10)]
    assert 0.4 < float(np.median(shares)) < 0.7  # a median of 61 % before padding to squares
    apart = load("covid_lung_boxes", "all", root=ROOT, cache=False, apart_from="covid_3class")
    assert 500 < len(apart) < 600


def test_shortcuts_are_as_large_as_known() -> None:
    table = covid_3class.index(covid_3class.find(ROOT) or ROOT)
    assert crossing(table)["cluster"].nunique() >= 5
    border, _, whole = shortcuts(table, thumbnails(table), table["label"].tolist())
    assert border.balanced_accuracy > 0.75
    assert whole.balanced_accuracy == pytest.approx(0.93, abs=0.04)
    eyes = eyepacs.index(eyepacs.find(ROOT) or ROOT)
    whole = shortcuts(eyes, thumbnails(eyes), is_referable(eyes["label"]))[2]
    assert whole.balanced_accuracy == pytest.approx(0.55, abs=0.05)
