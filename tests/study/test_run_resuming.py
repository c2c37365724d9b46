"""A study over a whole set: its rows, its parts on disk, its resumption, and several processes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator
from torch import nn

from xaihelpers import study
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import EvaluationError
from xaihelpers.study.rows import Worker

SIDE = 32
SCORES = ("energy", "hit", "pearson", "deletion", "road", "drop")
PLAN = study.Plan(("grad_cam", "layer_cam"), SCORES, ("spot",), batch_size=2)
PROCESS = Path(__file__).with_name("study_process.py")


def record(index: int) -> Record:
    image = np.random.default_rng(index).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    spot = np.zeros((SIDE, SIDE), bool)
    spot[4:12, 4:12] = index % 3 > 0  # every third image shows no finding
    return Record(image, index % 3, {"spot": spot}, f"image{index}")


def data(count: int = 7) -> Source:
    return Source(
        name="toy",
        origin="rendered",
        classes=("a", "b", "c"),
        split="test",
        size=SIDE,
        seed=0,
        labels=np.arange(count) % 3,
        items=range(count),
        make=record,
        version=1,
    )


def subject(seed: int = 0) -> study.Subject:
    torch.manual_seed(seed)
    model = nn.Sequential(
        *(nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.Conv2d(6, 8, 3, 2, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)),
    )
    return study.Subject("tiny", model.eval(), {"early": "2", "last": "4"})


def run(folder: Path, plan: study.Plan = PLAN, **options: object) -> pd.DataFrame:
    return study.run_study([subject()], data(), plan, folder, progress=False, **options)  # type: ignore[arg-type]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The batches that are really computed, as they come."""
    done: list[list[int]] = []
    compute = Worker.rows

    def rows(self: Worker, indices: list[int]) -> pd.DataFrame:
        done.append(list(indices))
        return compute(self, indices)

    monkeypatch.setattr(Worker, "rows", rows)
    return done


def test_every_image_has_a_row_per_layer_and_map(tmp_path: Path) -> None:
    table = run(tmp_path)
    assert set(table["method"]) == {*PLAN.methods, *study.PRIORS}
    assert len(table) == 7 * 2 * (2 + 5)
    assert not table.duplicated(["network", "image", "layer", "method"]).any()
    assert set(SCORES) <= set(table.columns)


def test_scores_are_missing_where_there_is_nothing_to_measure(tmp_path: Path) -> None:
    table = run(tmp_path).set_index("method")
    without = table["area"] == 0
    assert table.loc[without, ["energy", "hit"]].isna().all(axis=None)
    assert table.loc[~without, "energy"].notna().all()
    assert table.loc["uniform", ["hit", "pearson", "deletion", "road"]].isna().all(axis=None)
    assert table.loc["uniform", "drop"].tolist() == pytest.approx([0] * 14)
    assert (table.loc["grad_cam", "pearson"].dropna() > 0.999).all()


def test_no_map_of_a_grid_beats_the_best_possible_one(tmp_path: Path) -> None:
    table = run(tmp_path).dropna(subset=["energy"])
    wide = table.pivot(index=["image", "layer"], columns="method", values="energy")
    assert (wide["grad_cam"] <= wide["best_possible"] + 0.02).all()
    assert (wide["layer_cam"] <= wide["best_possible"] + 0.02).all()


def test_a_second_run_reads_what_is_there(tmp_path: Path, counted: list[list[int]]) -> None:
    first = run(tmp_path)
    assert counted == [[0, 1], [2, 3], [4, 5], [6]]
    again = run(tmp_path)
    assert len(counted) == 4
    pd.testing.assert_frame_equal(first, again)


def test_ctrl_c_keeps_what_is_finished(
    tmp_path: Path, counted: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Worker.rows

    def interrupted(self: Worker, indices: list[int]) -> pd.DataFrame:
        if indices[0] == 4:
            raise KeyboardInterrupt
        return compute(self, indices)

    monkeypatch.setattr(Worker, "rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert len(list(tmp_path.rglob("*.parquet"))) == 2
    assert list(tmp_path.rglob(".*")) == []
    monkeypatch.setattr(Worker, "rows", compute)
    table = run(tmp_path)
    assert counted == [[0, 1], [2, 3], [4, 5], [6]]
    assert table["image"].nunique() == 7


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"scores": ("energy",)}, {"methods": ("grad_cam",)}, {"masks": ()}]
)
def test_another_plan_is_another_table(
    tmp_path: Path, counted: list[list[int]], change: dict[str, object]
) -> None:
    run(tmp_path)
    options = {"methods": PLAN.methods, "scores": SCORES, "masks": PLAN.masks} | change
    run(tmp_path, study.Plan(batch_size=2, **options))  # type: ignore[arg-type]
    assert len(counted) == 8


def test_other_weights_are_another_table(tmp_path: Path, counted: list[list[int]]) -> None:
    run(tmp_path)
    study.run_study([subject(seed=1)], data(), PLAN, tmp_path, progress=False)
    assert len(counted) == 8


def test_a_subset_has_the_values_of_the_whole(tmp_path: Path) -> None:
    whole = run(tmp_path).query("image in (1, 4)")
    part = run(tmp_path, indices=[1, 4])
    fixed = ~part["method"].isin(["random_weights"])  # its batch norms saw other images
    values = ["image", "layer", "method", *SCORES]
    pd.testing.assert_frame_equal(
        part.loc[fixed, values].reset_index(drop=True),
        whole.loc[whole["method"] != "random_weights", values].reset_index(drop=True),
        atol=1e-5,
    )


def test_the_network_is_left_as_it_was(tmp_path: Path) -> None:
    one = subject()
    one.model.train()
    before = {name: tensor.clone() for name, tensor in one.model.state_dict().items()}
    study.run_study([one], data(), PLAN, tmp_path, progress=False)
    after = one.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert one.model.training


def test_a_stopped_study_gives_the_network_back_to_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, places = subject(), []

    def stopped(self: Worker, indices: list[int]) -> pd.DataFrame:
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "rows", stopped)
    monkeypatch.setattr(one.model, "to", lambda device: places.append(device))
    accelerator = Accelerator()
    monkeypatch.setattr(type(accelerator), "device", torch.device("cpu", 0))
    with pytest.raises(KeyboardInterrupt):
        study.run_study([one], data(), PLAN, tmp_path, accelerator=accelerator, progress=False)
    assert places == [torch.device("cpu", 0), torch.device("cpu")]


def test_data_without_masks_keep_what_needs_none(tmp_path: Path) -> None:
    table = run(tmp_path, study.Plan(("grad_cam",), ("energy", "drop"), batch_size=4))
    assert table["energy"].isna().all()
    assert table.loc[table["method"] == "grad_cam", "drop"].notna().all()


def test_unknown_names_and_empty_work_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="no score 'enery'"):
        study.Plan(("grad_cam",), ("enery",))
    with pytest.raises(EvaluationError, match="no prior map 'edge'"):
        study.Plan(("grad_cam",), priors=("edge",))
    with pytest.raises(EvaluationError, match="at least one network"):
        study.run_study([], data(), PLAN, tmp_path)
    with pytest.raises(EvaluationError, match="no mask"):
        run(tmp_path, study.Plan(("grad_cam",), masks=("lesion",)))


@pytest.mark.slow
def test_two_processes_give_the_table_of_one_bit_for_bit(tmp_path: Path) -> None:
    tables = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc_per_node", str(processes), str(PROCESS), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert f"processes {processes}" in done.stdout
        tables += [pd.read_parquet(path) for path in sorted(folder.glob("table*.parquet"))]
    one, *both = tables
    assert len(both) == 2
    for table in both:
        pd.testing.assert_frame_equal(one, table, check_exact=True)


def test_a_network_of_one_logit_is_scored_by_its_sigmoid(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    one = study.Subject("one", nn.Sequential(*layers, nn.Linear(6, 1)).eval(), {"last": "1"})
    plan = study.Plan(("grad_cam",), ("deletion", "drop"), batch_size=4)
    table = study.run_study([one], data(), plan, tmp_path, progress=False)
    assert table["confidence"].between(0.01, 0.99).all()
    ours = table[table["method"] == "grad_cam"]
    assert (ours["deletion"].dropna() < 0.999).all()
