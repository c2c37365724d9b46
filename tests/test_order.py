"""The longest tests start first, files stay together, and what shares nothing is dealt out."""

import json
import shutil
from pathlib import Path

import pytest

from tests import order

CHAPTER = f"{order.ALONE[0]}_and_the_solutions_pass[04_cam]"


def test_a_file_is_one_unit_and_a_test_that_shares_nothing_is_another() -> None:
    assert order.unit("tests/cams/test_maps.py::test_a[1-2]") == "tests/cams/test_maps.py"
    assert order.unit(CHAPTER) == CHAPTER
    assert (
        order.unit("tests/chapters/test_chapters.py::test_b") == "tests/chapters/test_chapters.py"
    )


def test_units_come_longest_first_and_unknown_ones_as_they_came() -> None:
    tests = ["a.py::one", "b.py::one", "c.py::one", "b.py::two", "d.py::one", CHAPTER]
    seconds = {"b.py::one": 2.0, "b.py::two": 3.0, CHAPTER: 30.0, "c.py::one": 4.0}
    expected = [CHAPTER, "b.py", "c.py", "a.py", "d.py"]
    assert order.longest_first(tests, seconds) == expected


def test_what_is_named_as_sharing_nothing_exists() -> None:
    for start in [*order.ALONE, *order.MARKS]:
        path, _, name = start.partition("::")
        place = Path(__file__).parents[1] / path
        assert place.exists(), start
        assert f"\ndef {name}" in (place.read_text() if name else "\ndef "), start


def test_two_workers_run_every_test_once_and_long_ones_are_left_out_of_the_check(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    (pytester.path / "tests").mkdir()
    shutil.copy(order.__file__, pytester.path / "tests")
    hints = {"tests/test_b.py::test_long": 9.0}
    (pytester.path / "tests" / "durations.json").write_text(json.dumps(hints))
    (pytester.path / "tests" / "conftest.py").write_text('pytest_plugins = ("tests.order",)')
    for name in "ab":
        test = f"def test_long(): pass\ndef test_{name}(): pass\n"
        (pytester.path / "tests" / f"test_{name}.py").write_text(test)
    pytester.makepyprojecttoml(
        '[tool.pytest.ini_options]\npythonpath = ["."]\ntestpaths = ["tests"]\n'
        'addopts = "--import-mode=importlib -p no:cacheprovider"\n'
        'markers = ["slow: x", "browser: x", "notebook: x"]'
    )
    options = ["-p", "xdist", "-n", "2", "--dist", "loadfile"]
    pytester.runpytest_subprocess(*options, "-m", "not slow").assert_outcomes(passed=3)
    pytester.runpytest_subprocess(*options, "--store-durations").assert_outcomes(passed=4)
    assert json.loads((pytester.path / "tests" / "durations.json").read_text()) == {}
