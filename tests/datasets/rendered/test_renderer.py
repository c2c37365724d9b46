"""One protocol for the three rendered sets."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

from xaihelpers.datasets import DataError
from xaihelpers.datasets.registry import RENDERED
from xaihelpers.datasets.rendered import Renderer

SETS = pytest.mark.parametrize("name", RENDERED)


@SETS
def test_every_set_says_what_it_draws(name: str) -> None:
    renderer = RENDERED[name]
    members = {name for name in vars(Renderer) if not name.startswith("_")}
    assert {"render", "VERSION"} <= members <= set(dir(renderer))
    assert renderer.COUNTS.keys() == {"train", "val", "test"}
    record = renderer.render("test", 5, size=64)
    assert tuple(sorted(record.masks)) == tuple(sorted(renderer.MASKS))
    assert record.label == 5 % len(renderer.CLASSES)
    assert renderer.render("test", 5).image.shape == (renderer.SIZE, renderer.SIZE, 3)


@SETS
def test_all_but_split_and_index_is_given_by_keyword(name: str) -> None:
    parameters = list(inspect.signature(RENDERED[name].render).parameters.values())
    assert [p.name for p in parameters[:5]] == ["split", "index", "seed", "size", "label"]
    assert {p.kind for p in parameters[2:]} == {inspect.Parameter.KEYWORD_ONLY}


@SETS
def test_a_label_asked_for_is_drawn(name: str) -> None:
    renderer = RENDERED[name]
    last = len(renderer.CLASSES) - 1
    record = renderer.render("val", 0, size=64, label=last)
    assert record.label == last
    np.testing.assert_array_equal(
        renderer.render("val", last, size=64, label=last).image,
        renderer.render("val", last, size=64).image,
    )


@SETS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "dev"}, "unknown split 'dev': use one of train, val, test"),
        ({"index": -1}, "got index=-1"),
        ({"seed": -2}, "seed=-2"),
        ({"size": 63}, "size 63 is out of range: use 64 to 512"),
        ({"size": 513}, "size 513 is out of range"),
        ({"label": 8}, "unknown label 8: use one of 0"),
        ({"label": -1}, "unknown label -1"),
    ],
)
def test_arguments_out_of_range_are_refused(
    name: str, change: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        RENDERED[name].render(**({"split": "test", "index": 0} | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("package", ["fundus", "chest", "scenes"])
def test_a_set_imported_alone_has_every_attribute(package: str) -> None:
    code = (
        f"import xaihelpers.datasets.rendered.{package} as drawn;"
        "print(all(hasattr(drawn, name) for name in drawn.__all__), drawn.VERSION)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[0] == "True"
    assert int(run.stdout.split()[1]) >= 1
