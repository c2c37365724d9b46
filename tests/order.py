"""Which tests run together and in which order: the longest first, so that no core idles at the end.

A file is one unit of work, because its tests share what they have built; the tests of `ALONE` share
nothing and are dealt out one by one. `durations.json` holds about how many seconds a test of a
second or more takes; the option `--store-durations` writes it anew. Such tests are marked slow.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

FILE = Path(__file__).with_name("durations.json")
SECONDS: dict[str, float] = json.loads(FILE.read_text())
SLOW = 1.0
ALONE = (
    "tests/chapters/test_chapters.py::test_a_rerun_gives_the_stored_text",
    "tests/chapters/test_chest_chapter_on_real_data.py",
    "tests/chapters/test_fundus_chapter_on_real_data.py",
    "tests/run/test_sweep.py::test_a_worker_killed",
    "tests/study/test_run_resuming.py::test_two_processes",
    "tests/test_repository.py::test_style_types",
)
MARKS = {
    "tests/browser/": "browser",
    "tests/chapters/test_chapters.py::test_a_rerun": "notebook",
    "tests/chapters/test_chest_chapter_on_real_data.py": "training",
    "tests/chapters/test_execution.py": "notebook",
    "tests/chapters/test_fundus_chapter_on_real_data.py": "training",
    "tests/run/test_real_data.py": "training",
}


def unit(nodeid: str) -> str:
    """What is given to a worker at once: a file, or a test that shares nothing with its file."""
    return nodeid if nodeid.startswith(ALONE) else nodeid.partition("::")[0]


def longest_first(nodeids: Iterable[str], seconds: dict[str, float]) -> list[str]:
    """The units, those that take longest first, equal ones as they came."""
    total: dict[str, float] = defaultdict(float)
    for nodeid in nodeids:
        total[unit(nodeid)] += seconds.get(nodeid, 0)
    return sorted(total, key=lambda name: -total[name])


class LongestFirst(LoadScopeScheduling):
    """xdist's scheduler, told which tests are one unit."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


class Durations:
    """Sums what each test took, with what it set up, and stores the long ones."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration

    def pytest_sessionfinish(self) -> None:
        long = {name: round(took, 1) for name, took in self.seconds.items() if took >= SLOW}
        FILE.write_text(json.dumps(dict(sorted(long.items())), indent=1) + "\n")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store-durations", action="store_true", help=f"write {FILE.name}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--store-durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Durations())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False  # the order is that of the collection
    return LongestFirst(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if SECONDS.get(item.nodeid, 0) >= SLOW:
            item.add_marker("slow")
        for start, mark in MARKS.items():
            if item.nodeid.startswith(start):
                item.add_marker(mark)
    if hasattr(config, "workerinput"):
        units = longest_first([item.nodeid for item in items], SECONDS)
        place = {name: i for i, name in enumerate(units)}
        items.sort(key=lambda item: place[unit(item.nodeid)])
