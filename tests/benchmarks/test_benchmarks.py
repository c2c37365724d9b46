"""The benchmark times every contestant beside the floor, judges goals and writes its tables."""

import mmap
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import benchmarks.__main__
from benchmarks import memory, tricks
from benchmarks.__main__ import check_guided, main
from benchmarks.contestants import Setting, everything, guided
from benchmarks.goals import GOALS, STOCK, judged
from benchmarks.picture import picture
from benchmarks.timing import ratios

# grad-cam and TorchCAM warn of things they do themselves, which is not ours to mend
peers_may_warn = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def setting() -> Setting:
    return Setting.make("resnet50", 1, 64)


def times(**figures: float) -> pd.DataFrame:
    """A table of times: contestant -> ratio, on one network."""
    rows = [
        {"network": "resnet50", "batch": 8, "contestant": name.replace("_", " "), "ratio": ratio}
        for name, ratio in figures.items()
    ]
    return pd.DataFrame(rows)


def test_every_contestant_is_timed_against_the_bare_forward_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(benchmarks.__main__, "NETWORKS", ["efficientnet_b0"])
    monkeypatch.setattr(benchmarks.__main__, "ROUNDS", {1: 3})
    monkeypatch.setattr(benchmarks.__main__, "SIZE", 64)
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    main()
    table = pd.read_csv(tmp_path / "results" / "tables" / "benchmark.csv")
    sides = {"ours", "grad-cam", "torchcam", "captum"}
    assert set(table["contestant"].str.split(",").str[0]) == sides
    assert (table["floor"] == STOCK).all()
    assert (table["ratio"] > 0.2).all()
    assert "met" in pd.read_csv(tmp_path / "results" / "tables" / "benchmark_goals.csv")
    assert (tmp_path / "results" / "figures" / "benchmark.png").stat().st_size > 5000


def test_a_smaller_run_does_not_overwrite_the_shipped_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    rows = times(**{"ours, three methods": 1.2, "grad-cam, three methods": 12.0})
    measured = rows.assign(floor=STOCK).to_dict("records")
    monkeypatch.setattr(benchmarks.__main__, "measured", lambda *_: measured)
    words = ["--networks", "resnet50", "--batches", "8"]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    main()
    assert "no file is written" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_every_goal_names_contestants_that_exist(setting: Setting) -> None:
    known = set(everything(setting))
    large = set(everything(Setting.make("resnet50", 9, 64)))
    for goal in GOALS:
        wanted = {goal.contestant} | ({goal.versus} if goal.versus else set())
        assert wanted <= (large if goal.batches == (32,) else known)


def test_a_goal_is_a_quotient_of_two_ratios_to_the_same_floor() -> None:
    rows = judged(
        pd.concat(
            [
                times(**{"ours, three methods": 1.2, "grad-cam, three methods": 12.0}),
                times(**{"ours, guided": 2.0, "captum, guided": 2.5}),
            ]
        )
    ).set_index("goal")
    assert rows.loc["ours, three methods", "figure"] == pytest.approx(10)
    assert rows.loc["ours, three methods", "met"]
    assert rows.loc["ours, guided", "figure"] == pytest.approx(0.8)
    assert not rows.loc["ours, guided", "met"]


def test_a_contestant_that_takes_twice_the_work_has_a_ratio_of_about_two() -> None:
    values = torch.randn(600, 600)

    def work(times: int) -> None:
        for _ in range(times * 6):
            values @ values

    jobs = {"twice": lambda: work(2), "same": lambda: work(1)}
    found, base = ratios(lambda: work(1), jobs, rounds=5, limit=60)
    assert sorted(found["twice"])[2] / sorted(found["same"])[2] == pytest.approx(2, rel=0.5)
    assert len(found["same"]) == 5
    assert base > 0


@peers_may_warn
def test_guided_grad_cam_differs_from_captums_in_no_bit(setting: Setting) -> None:
    check_guided(setting)
    assert guided(Setting.make("efficientnet_b0", 1, 64)) == {}


@pytest.mark.skipif(not memory.RESET.exists(), reason="needs Linux")
def test_memory_is_what_one_call_adds(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []

    def fill(mebibytes: int) -> mmap.mmap:
        block = mmap.mmap(-1, mebibytes * 2**20)  # from the system: an allocator reuses what it has
        np.frombuffer(block, np.uint8)[:] = 1
        return block

    def job(name: str, made: Setting) -> object:
        size = 64 if len(made.images) == 4 else 1
        return lambda: kept.append(fill(size))

    monkeypatch.setattr(memory, "job", job)
    assert memory.extra("resnet50", 4, "any", 32) == pytest.approx(64, abs=6)


def test_the_picture_says_where_a_network_has_no_contestant(setting: Setting) -> None:
    table = times(**{"ours, guided": 2.0, "ours, one method": 1.0})
    other = times(**{"ours, one method": 1.0}).assign(network="efficientnet_b0")
    figure = picture(pd.concat([table, other]), 8)
    words = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert words.count("has no ReLU") == 1


def test_a_trick_s_figure_is_the_median_quotient_of_neighbouring_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def with_trick() -> str:
        return "with"

    def without() -> str:
        return "without"

    order: list[str] = []

    def taken(job: tricks.Job) -> float:
        order.append(str(job()))
        return 1.0 if order[-1] == "with" else 4.0

    monkeypatch.setattr(tricks, "seconds", taken)
    assert tricks.alternated(with_trick, without, 2) == 0.25
    assert order == ["without", "with", "with", "without"]


def test_every_trick_is_timed_with_and_without(setting: Setting) -> None:
    found = tricks.times(setting, 1)
    assert len(found) == 4
    assert all(ratio > 0 for ratio in found.values())
