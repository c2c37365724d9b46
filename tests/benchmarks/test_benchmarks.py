"""The benchmark runs every contestant and writes its table and picture."""

import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.__main__ import main


# grad-cam and TorchCAM warn of things they do themselves, which is not ours to mend
@pytest.mark.filterwarnings("ignore")
def test_every_contestant_is_timed_against_the_bare_forward_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    words = ["--networks", "efficientnet_b0", "--batches", "1", "--rounds", "1", "--size", "64"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    main()
    table = pd.read_csv(tmp_path / "results" / "tables" / "benchmark.csv")
    assert set(table["contestant"].str.split(",").str[0]) == {
        "ours",
        "grad-cam",
        "torchcam",
        "captum",
    }
    assert (table["ratio to a forward pass"] > 0.5).all()
    assert (tmp_path / "results" / "figures" / "benchmark.png").stat().st_size > 5000
