"""What is aimed at, beside what was measured: one row per goal, network and batch size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from benchmarks.contestants import CLASSES, EARLY, IN_PIECES

STOCK = "stock forward pass of the whole batch"


@dataclass(frozen=True)
class Goal:
    """At most `limit` times the floor, or at least `limit` times faster than `versus`.

    Attributes:
        contestant: ours, as the table of times names it.
        limit: the same for all networks except those in `limits`.
        batches: the batch sizes it is meant for.
        versus: a peer's contestant; None = the floor.
        faster: the figure is the peer's time over ours, to be at least `limit`.
    """

    contestant: str
    limit: float
    batches: tuple[int, ...]
    versus: str | None = None
    faster: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)

    def limit_for(self, arch: str) -> float:
        """The limit that holds for this network."""
        return self.limits.get(arch, self.limit)


ALL = (1, 8, 32)
TOLERANT = {"efficientnet_b0": 1.10, "vgg19": 1.12}
FIVE = "ours, five methods"
GOALS = (
    Goal(FIVE, 1.15, (1,)),
    Goal(FIVE, 1.05, (8,), limits=TOLERANT),
    Goal(FIVE, 0.75, (32,)),
    Goal(FIVE, 1.05, (32,), IN_PIECES, limits=TOLERANT),
    Goal(f"ours, {CLASSES} classes x three", 1.20, (1, 8)),
    Goal(f"{FIVE} at {EARLY}", 1.85, (1, 8)),
    Goal(f"{FIVE}, accelerated float32", 0.85, ALL),
    Goal(f"{FIVE}, accelerated bfloat16", 0.40, ALL),
    Goal("ours, three methods", 8, (1, 8), "grad-cam, three methods", faster=True),
    Goal(
        f"ours, {CLASSES} classes x one",
        12,
        (1, 8),
        f"grad-cam, {CLASSES} classes x one",
        faster=True,
    ),
    Goal(
        f"ours, {CLASSES} classes x three",
        12,
        (1,),
        f"grad-cam, {CLASSES} classes x three",
        faster=True,
    ),
    Goal("ours, three methods", 2.5, (1, 8), "torchcam, three methods", faster=True),
    Goal("ours, one method", 1.0, (1, 8), "captum, one method, frozen"),
    Goal("ours, guided", 0.75, (1, 8), "captum, guided"),
)


COLUMNS = ("goal", "measured against", "network", "batch", "figure", "wanted", "met")


def judged(times: pd.DataFrame) -> pd.DataFrame:
    """One row per goal that the table of times can answer, with `met` true or false.

    A figure against a peer is the quotient of the two median ratios, both to the same floor.
    """
    median = times.set_index(["network", "batch", "contestant"])["ratio"]
    rows = []
    for goal in GOALS:
        for arch in times["network"].unique():
            for batch in goal.batches:
                wanted = [
                    (arch, batch, name)
                    for name in (goal.contestant, goal.versus)
                    if name is not None
                ]
                if not all(key in median.index for key in wanted):
                    continue
                figure = float(median[wanted[0]])
                if goal.versus is not None:
                    figure /= float(median[wanted[1]])
                rows.append(_row(goal, arch, batch, 1 / figure if goal.faster else figure))
    return pd.DataFrame(rows, columns=COLUMNS)


def _row(goal: Goal, arch: str, batch: int, figure: float) -> dict[str, object]:
    limit = goal.limit_for(arch)
    return {
        "goal": goal.contestant,
        "measured against": goal.versus or STOCK,
        "network": arch,
        "batch": batch,
        "figure": round(figure, 3),
        "wanted": f">= {limit:g}" if goal.faster else f"<= {limit:g}",
        "met": figure >= limit if goal.faster else figure <= limit,
    }
