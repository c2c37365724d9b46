"""One workbench and one explorer per module: opening a network takes seconds."""

import pytest

from tests.show.explorer.explorer_case import NETWORK
from xaihelpers.show.explorer.entries import find_entries
from xaihelpers.show.explorer.widget import Explorer
from xaihelpers.show.explorer.workbench import Selection, Workbench


@pytest.fixture(scope="module")
def bench() -> Workbench:
    bench = Workbench(find_entries())
    bench.gallery(NETWORK)
    return bench


@pytest.fixture(scope="module")
def shared() -> Explorer:
    return Explorer()


@pytest.fixture
def explorer(shared: Explorer) -> Explorer:
    """The one explorer as it opens."""
    start = Selection("", "")
    chosen = {name: getattr(start, name) for name in ("layer", "methods", "kind", "box", "cmap")}
    shared.select(network=NETWORK, image="fundus:1", opacity=0.6, fraction=0.15, **chosen)
    return shared


@pytest.fixture
def selection() -> Selection:
    return Selection(NETWORK, "fundus:3", first=3, other=1)
