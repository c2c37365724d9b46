"""The parts of the main job: what is trained, measured once, and written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.cases.runner_case import write_chapter
from xaihelpers import networks
from xaihelpers.chapters import runner
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import EvaluationError, RunnerError
from xaihelpers.processes import Job
from xaihelpers.run import main_job, train
from xaihelpers.setups import FINDINGS, SETUPS, Setup, checkpoint_path
from xaihelpers.show import setup_figures
from xaihelpers.study import rows

ARCH = "efficientnet_b0"
CLASSES = ("Normal", "Viral Pneumonia", "COVID")


def record(label: int) -> Record:
    rng = np.random.default_rng(label)
    return Record(rng.integers(0, 255, (64, 64, 3), dtype=np.uint8), label, {}, f"image{label}")


@pytest.fixture
def setup() -> Setup:
    """Radiographs without masks, one class of which is absent, and a random network."""
    torch.manual_seed(0)
    labels = (0, 2, 0)
    args = ("radiography", "real", CLASSES, "test", 64, 0, np.array(labels), labels, record, 1)
    data = {"name": "radiography", "origin": "real", "version": "abc"}
    card = {"arch": ARCH, "data": data, "seed": 0, "sha256": "f" * 64}
    model = networks.build(ARCH, 3).eval()
    return Setup("chest_xray", ARCH, Source(*args), model, card)  # type: ignore[arg-type]


def test_a_shipped_network_is_used_and_a_missing_one_trained(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(train, "train", lambda *given: asked.append(given))
    main_job.prepare("fundus", ARCH, 0, "", "quick", False)
    assert asked == []
    checkpoint_path("fundus", ARCH).unlink()
    main_job.prepare("fundus", ARCH, 0, "", "quick", False)
    assert asked == [("fundus", ARCH, 0, "", "quick", False)]
    assert "hours on a CPU" in capsys.readouterr().out


def test_pictures_are_drawn_without_masks_and_with_a_class_absent(setup: Setup) -> None:
    figure = setup_figures.maps_figure(setup, main_job.METHODS)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert [title.split("\n")[0] for title in titles] == ["Normal", "COVID"]
    assert len(setup_figures.contact_sheet(setup).axes) == 3


def test_a_kappa_or_baseline_that_is_not_there_is_a_dash(setup: Setup) -> None:
    scores = pd.DataFrame({"image": [0, 1], "label": [0, 0], "predicted": [0, 0]})
    row = main_job.network_row(setup, scores)
    assert (row["accuracy"], row["images"]) == ("1.000 [0.342, 1.000]", 2)
    assert row["quadratic kappa"] == row["colour-and-size baseline"] == "-"


def test_only_grades_have_a_weighted_kappa(setup: Setup) -> None:
    scores = pd.DataFrame({"image": [0, 1], "label": [0, 2], "predicted": [0, 2]})
    assert main_job.network_row(setup, scores)["quadratic kappa"] == "-"
    graded = replace(setup, data=replace(setup.data, name="aptos"))  # type: ignore[type-var]
    assert main_job.network_row(graded, scores)["quadratic kappa"] == 1.0


def test_scores_of_a_set_without_masks_are_measured_once(
    home: Path, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = main_job.map_scores(setup)
    assert set(first["method"]) == {*main_job.METHODS, *main_job.BASELINES}
    assert first["image"].nunique() == 3
    assert first["energy"].isna().all()
    assert main_job.network_row(setup, first)["images"] == 3
    monkeypatch.setattr(rows.Worker, "rows", lambda *_: pytest.fail("measured again"))
    pd.testing.assert_frame_equal(main_job.map_scores(setup), first)


def test_a_mask_that_the_set_lacks_is_said_where_it_has_others(home: Path, setup: Setup) -> None:
    def masked(label: int) -> Record:
        return replace(record(label), masks={"heart": np.ones((64, 64), bool)})

    data = setup.data
    assert isinstance(data, Source)
    with pytest.raises(EvaluationError, match="no mask.*lung.*heart"):
        main_job.map_scores(replace(setup, data=replace(data, make=masked)))


def test_a_chapter_that_is_not_there_is_said_before_any_work(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_job, "prepare", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(RunnerError, match="no chapter '77'"):
        main_job.run("quick", 0, "", ["77"])


def test_the_summary_says_what_its_figures_rest_on(tmp_path: Path) -> None:
    rows = pd.DataFrame(
        {"data": ["fundus"], "origin": ["rendered"], "checkpoint": ["0123456789ab"]}
    )
    maps = pd.DataFrame({"method": ["grad_cam"], "energy in mask": ["0.5 [0.4, 0.6]"]})
    main_job.write_summary(rows, maps, tmp_path)
    text = (tmp_path / "summary.md").read_text()
    assert "*rendered*" in text
    assert "*real*" not in text
    assert f"torch {torch.__version__.split('+')[0]}" in text
    assert "| fundus | rendered | 0123456789ab |" in text
    assert "| grad_cam | 0.5 [0.4, 0.6] |" in text
    assert pd.read_csv(tmp_path / "tables" / "networks.csv").equals(rows)


def test_networks_and_chapters_share_the_processes_and_one_failure_stops_no_other(
    home: Path, one_process: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_chapter(tmp_path / "chapters", "00_good", "print('ran')")
    write_chapter(tmp_path / "chapters", "01_bad", "1 / 0")
    planned = runner.plan(notebooks=tmp_path / "chapters")
    rows = {"data": "fundus", "network": ARCH, "accuracy": "0.9", "origin": "rendered"}
    maps = pd.DataFrame({"method": ["cam"]})
    measuring = {"fundus b0": Job(lambda: (rows, maps), main_job.SECONDS)}
    results = home / "results"
    assert main_job.deal(measuring, planned, results, "") == 1
    assert (results / "chapters" / "00_good.ipynb").exists()
    assert "| fundus | efficientnet_b0 |" in (results / "summary.md").read_text()
    printed = capsys.readouterr().out
    assert printed.startswith("fundus efficientnet_b0: accuracy 0.9\n")
    assert "01_bad failed" in printed


def test_a_network_that_cannot_be_measured_ends_the_run(home: Path, one_process: None) -> None:
    def fail() -> None:
        raise EvaluationError("no mask")

    with pytest.raises(EvaluationError, match="no mask"):
        main_job.deal({"a": Job(fail)}, runner.Run({}), home / "results", "")


def test_an_interrupted_measurement_is_no_success(home: Path, one_process: None) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        main_job.deal({"a": Job(stop)}, runner.Run({}), home / "results", "")


def test_every_network_of_a_setup_has_a_recipe_and_a_mask_to_measure_against() -> None:
    for name, archs in SETUPS.items():
        assert name in FINDINGS
        assert all((name, arch) in networks.SHIPPED for arch in archs)
