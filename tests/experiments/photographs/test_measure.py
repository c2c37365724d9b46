"""The measurement over the sample: which pictures take part, what the tables say, resuming."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xaihelpers.cams import METHODS
from xaihelpers.datasets.real import imagenet_sample
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.photographs import measure as photographs
from xaihelpers.experiments.photographs.measure import Order, accuracy, confident
from xaihelpers.run import cli


def test_accuracy_by_hand() -> None:
    table = accuracy(np.array([0, 0, 4, 5])).set_index("score")
    assert table.loc["top-1 accuracy", "mean"] == 0.5
    assert table.loc["top-5 accuracy", "mean"] == 0.75
    assert (table["n"] == 4).all()
    assert (table["low"] < table["mean"]).all()
    assert (table["mean"] < table["high"]).all()


def test_the_surest_of_the_rightly_classified_take_part() -> None:
    probabilities = np.array([0.9, 0.99, 0.3, 0.8, 0.7])
    places = np.array([0, 1, 0, 0, 0])  # the second is wrong however sure
    assert confident(probabilities, places, 3).tolist() == [0, 3, 4]


def test_too_few_right_ones_are_refused() -> None:
    with pytest.raises(EvaluationError, match="only 1 are classified rightly"):
        confident(np.ones(2), np.array([0, 1]), 2)


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Six made-up pictures; the network is taken to be right about each of them."""
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(0)
    for wnid in list(imagenet_sample.class_indices())[:6]:
        pixels = rng.integers(0, 256, (80, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{wnid}_made_up.JPEG")
    sure = np.linspace(0.5, 1.0, 6), np.zeros(6, np.int64)
    monkeypatch.setattr(photographs, "ranks", lambda *_: sure)
    return tmp_path


SMALL = Order(grids=1, size=64, roles=("last", "stage5"))


def test_the_tables_hold_every_method_at_every_layer_and_what_they_rest_on(sample: Path) -> None:
    tables = photographs.measured_tables(sample, SMALL)
    game = tables["photographs_grid_pointing"]
    assert len(game) == 2 * len(photographs.METHODS)
    assert set(game["layer"]) == {"bn2", "blocks.6"}
    assert set(zip(game["layer"], game["signed"], strict=True)) == {
        ("bn2", False),
        ("blocks.6", True),
    }
    assert (game["chance"] == 0.25).all()
    assert game["least_probability"].iloc[0] == pytest.approx(0.7)  # the surest four of six
    scored = game["mean"].dropna()
    assert scored.between(0, 1).all()
    for table in tables.values():
        assert (table["data"] == "imagenet_sample").all()
        assert table["checkpoint"].iloc[0] == "579344248a93"
        assert "timm" in table["versions"].iloc[0]


def test_at_the_pooled_layer_three_methods_are_one(sample: Path) -> None:
    game = photographs.measured_tables(sample, SMALL)["photographs_grid_pointing"]
    last = game[game["layer"] == "bn2"].set_index("method")["mean"]
    assert last["hires_cam"] == pytest.approx(last["grad_cam"], abs=1e-5)
    assert last["xgrad_cam"] == pytest.approx(last["grad_cam"], abs=1e-5)


def test_a_second_run_reads_what_the_first_one_kept(
    sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = photographs.measured_tables(sample, SMALL)
    monkeypatch.setattr("xaihelpers.study.grid_game.explain_layers", None)
    second = photographs.measured_tables(sample, SMALL)
    for name, table in first.items():
        pd.testing.assert_frame_equal(second[name], table)


def test_tables_and_chart_are_written_and_no_photograph(sample: Path) -> None:
    paths = photographs.write(photographs.measured_tables(sample, SMALL))
    home = sample / "home" / "results"
    assert sorted(path.relative_to(home).as_posix() for path in paths) == [
        "figures/photographs_grid_pointing.png",
        "tables/photographs_accuracy.csv",
        "tables/photographs_grid_pointing.csv",
    ]
    assert sorted(p for p in home.rglob("*.*")) == sorted(paths)


def test_another_order_is_printed_and_not_written(
    sample: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(photographs, "METHODS", {"grad_cam": METHODS["grad_cam"]})
    words = ["--data-root", str(sample), "--grids", "1", "--size", "64"]
    assert cli.main(["measure", "photographs", *words]) == 0
    assert "not written" in capsys.readouterr().out
    assert not (sample / "home" / "results").exists()


def test_a_folder_without_photographs_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["measure", "photographs", "--data-root", str(tmp_path)]) == 2
    assert "no photographs named <wnid>_<name>.JPEG" in capsys.readouterr().err
