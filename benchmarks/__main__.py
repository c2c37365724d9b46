"""`python -m benchmarks`: ratios to a bare forward pass, measured in one alternating run.

Every round times the floor and then each contestant once (A B C, A B C, ...), so that a change of
the machine's speed meets all of them; a figure is the median over rounds of contestant / floor.
"""

from __future__ import annotations

import argparse
import statistics
import time

import pandas as pd
import seaborn as sns
import torch
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from benchmarks import contestants
from xaihelpers import networks
from xaihelpers.files import atomic_path, results_dir

NETWORKS = ("vgg19", "efficientnet_b0", "densenet121", "resnet50")
CLASSES = 5


def seconds(job: contestants.Job) -> float:
    """Wall time of one call, the accelerator's queue emptied."""
    start = time.perf_counter()
    job()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(arch: str, batch: int, rounds: int, size: int) -> list[dict[str, object]]:
    """Median ratio to the floor of every contestant on one network and batch size."""
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = networks.build(arch, CLASSES).eval().to(device)
    images = torch.randn(batch, 3, size, size, device=device)
    layer = networks.LAYERS[arch]["last"]
    floor = contestants.forward(model, images)
    jobs = contestants.ours(model, images, layer, CLASSES)
    jobs |= contestants.peers(model, images, layer, CLASSES)
    ratios: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in tqdm(range(rounds + 1), desc=f"{arch} batch {batch}", leave=False):
        base = seconds(floor)
        for name, job in jobs.items():
            ratio = seconds(job) / base
            if turn > 0:  # the first round warms up
                ratios[name].append(ratio)
    return [
        {
            "network": arch,
            "batch": batch,
            "contestant": name,
            "ratio to a forward pass": round(statistics.median(values), 2),
            "low": round(min(values), 2),
            "high": round(max(values), 2),
        }
        for name, values in ratios.items()
    ]


def picture(table: pd.DataFrame) -> Figure:
    """Ratios per network as bars, on a logarithmic axis; 1 is the bare forward pass."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    ax = figure.subplots()
    largest = table[table["batch"] == table["batch"].max()]
    sns.barplot(largest, y="contestant", x="ratio to a forward pass", hue="network", ax=ax)
    ax.axvline(1, color="0.3", linewidth=0.8)
    ax.set_xscale("log")
    ax.set_ylabel("")
    ax.set_title(f"time as a multiple of a bare forward pass, batch {largest['batch'].iloc[0]}")
    return figure


def main() -> None:
    """Measure, print, and write `results/tables/benchmark.csv` and its picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    options = parser.parse_args()
    rows = [
        row
        for arch in options.networks
        for batch in options.batches
        for row in measure(arch, batch, options.rounds, options.size)
    ]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    with atomic_path(results_dir() / "tables" / "benchmark.csv") as partial:
        table.to_csv(partial, index=False)
    with atomic_path(results_dir() / "figures" / "benchmark.png") as partial:
        picture(table).savefig(partial, format="png")


if __name__ == "__main__":
    main()
