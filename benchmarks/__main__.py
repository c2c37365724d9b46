"""`python -m benchmarks`: times over a bare forward pass, in one alternating run with the peers.

Each network and batch size runs in a process of its own, so that none meets the memory another
left behind. Writes `results/tables/benchmark.csv` (medians over rounds), `benchmark_goals.csv`
(what was aimed at, met or not) and a picture. About twenty minutes on two cores; `--quick` takes
two. With other options than the defaults nothing is written.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys

import pandas as pd
import torch

from benchmarks import contestants
from benchmarks.contestants import WITHOUT_RELU, Setting
from benchmarks.goals import STOCK, judged
from benchmarks.picture import picture
from benchmarks.timing import ratios
from xaihelpers.files import results_dir, save_figure, save_table

NETWORKS = ["vgg19", "efficientnet_b0", "densenet121", "resnet50"]
ROUNDS = {1: 8, 8: 6, 32: 5}
SIZE = 224
PICTURED = 8


def measure(
    arch: str, batch: int, rounds: int, size: int, limit: float = 120
) -> list[dict[str, object]]:
    """One row per contestant on one network and batch size."""
    setting = Setting.make(arch, batch, size)
    if batch > 1 and arch not in WITHOUT_RELU:
        check_guided(setting)
    floor = contestants.forward(setting.model, setting.images)
    found, base = ratios(floor, contestants.everything(setting), rounds, limit)
    return [
        {
            "network": arch,
            "batch": batch,
            "contestant": name,
            "floor": STOCK,
            "ratio": round(statistics.median(values), 3),
            "low": round(min(values), 3),
            "high": round(max(values), 3),
            "rounds": len(values),
            "floor in seconds": round(base, 4),
        }
        for name, values in found.items()
    ]


def measured(arch: str, batch: int, rounds: int, size: int) -> list[dict[str, object]]:
    """`measure` in a fresh process; its progress bar shows."""
    words = [arch, str(batch), str(rounds), str(size)]
    # the peers warn of things they do themselves
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks", "--one", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    rows = json.loads(done.stdout.splitlines()[-1])
    seconds = rows[0]["floor in seconds"]
    print(f"{arch}, batch {batch}: the forward pass takes {seconds:.3f} s", flush=True)
    return rows


def check_guided(setting: Setting) -> None:
    """Raise AssertionError unless our Guided Grad-CAM is Captum's to the last bit."""
    jobs = contestants.guided(Setting(setting.arch, setting.model, setting.images[:2]))
    if not torch.equal(jobs["ours, guided"](), jobs["captum, guided"]()):
        raise AssertionError(f"Guided Grad-CAM on {setting.arch} differs from Captum's")


def write(times: pd.DataFrame, goals: pd.DataFrame) -> None:
    """Both tables and the picture."""
    tables, figures = results_dir() / "tables", results_dir() / "figures"
    for name, table in (("benchmark", times), ("benchmark_goals", goals)):
        save_table(table, tables / f"{name}.csv")
    batch = PICTURED if PICTURED in set(times["batch"]) else int(times["batch"].max())
    save_figure(picture(times, batch), figures / "benchmark.png", dpi=120)


def main() -> None:
    """Measure, print and judge; write what the defaults give."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=list(ROUNDS))
    parser.add_argument("--rounds", type=int, help="by default 8, 6 and 5 at batch 1, 8 and 32")
    parser.add_argument("--size", type=int, default=SIZE, help="side of the images in pixels")
    parser.add_argument("--quick", action="store_true", help="batch 1, three rounds")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        arch, *numbers = options.one
        print(json.dumps(measure(arch, *map(int, numbers))))
        return
    batches = [1] if options.quick else options.batches
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor()
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {where}")
    rows = []
    for arch in options.networks:
        for batch in batches:
            rounds = options.rounds or (3 if options.quick else ROUNDS.get(batch, 3))
            rows += measured(arch, batch, rounds, options.size)
    times = pd.DataFrame(rows)
    goals = judged(times)
    print(times.drop(columns="floor").to_string(index=False))
    print(goals.to_string(index=False))
    print(f"{int(goals['met'].sum())} of {len(goals)} goals met")
    if options == parser.parse_args([]):
        write(times, goals)
    else:
        print("no file is written: the shipped tables come from the default options")


if __name__ == "__main__":
    main()
