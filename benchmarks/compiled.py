"""What compiling the accelerated copy would add: `python -m benchmarks.compiled`."""

from __future__ import annotations

import argparse
import statistics
import time

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.contestants import Setting, forward
from benchmarks.timing import ratios
from xaihelpers.cams.fast import accelerate
from xaihelpers.files import atomic_path, results_dir

NETWORKS = ("vgg19", "efficientnet_b0", "densenet121", "resnet50")


def compile_and_run(model: nn.Module, images: Tensor) -> tuple[nn.Module, float]:
    """The model compiled by inductor with frozen weights, and the seconds of its first call."""
    start = time.perf_counter()
    compiled = torch.compile(model, options={"freezing": True})
    forward(compiled, images)()
    return compiled, time.perf_counter() - start


def measure(arch: str, batch: int, rounds: int, size: int) -> list[dict[str, object]]:
    """Forward passes of the accelerated copy, as it is and compiled, over the stock one's."""
    setting = Setting.make(arch, batch, size)
    jobs, cost = {}, {}
    for dtype in (torch.float32, torch.bfloat16):
        name = str(dtype).removeprefix("torch.")
        fast = accelerate(setting.model, [setting.layer()], dtype, setting.images, ())
        compiled, taken = compile_and_run(fast, setting.images)
        cost[f"{name}, compiled"] = taken
        jobs[name] = forward(fast, setting.images)
        jobs[f"{name}, compiled"] = forward(compiled, setting.images)
    found, _ = ratios(forward(setting.model, setting.images), jobs, rounds, limit=60)
    return [
        {
            "network": arch,
            "batch": batch,
            "forward pass of the copy": name,
            "ratio": round(statistics.median(values), 3),
            "low": round(min(values), 3),
            "high": round(max(values), 3),
            "seconds to compile": round(cost.get(name, 0)),
        }
        for name, values in found.items()
    ]


def main() -> None:
    """Measure and write `results/tables/benchmark_compiled.csv`; needs a C++ compiler."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiled", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    rows = [row for arch in options.networks for row in measure(arch, 8, options.rounds, size=224)]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    with atomic_path(results_dir() / "tables" / "benchmark_compiled.csv") as partial:
        table.to_csv(partial, index=False)


if __name__ == "__main__":
    main()
