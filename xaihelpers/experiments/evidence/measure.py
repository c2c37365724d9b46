"""The evidence: every method, layer and network over whole test sets, beside its baselines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from accelerate import Accelerator

from xaihelpers import files, networks
from xaihelpers.errors import SetupError
from xaihelpers.files import save_table
from xaihelpers.setups import FINDINGS, SETUPS, Setup, open_setup
from xaihelpers.study import PRIORS, Plan, Subject, mean_table, run_study

METHODS = ("grad_cam", "grad_cam_plus_plus", "xgrad_cam", "hires_cam", "layer_cam")
LAYERS = ("last", "stage4", "stage3")
#: Scenes are left out: there the finding depends on the thing asked about (chapter 11).
DEFAULT = ("fundus", "chest_xray")
#: Cheap figures, over every image; the others need many forward passes each: a random subset.
ON_ALL = ("energy", "hit", "hit_15px", "pearson")
ON_SOME = ("deletion", "insertion", "flipping", "road", "drop", "increase", "spearman", "ssim")
SOME_LAYERS = ("stage4",)
EVERY = 2**31
RANDOM = "random_weights"


@dataclass(frozen=True)
class Order:
    """What a run of the command is asked for.

    images: how many test images, drawn at random; 0 for all. fresh: how many for the maps of the
    network with random weights, and some: how many for the figures that need many forward passes;
    0 leaves either out.
    """

    methods: tuple[str, ...] = METHODS
    layers: tuple[str, ...] = LAYERS
    scores: tuple[str, ...] = ON_ALL
    some_scores: tuple[str, ...] = ON_SOME
    some_layers: tuple[str, ...] = SOME_LAYERS
    priors: tuple[str, ...] = PRIORS
    images: int = 0
    fresh: int = 200
    some: int = 200
    batch_size: int = 16
    seed: int = 0


#: How much each profile computes. The shipped tables are "full" with `--fresh 100 --some 20`, for
#: VGG19 with `--fresh 48 --some 0`, as its removal figures take hours.
PROFILES = {
    "quick": Order(images=32, fresh=32, some=8),
    "full": Order(),
    "gpu": Order(fresh=EVERY, some=EVERY, batch_size=64),
}


@dataclass(frozen=True)
class Job:
    """One pass over some images: which scores of which maps at which layers."""

    images: int
    scores: tuple[str, ...]
    layers: tuple[str, ...]
    methods: tuple[str, ...]
    priors: tuple[str, ...]


def jobs(order: Order) -> list[Job]:
    """Cheap figures over all images, random weights over fewer, costly figures over fewer still."""
    blind = tuple(name for name in order.priors if name != RANDOM)
    fresh = tuple(name for name in order.priors if name == RANDOM)
    found = [Job(order.images or EVERY, order.scores, order.layers, order.methods, blind)]
    found += [Job(order.fresh, order.scores, order.layers, order.methods[:1], fresh)] * len(fresh)
    maps = (order.some_layers, order.methods, order.priors)
    found += [Job(order.some, order.some_scores, *maps)]
    return [job for job in found if job.images and job.scores]


def drawn(count: int, wanted: int, seed: int) -> list[int]:
    """`wanted` of `count` indices at random, in order; all of them if there are no more."""
    if wanted >= count:
        return list(range(count))
    chosen = np.random.default_rng(seed).choice(count, wanted, replace=False)
    return sorted(int(index) for index in chosen)


def measure(study: Setup, order: Order, accelerator: Accelerator) -> pd.DataFrame:
    """All figures of one network: rows as `tables.mean_table`, with what they rest on.

    A figure that two jobs give is taken from the one over more images.
    """
    folder, named = files.data_dir() / "cache" / "evidence", networks.LAYERS[study.arch]
    masks, tables = FINDINGS[study.data.name], []
    for job in jobs(order):
        indices = drawn(len(study.data), job.images, order.seed)
        layers = {role: named[role] for role in job.layers}
        plan = Plan(job.methods, job.scores, masks, job.priors, order.batch_size, order.seed)
        start, subject = time.perf_counter(), Subject(study.arch, study.model, layers)
        rows = run_study([subject], study.data, plan, folder, indices, accelerator)
        spent = time.perf_counter() - start
        accelerator.print(
            f"{study.data.name} {study.arch}: {len(indices)} images, {', '.join(job.scores)}: "
            f"{spent:.0f} s, {1000 * spent / len(indices):.0f} s per 1,000 images"
        )
        means = mean_table(rows, order.seed)
        tables.append(means.assign(images=len(indices), of=len(study.data)))
    whole = pd.concat(tables, ignore_index=True)
    whole = whole.drop_duplicates(["network", "layer", "method", "score"], ignore_index=True)
    return about(study, whole, order)


def about(study: Setup, means: pd.DataFrame, order: Order) -> pd.DataFrame:
    """The table with its provenance in front of every row."""
    data = study.data
    told = {"data": data.name, "origin": data.origin, "split": data.split, "image seed": data.seed}
    told |= {"draw seed": order.seed, "checkpoint": study.card["sha256"][:12]}
    return pd.concat([pd.DataFrame(told, index=means.index), means], axis=1)


def place(study: Setup, data_root: str = "") -> Path:
    """Where the table of a network lies."""
    folder = files.results_dir() / "real" if data_root else files.results_dir()
    return folder / "tables" / f"evidence_{study.data.name}_{study.arch}.csv"


def _wanted(names: Sequence[str], archs: Sequence[str], order: Order) -> list[tuple[str, str]]:
    """Every study with every network to measure; SetupError for a name that does not exist."""
    if unknown := sorted(set(names) - set(SETUPS)):
        raise SetupError(f"no study {unknown}; there are {', '.join(SETUPS)}")
    pairs = [(name, arch) for name in names or DEFAULT for arch in SETUPS.get(name, ())]
    wanted = [(name, arch) for name, arch in pairs if not archs or arch in archs]
    if absent := sorted(set(archs) - {arch for _, arch in wanted}):
        known = ", ".join(arch for _, arch in pairs)
        raise SetupError(f"no network {absent} in {list(names or DEFAULT)}; there are {known}")
    roles = {role for job in jobs(order) for role in job.layers}
    for _, arch in wanted:
        if nowhere := sorted(roles - set(networks.LAYERS[arch])):
            known = ", ".join(networks.LAYERS[arch])
            raise SetupError(f"{arch} has no layer {nowhere}; there are {known}")
    return wanted


def run(
    names: Sequence[str] = (),
    archs: Sequence[str] = (),
    profile: str = "quick",
    seed: int = 0,
    data_root: str = "",
    **changes: object,
) -> int:
    """Measure the studies' networks and write `tables/evidence_<data>_<network>.csv`; returns 0.

    Finished batches are kept, so that a stopped run goes on where it was. Under `accelerate launch`
    all processes share the work and the first one writes.

    Args:
        names, archs: studies and networks; empty for all. changes: fields of `Order`.

    Raises:
        SetupError: no such study, network in these studies, or layer of such a network.
        EvaluationError: no such score.
    """
    chosen = {key: value for key, value in changes.items() if value not in (None, ())}
    order = replace(PROFILES[profile], seed=seed, **chosen)  # type: ignore[arg-type]
    wanted = _wanted(names, archs, order)
    accelerator = Accelerator()
    for name, arch in wanted:
        study = open_setup(name, arch, data_root, seed=seed)
        table = measure(study, order, accelerator)
        if accelerator.is_main_process:
            _keep(table.round(5), place(study, data_root))
    return 0


def _keep(table: pd.DataFrame, path: Path) -> None:
    """Write the table, unless one of the same network from more images is there: then print it."""
    if path.exists():
        stored = pd.read_csv(path)
        alike = set(stored["checkpoint"]) == set(table["checkpoint"])
        if alike and stored["images"].sum() > table["images"].sum():  # of all figures together
            print(f"{table.to_string()}\nkept {path}: it rests on more images")
            return
    save_table(table, path)
    print(f"wrote {path}")
