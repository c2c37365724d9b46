"""One workbench and one explorer per module: opening a network takes seconds."""

import pytest

from tests.show.explorer.explorer_case import NETWORK
from xaihelpers.show.explorer.widget import Explorer
from xaihelpers.show.explorer.workbench import View, Workbench


@pytest.fixture(scope="module")
def bench() -> Workbench:
    bench = Workbench()
    bench.gallery(NETWORK)
    return bench


@pytest.fixture(scope="module")
def shared() -> Explorer:
    return Explorer()


@pytest.fixture
def explorer(shared: Explorer) -> Explorer:
    """The one explorer as it opens."""
    start = View("", "")
    chosen = {name: getattr(start, name) for name in ("layer", "methods", "kind", "box", "cmap")}
    shared.look(network=NETWORK, image="fundus:1", opacity=0.6, fraction=0.15, **chosen)
    return shared


@pytest.fixture
def view() -> View:
    return View(NETWORK, "fundus:3", first=3, other=1)
