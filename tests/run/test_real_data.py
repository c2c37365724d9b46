"""The main job, end to end, on a messy folder in the layouts of the real sets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cases.small_setups import ARCH, make_small
from tests.datasets.layouts import cut, eye, write, write_aptos, write_radiography
from xaihelpers import networks, processes, setups
from xaihelpers.chapters import runner
from xaihelpers.networks import checkpoints
from xaihelpers.run import cli


class Run:
    """Where a run was made, what it returned and which chapters it asked for."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home = str(root), home
        self.real = home / "results" / "real"
        self.chapters: list[dict[str, Any]] = []

    def again(self, *options: str) -> int:
        return cli.main(["reproduce", "--data-root", self.root, *options])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A run over both sets with a 16-bit image, duplicates, a conflict and a cut-off file."""
    folder = tmp_path_factory.mktemp("real")
    root = folder / "data"
    aptos = write_aptos(root)
    write(aptos / "train_images" / "deep.png", eye(3, 777, 120), "rgb16")
    with (aptos / "train.csv").open("a") as table:
        table.write("deep,3\n")
    cut(aptos / "train_images" / "2e0000000002.png")
    write_radiography(root, "first")
    with pytest.MonkeyPatch.context() as monkeypatch:
        run = Run(root, make_small(monkeypatch, folder / "home"))
        monkeypatch.setattr(processes, "cores", lambda: 1)

        def plan(**given: Any) -> runner.Run:
            run.chapters.append(given)
            return runner.Run({})

        monkeypatch.setattr(runner, "plan", plan)
        assert run.again("--skip-bad", "--only", "00") == 0
        yield run


def test_a_bad_file_stops_the_run_with_its_name(
    done: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert done.again() == 2
    error = capsys.readouterr().err
    assert "2e0000000002.png: truncated" in error
    assert "Traceback" not in error


def test_everything_lands_below_results_real(done: Run) -> None:
    found = {path.relative_to(done.real).as_posix() for path in done.real.rglob("*.*")}
    for name in ("aptos", "radiography"):
        assert {
            f"checkpoints/{name}_{ARCH}.json",
            f"checkpoints/{name}_{ARCH}.safetensors",
            f"figures/{name}_{ARCH}_maps.png",
            f"figures/{name}_sheet.png",
            f"tables/{name}_{ARCH}_maps.csv",
        } <= found
    others = {path.name for path in (done.home / "results").iterdir()}
    assert others == {"checkpoints", "real"}


def test_the_summary_names_origin_seed_and_checkpoint(done: Run) -> None:
    text = (done.real / "summary.md").read_text()
    assert "Measured on *real* images" in text
    assert "3 of 29 images left out: 2 conflict, 1 truncated" in text
    assert "rendered" not in text.split("## Networks")[1]
    for name in setups.REAL:
        card = checkpoints.read_card(setups.checkpoint_path(name, ARCH, done.root))
        assert card["sha256"][:12] in text
        assert card["data"]["version"] in text
    assert "| radiography | efficientnet_b0 | grad_cam | 0 | - | - |" in text  # no masks
    assert "| aptos | efficientnet_b0 | grad_cam | 5 |" in text


def test_a_network_is_one_epoch_from_the_shipped_one(done: Run) -> None:
    shipped, _ = checkpoints.load_shipped("fundus", ARCH)
    path = setups.checkpoint_path("fundus", ARCH, done.root)
    tuned, card = checkpoints.load(path, classes=card_classes("fundus"))
    assert len(card["history"]) == 1
    assert card["start"].startswith("fundus_efficientnet_b0.safetensors")
    assert card["skip_bad"]
    before, after = (dict(m.named_parameters())["classifier.1.weight"] for m in (shipped, tuned))
    assert 0 < (before - after).abs().max() < 0.05


def card_classes(name: str) -> list[str]:
    return checkpoints.read_card(checkpoints.shipped_path(name, ARCH))["classes"]


def test_a_second_run_trains_and_measures_nothing(
    done: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (done.real / "summary.md").read_text()
    monkeypatch.setattr(networks, "train_shipped", lambda *_, **__: pytest.fail("trained again"))
    assert done.again("--skip-bad") == 0
    assert (done.real / "summary.md").read_text() == before
    assert done.chapters[0]["only"] == ["00"]
    assert done.chapters[-1] == {
        "profile": "quick",
        "seed": 0,
        "data_root": done.root,
        "only": None,
    }


def test_chapters_open_what_the_run_has_left(done: Run) -> None:
    setup = setups.open_setup("fundus", ARCH, done.root, limit=3)
    assert (setup.data.name, setup.data.origin, len(setup.data)) == ("aptos", "real", 3)
    assert "1 truncated" in setup.data.report
