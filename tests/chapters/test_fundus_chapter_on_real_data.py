"""Chapter 14, from a messy folder in the layout of APTOS to the ledger's column of real images."""

from pathlib import Path

import pytest

from tests.cases.real_case import printed, shipped_home
from tests.datasets.layouts import cut, eye, write, write_aptos
from xaihelpers import files
from xaihelpers.experiments import LEDGER
from xaihelpers.run import cli

ARCHS = ("efficientnet_b0", "vgg19")
NEED_MASKS = ("C5", "C19")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_fundus_study_runs_whole_on_a_real_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both networks, one epoch each; a 16-bit image, a cut-off one, copies, a conflict."""
    root = tmp_path / "data"
    shipped_home(tmp_path / "home", monkeypatch, "fundus", *ARCHS)
    folder = write_aptos(root, per_grade=10)
    write(folder / "train_images" / "deep.png", eye(3, 777, 120), "rgb16")
    with (folder / "train.csv").open("a") as table:
        table.write("deep,3\n")
    cut(folder / "train_images" / "2e0000000002.png")
    assert cli.main(["reproduce", "--data-root", str(root), "--skip-bad", "--only", "14"]) == 0

    real = files.results_dir() / "real"
    text = printed(real / "chapters" / "14_aptos.ipynb")
    assert "1 truncated" in text
    assert "(real)" in text
    assert "size-only baseline: " in text
    settled = LEDGER.read(real)
    for name in NEED_MASKS:
        assert settled[f"{name}/real"].verdict == "not testable here"
    assert settled["C1/real"].verdict != "not testable here"
    assert {data["name"] for data in settled["C1/real"].record["data"]} == {"aptos"}
    assert {card["arch"] for card in settled["C1/real"].record["checkpoints"]} == set(ARCHS)
