"""What a part of a table rests on is told apart, and what makes no difference is not."""

import importlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from xaihelpers.datasets.records import Record, Source
from xaihelpers.metrics import agreement, sanity
from xaihelpers.study import digests, run


def record(index: int) -> Record:
    image = np.full((8, 8, 3), index, dtype=np.uint8)
    return Record(image, index % 2, {"spot": image[..., 0] > 3}, str(index))


def brighter(index: int) -> Record:
    return replace(record(index), image=record(index).image + 1)


DATA = Source(
    *("toy", "rendered", ("a", "b"), "test", 8, 0, np.arange(6) % 2, range(6)),
    make=record,
    version=1,
)


def test_weights_tell_networks_apart() -> None:
    model = nn.Linear(3, 2)
    same = digests.weights_digest(model)
    assert digests.weights_digest(model.train()) == same
    assert digests.weights_digest(sanity.randomised(model, seed=7)) != same


def test_images_are_told_apart_by_name_pixels_labels_and_choice() -> None:
    whole = digests.data_digest(DATA, range(6))
    assert whole == digests.data_digest(DATA, list(range(6)))
    others = [
        digests.data_digest(replace(DATA, make=brighter), range(6)),
        digests.data_digest(replace(DATA, labels=np.zeros(6, int)), range(6)),
        digests.data_digest(replace(DATA, name="other"), range(6)),
        digests.data_digest(DATA, [0, 2]),
    ]
    assert len({whole, *others}) == 5


def test_sources_tell_code_apart() -> None:
    assert digests.code_digest([agreement]) != digests.code_digest([agreement, sanity])
    assert digests.code_digest([agreement]) != digests.code_digest([agreement], ("numpy",))
    assert digests.key({"a": 1, "b": 2}) == digests.key({"b": 2, "a": 1})
    assert digests.key({"a": 1, "b": 3}) != digests.key({"a": 1, "b": 2})


def test_every_source_file_of_a_package_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "made_here"
    (package / "inner").mkdir(parents=True)
    for name in ("__init__", "first", "inner/__init__", "inner/second"):
        (package / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = importlib.import_module("made_here")
    before = digests.code_digest([made])
    assert digests.code_digest([made]) == before
    (package / "inner" / "second.py").write_text("x = 1")
    changed = digests.code_digest([made])
    (package / "third.py").write_text("")
    assert len({before, changed, digests.code_digest([made])}) == 3


def test_a_study_rests_on_every_module_that_its_maps_pass_through() -> None:
    packages = {package.__name__ for package in run.PACKAGES}
    assert {f"xaihelpers.{name}" for name in ("cams", "networks", "metrics", "study")} <= packages
