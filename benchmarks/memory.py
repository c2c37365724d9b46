"""Extra peak memory, each contestant in a fresh process: `python -m benchmarks.memory`.

The figure is the process's highest resident size during one call, less its size before it, over
the same figure of the bare forward pass. A first call on two small images is not counted: it loads
code and starts threads. Linux only.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

import pandas as pd

from benchmarks import contestants
from benchmarks.contestants import FIVE, Setting
from xaihelpers.cams import explain
from xaihelpers.files import results_dir, save_table

NETWORKS = ["vgg19", "efficientnet_b0", "densenet121", "resnet50"]
LIMIT = 1.1
PROCESSES = 3  # for the figures that are judged; peers need several times as much
OURS = "ours, five methods"
FLOOR = "forward pass"
PEERS = (
    "captum, one method",
    "captum, one method, frozen",
    "torchcam, one method",
    "grad-cam, one method",
)
STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


def job(name: str, setting: Setting) -> contestants.Job:
    """A contestant by name, made without touching the others."""
    if name == FLOOR:
        return contestants.forward(setting.model, setting.images)
    if name == OURS:
        return lambda: explain(
            setting.model, setting.images, setting.layer(), target=0, methods=FIVE
        )
    makers = contestants.captum if name.startswith("captum") else contestants.peers
    return makers(setting)[name]


def resident(field: str) -> float:
    """MiB of this process: `VmRSS` = now, `VmHWM` = the highest since the last reset."""
    for line in STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"{STATUS} has no {field}")


def extra(arch: str, batch: int, name: str, size: int) -> float:
    """MiB that one call needs on top of what the process holds before it."""
    job(name, Setting.make(arch, 2, 64))()
    call = job(name, Setting.make(arch, batch, size))
    RESET.write_text("5")
    before = resident("VmRSS")
    call()
    return resident("VmHWM") - before


def measured(arch: str, batch: int, name: str, size: int) -> float:
    """`extra`, the median of fresh processes: the heap's own habits move it by a fifth."""
    words = [arch, str(batch), name, str(size)]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.memory", "--one", *words]
    found = []
    for _ in range(PROCESSES if name in (FLOOR, OURS) else 1):
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(float(done.stdout.split()[-1]))
    return statistics.median(found)


def table(
    archs: tuple[str, ...], jobs: dict[int, tuple[str, ...]], size: int
) -> list[dict[str, object]]:
    """One row per network, batch size and contestant, the forward pass first."""
    rows: list[dict[str, object]] = []
    for arch in archs:
        for batch, names in jobs.items():
            floor = measured(arch, batch, FLOOR, size)
            for name in (FLOOR, *names):
                taken = floor if name == FLOOR else measured(arch, batch, name, size)
                row = {"network": arch, "batch": batch, "contestant": name}
                row |= {"extra MiB": round(taken), "ratio": round(taken / floor, 2)}
                if name == OURS:
                    row |= {"wanted": f"<= {LIMIT}", "met": taken / floor <= LIMIT}
                rows.append(row)
                print(row, flush=True)
    return rows


def main() -> None:
    """Measure; write `results/tables/benchmark_memory.csv` if all options are the defaults."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        arch, batch, name, size = options.one
        print(extra(arch, int(batch), name, int(size)))
        return
    jobs = {8: (OURS, *PEERS), 32: (OURS,)}
    rows = pd.DataFrame(table(tuple(options.networks), jobs, options.size))
    if options != parser.parse_args([]):
        print("no file is written: the shipped table comes from the default options")
        return
    save_table(rows, results_dir() / "tables" / "benchmark_memory.csv")


if __name__ == "__main__":
    main()
