"""A sweep: the grid, the folders, and that a worker that dies loses nothing."""

import os
import signal
import threading
import time
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from distributed import LocalCluster
from nbformat.v4 import new_code_cell, new_notebook

from xaihelpers.chapters import files as chapters
from xaihelpers.errors import RunnerError
from xaihelpers.processes import Job
from xaihelpers.run import sweep
from xaihelpers.run.cli import main

PARAMETERS = (
    'PROFILE = "quick"\nSEED = 0\nDATA_ROOT = ""\nNETWORK = "vgg19"\nRESULTS = "../results"'
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(chapters, "environment_digest", lambda: "as it is")
    return tmp_path


def write_chapter(folder: Path, *sources: str) -> Path:
    cells = [new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in sources]
    (folder / "notebooks").mkdir()
    nbformat.write(new_notebook(cells=cells), folder / "notebooks" / "14_small.ipynb")
    return folder / "notebooks"


def printed(path: Path) -> str:
    notebook = nbformat.read(path, 4)
    return "".join(o.get("text", "") for c in notebook.cells for o in c.get("outputs", []))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0..3", [0, 1, 2, 3]),
        ("-1..1,7", [-1, 0, 1, 7]),
        ("vgg19,resnet50", ["vgg19", "resnet50"]),
        ("0.5,1e-3", [0.5, 0.001]),
    ],
)
def test_spans_lists_and_numbers_are_read(text: str, expected: list[object]) -> None:
    assert sweep.values(text) == expected


@pytest.mark.parametrize("text", ["3..1", "", "1,,2"])
def test_an_empty_span_or_value_is_refused(text: str) -> None:
    with pytest.raises(RunnerError, match="empty part"):
        sweep.values(text)


def test_the_grid_is_every_combination() -> None:
    options = sweep.read_options(["--seed", "0..1", "--data-root", "a,b"])
    assert sweep.grid(options) == [
        {"SEED": 0, "DATA_ROOT": "a"},
        {"SEED": 0, "DATA_ROOT": "b"},
        {"SEED": 1, "DATA_ROOT": "a"},
        {"SEED": 1, "DATA_ROOT": "b"},
    ]


@pytest.mark.parametrize("rest", [[], ["--seed"], ["seed", "1"]])
def test_options_without_values_are_refused(rest: list[str]) -> None:
    with pytest.raises(RunnerError, match="--seed 0..4"):
        sweep.read_options(rest)


def test_every_run_has_its_own_results_and_a_second_sweep_keeps_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settling = "measures = {'net: largest relative difference': Measure(float(SEED))}\n"
    settling += "LEDGER.settle('C9', measures, sources=[], seed=SEED, profile=PROFILE, "
    settling += "results=RESULTS)"
    notebooks = write_chapter(
        folder,
        "print(SEED, NETWORK)",
        "from xaihelpers.claims import Measure",
        "from xaihelpers.experiments import LEDGER",
        settling,
    )
    rest = ["--seed", "0..1", "--network", "vgg19"]

    assert sweep.run("14", rest, notebooks=notebooks) == 0

    made = folder / "results" / "sweeps" / "14_small"
    assert printed(made / "seed=1,network=vgg19" / "14_small.ipynb").startswith("1 vgg19")
    table = pd.read_csv(made / "sweep.csv")
    assert table[["SEED", "NETWORK", "C9"]].values.tolist() == [
        [0, "vgg19", "confirmed"],
        [1, "vgg19", "refuted"],
    ]
    assert sweep.run("14", rest, notebooks=notebooks) == 0
    assert pd.read_csv(made / "sweep.csv")["status"].tolist() == ["kept", "kept"]
    capsys.readouterr()


def test_an_unknown_parameter_is_refused_before_anything_runs(folder: Path) -> None:
    notebooks = write_chapter(folder, "raise RuntimeError")
    with pytest.raises(RunnerError, match="no parameter COLOUR"):
        sweep.run("14", ["--colour", "red"], notebooks=notebooks)


@pytest.mark.parametrize(
    "rest", [["--seed", "0,0"], ["--network", "a/b,a_b"], ["--network", "a b,a_b"]]
)
def test_two_runs_in_one_folder_are_refused_before_anything_runs(
    rest: list[str], folder: Path
) -> None:
    notebooks = write_chapter(folder, "raise RuntimeError")
    with pytest.raises(RunnerError, match="would share a folder"):
        sweep.run("14", rest, notebooks=notebooks)


def test_a_relative_data_root_is_the_callers(
    folder: Path, fake: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    notebooks = write_chapter(folder, "pass")
    monkeypatch.chdir(folder)
    assert sweep.run("14", ["--data-root", "real"], notebooks=notebooks) == 0
    ((_, given),) = fake
    assert given["DATA_ROOT"] == str(folder / "real")
    assert given["RESULTS"].endswith("data_root=real")
    capsys.readouterr()


def test_a_failing_run_is_named_and_the_exit_code_is_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebooks = write_chapter(folder, "if SEED:\n    raise ValueError('bad seed')")
    assert sweep.run("14", ["--seed", "0,1"], notebooks=notebooks) == 1
    assert "seed=1 failed: cell" in capsys.readouterr().out


def test_an_unknown_option_of_another_command_is_still_an_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["notebooks", "--seed", "1"])
    assert "unrecognized arguments: --seed" in capsys.readouterr().err


def test_no_scheduler_is_a_clear_error(folder: Path) -> None:
    notebooks = write_chapter(folder, "print(1)")
    with pytest.raises(RunnerError, match="no dask scheduler answers"):
        list(sweep.on_dask({"a": Job(str)}, "tcp://127.0.0.1:1", 1))
    assert notebooks.exists()


@pytest.mark.slow
def test_a_worker_killed_on_the_way_loses_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notebooks = write_chapter(
        folder,
        "import pathlib, time\npathlib.Path('../started').mkdir(exist_ok=True)",
        "pathlib.Path('../started', str(time.time_ns())).touch()\ntime.sleep(2)\nprint(SEED)",
    )
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        victim = next(iter(cluster.workers.values())).pid
        killed = threading.Event()

        def kill() -> None:
            while not list(folder.glob("started/*")):
                time.sleep(0.1)
            os.kill(victim, signal.SIGKILL)
            killed.set()

        threading.Thread(target=kill, daemon=True).start()
        rest = ["--seed", "0..3"]
        code = sweep.run("14", rest, "dask", cluster.scheduler_address, notebooks=notebooks)

    assert killed.is_set()
    assert code == 0
    made = folder / "results" / "sweeps" / "14_small"
    texts = [printed(made / f"seed={seed}" / "14_small.ipynb") for seed in range(4)]
    assert [text.splitlines()[0] for text in texts] == ["0", "1", "2", "3"]
    assert pd.read_csv(made / "sweep.csv")["status"].tolist() == ["done"] * 4
    capsys.readouterr()
