"""Small setups: one network each, 64 px, a random start checkpoint, a home of their own."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.cases.claim_case import above, write_chapter
from xaihelpers import networks, processes
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.chapters.execution import Executed
from xaihelpers.claims import Claim
from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.datasets.rendered import fundus
from xaihelpers.errors import WeightsUnavailableError
from xaihelpers.experiments import CLAIMS
from xaihelpers.networks import Cycle, Recipe, checkpoints, classifiers
from xaihelpers.setups import SETUPS

ARCH = "efficientnet_b0"
TINY = Recipe((Cycle(1e-3, (64,)),), batch_size=8)


def offline(arch: str) -> None:
    raise WeightsUnavailableError(f"no route to the weights of {arch}")


def make_small(monkeypatch: pytest.MonkeyPatch, home: Path) -> Path:
    """Both setups with one EfficientNet-B0, its stand-in for the shipped weights under `home`."""
    monkeypatch.setenv("XAIHELPERS_HOME", str(home))
    monkeypatch.setattr(classifiers, "_imagenet", offline)
    torch.manual_seed(0)
    for name, classes in (("fundus", fundus.CLASSES), ("chest_xray", chest_xray.CLASSES)):
        monkeypatch.setitem(SETUPS, name, (ARCH,))
        monkeypatch.setitem(networks.SHIPPED, (name, ARCH), TINY)
        data = {"name": name, "origin": "rendered", "version": 0}
        card = {"arch": ARCH, "classes": list(classes), "data": data, "seed": 0}
        path = checkpoints.shipped_path(name, ARCH)
        checkpoints.save(networks.build(ARCH, len(classes)), path, card)
    return home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return make_small(monkeypatch, tmp_path / "home")


@pytest.fixture
def claim(monkeypatch: pytest.MonkeyPatch) -> Claim:
    """C1 with a rule simple enough to see through, in a folder of chapters of its own."""
    simple = replace(
        CLAIMS["C1"],
        rule=above,
        rule_text="above one half",
        measures=("share",),
        optional=("other",),
        chapter="01_one",
    )
    monkeypatch.setitem(CLAIMS, "C1", simple)
    return simple


@pytest.fixture
def notebooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_chapter(folder, "x = 1")
    monkeypatch.setattr(chapters, "notebooks_dir", lambda: folder)
    return folder


@pytest.fixture
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run in this process, where what a test has replaced is replaced."""
    monkeypatch.setattr(processes, "cores", lambda: 1)


@pytest.fixture
def fake(one_process: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, object]]]:
    """Replace the execution by a note of what would have been executed."""
    calls: list[tuple[str, dict[str, object]]] = []

    def note(chapter: Path, parameters: dict[str, object]) -> Executed:
        calls.append((chapter.stem, dict(parameters)))
        return Executed(chapters.read(chapter), "", 0.0)

    monkeypatch.setattr(runner, "execute", note)
    return calls
