"""Chapter 15, from a messy folder in the real layout to the ledger's column of real images."""

import itertools
from pathlib import Path

import pandas as pd
import pytest

from tests.cases.real_case import printed, shipped_home
from tests.datasets.layouts import cut, write_radiography
from xaihelpers import files
from xaihelpers import setups as studies
from xaihelpers.experiments import LEDGER
from xaihelpers.networks import checkpoints
from xaihelpers.run import cli

RSNA = "https://www.kaggle.com/c/rsna-pneumonia-detection-challenge/data"
CHILDREN = "https://www.kaggle.com/paultimothymooney/chest-xray-pneumonia"
COLLECTIONS = {  # first letters of a workbook, and where the images of its class come from
    "N": (RSNA, CHILDREN),
    "L": (RSNA,),
    "V": (CHILDREN,),
    "C": ("https://sirm.org/category/covid-19/", "https://www.eurorad.org/case/17425"),
}


def name_sources(folder: Path) -> None:
    """Write the collections that the published workbooks name into those of `folder`."""
    for path in folder.glob("*.xlsx"):
        table = pd.read_excel(path)
        addresses = itertools.cycle(COLLECTIONS[path.name[0]])
        table["URL"] = list(itertools.islice(addresses, len(table)))
        table.to_excel(path, index=False)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("release", ["first", "2021"])
def test_the_chest_study_runs_whole_on_a_real_layout(
    release: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a messy folder over one epoch of training to the ledger's column of real images."""
    root = tmp_path / "data"
    shipped_home(tmp_path / "home", monkeypatch, "chest_xray", "densenet121")
    folder = write_radiography(root, release, per_class=10)
    name_sources(folder)
    pictures = sorted(folder.rglob("Viral*[0-9)].png"))
    pictures = [path for path in pictures if path.parent.name != "masks"]
    cut(pictures[0])
    pictures[1].write_bytes(pictures[2].read_bytes())  # a patient twice
    assert cli.main(["reproduce", "--data-root", str(root), "--skip-bad", "--only", "15"]) == 0

    real = files.results_dir() / "real"
    text = printed(real / "chapters" / "15_chest_xray.ipynb")
    assert "1 truncated" in text
    assert "radiography, real" in text
    if release == "2021":
        assert "kaggle.com/c/rsna-pneumonia-detection-challenge" in text
        assert "Normal / Lung Opacity" in text
        assert "all but lungs" in text
    else:
        assert "this release has no lung masks" in text
    card = checkpoints.read_card(studies.checkpoint_path("chest_xray", "densenet121", str(root)))
    settled = LEDGER.read(real)["C7/real"]
    assert settled.verdict != "not testable here"
    assert settled.measures["accuracy_by_source_alone"].known
    assert settled.record["checkpoints"][0]["sha256"] == card["sha256"]
    assert settled.record["data"][0]["version"] == card["data"]["version"]
    ledger = (files.results_dir() / "claims.md").read_text()
    row = next(line for line in ledger.splitlines() if line.startswith("| [**C7**]"))
    rendered, on_real = row.split(" | ")[1:3]
    assert rendered == "not yet settled"
    assert on_real.startswith(f"**{settled.in_words}**: accuracy")
    assert "(radiography)" in on_real
