"""What each trick of the engine gives: `python -m benchmarks.tricks`.

The same call with and without the trick, in alternation. Times are quotients of two neighbouring
calls; memory is measured in processes of their own, as in `benchmarks.memory`. Prints a table and
writes nothing. Linux only.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from unittest import mock

import torch

from benchmarks import memory
from benchmarks.contestants import EARLY, FIVE, Job, Setting
from benchmarks.timing import seconds
from xaihelpers.cams import explain
from xaihelpers.cams.engine.accelerate import accelerate

EXPLAIN = "xaihelpers.cams.engine.explain.lean_recording"
PACKABLE = "xaihelpers.cams.engine.accelerate.packable"


def stock_recording() -> AbstractContextManager[object]:
    """Let torch record as it does by itself."""
    return mock.patch(EXPLAIN, return_value=nullcontext())


def alternated(on: Job, off: Job, rounds: int) -> float:
    """Median of time with over time without, each first in every other round."""
    on(), off()
    quotients = []
    for turn in range(rounds):
        order = (on, off) if turn % 2 else (off, on)
        taken = {job: seconds(job) for job in order}
        quotients.append(taken[on] / taken[off])
    return statistics.median(quotients)


def times(setting: Setting, rounds: int) -> dict[str, float]:
    """Trick -> time with over time without."""
    images, last = setting.images, setting.layer()
    table = {}
    for role in ("last", EARLY):
        layer = setting.layer(role)

        def on(layer: str = layer) -> object:
            return explain(setting.model, images, layer, target=0, methods=FIVE)

        def off(on: Job = on) -> object:
            with stock_recording():
                return on()

        table[f"lean recording at {role}"] = alternated(on, off, rounds)
    for dtype in (torch.float32, torch.bfloat16):
        packed = accelerate(setting.model, [last], dtype, images, ())
        with mock.patch(PACKABLE, return_value=False):
            plain = accelerate(setting.model, [last], dtype, images, ())
        table[f"packed convolutions, {dtype}"] = alternated(
            lambda packed=packed: explain(packed, images, last, target=0, methods=FIVE),
            lambda plain=plain: explain(plain, images, last, target=0, methods=FIVE),
            rounds,
        )
    return table


def recorded_memory(arch: str, batch: int, size: int, lean: bool) -> float:
    """Extra peak MiB of one call at the early layer; only in a process of its own."""

    def job(setting: Setting) -> Job:
        layer = setting.layer(EARLY)
        return lambda: explain(setting.model, setting.images, layer, target=0, methods=FIVE)

    with nullcontext() if lean else stock_recording():
        job(Setting.make(arch, 2, 64))()
        call = job(Setting.make(arch, batch, size))
        memory.RESET.write_text("5")
        before = memory.resident("VmRSS")
        call()
        return memory.resident("VmHWM") - before


def in_process(arch: str, batch: int, size: int, lean: bool) -> float:
    """Median of `recorded_memory` over fresh processes."""
    words = [arch, str(batch), str(size), str(int(lean))]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.tricks", "--one", *words]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(3)]
    return statistics.median(float(run.stdout.split()[-1]) for run in runs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tricks", description=__doc__)
    parser.add_argument("--networks", nargs="+", default=memory.NETWORKS, choices=memory.NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=224, help="side of the images in pixels")
    parser.add_argument("--one", nargs=4, type=str, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        arch, *numbers = options.one
        batch, size, lean = map(int, numbers)
        print(recorded_memory(arch, batch, size, bool(lean)))
        return
    for arch in options.networks:
        for batch in options.batches:
            for name, ratio in times(
                Setting.make(arch, batch, options.size), options.rounds
            ).items():
                print(f"{arch}, batch {batch}: {name}, time {ratio:.2f}", flush=True)
        on, off = (in_process(arch, 8, options.size, lean) for lean in (True, False))
        print(f"{arch}, batch 8: lean recording at {EARLY}, memory {on / off:.2f}", flush=True)


if __name__ == "__main__":
    main()
