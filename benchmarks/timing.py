"""One alternating run: the floor stands between every two contestants, round after round."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from tqdm.auto import tqdm

from benchmarks.contestants import HEAVY, Job

HEAVY_ROUNDS = 2
LEAST_ROUNDS = 3

Ratios = dict[str, list[float]]


def seconds(job: Job) -> float:
    """Wall time of one call, the accelerator's queue emptied."""
    gc.collect()  # what the contestant before left behind is not on this one's bill
    start = time.perf_counter()
    job()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def ratios(floor: Job, jobs: dict[str, Job], rounds: int, limit: float) -> tuple[Ratios, float]:
    """Every contestant's time over the floor's, once per round, and the floor's median time.

    A round is floor, B, C, floor, D, E, floor, ...; each time is divided by the mean of the floors
    before and after it, so that a change of the machine's speed meets both. A round before the
    first warms up and is not counted. Contestants of `HEAVY` run in two rounds only, unwarmed:
    each is a row of calls of what was warmed.

    Args:
        rounds: how many; fewer, though never less than three, once `limit` seconds have passed.
    """
    found: Ratios = {name: [] for name in jobs}
    floors: list[float] = []
    with _quick_collection():
        for job in (floor, *(job for name, job in jobs.items() if name not in HEAVY)):
            job()
        start = time.perf_counter()
        for turn in tqdm(range(rounds), leave=False):
            if turn >= min(rounds, LEAST_ROUNDS) and time.perf_counter() - start > limit:
                break
            names = [name for name in jobs if name not in HEAVY or turn < HEAVY_ROUNDS]
            if turn % 2:
                names.reverse()  # who comes after whom matters, so it is not always the same
            for name, ratio, base in _round(floor, jobs, names):
                found[name].append(ratio)
                floors.append(base)
    return found, statistics.median(floors)


def _round(
    floor: Job, jobs: dict[str, Job], names: Iterable[str]
) -> Iterator[tuple[str, float, float]]:
    """Name, time over floor, and floor in seconds, two contestants at a time."""
    waiting, before = list(names), seconds(floor)
    while waiting:
        pair = [(name, seconds(jobs[name])) for name in waiting[:2]]
        after = seconds(floor)
        for name, taken in pair:
            yield name, 2 * taken / (before + after), (before + after) / 2
        waiting, before = waiting[2:], after


@contextmanager
def _quick_collection() -> Iterator[None]:
    """Leave what exists already out of garbage collection, which then takes no time."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
