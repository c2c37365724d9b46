"""The evidence: every method, layer and network over whole test sets, beside its baselines.

    python -m xaihelpers measure evidence [setups] [options]

writes `evidence_<data>_<network>.csv` to results/tables. For several processes:
`accelerate launch -m xaihelpers measure evidence`.
"""

from __future__ import annotations

import argparse
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

    Attributes:
        methods: names in `cams.METHODS`; agreement is measured with the first.
        layers: roles of the layers.
        scores: cheap figures, over all images.
        some_scores: figures that need many forward passes.
        some_layers: roles of the layers for these.
        priors: names in `study.PRIORS`.
        images: how many test images, drawn at random; 0 for all.
        fresh: how many images for the maps of the network with random weights; 0 for none.
        some: how many images for `some_scores`; 0 for none.
        batch_size: images at a time.
        seed: of the draw, of random weights and of noise.
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
    every = [Job(order.images or EVERY, order.scores, order.layers, order.methods, blind)]
    every += [Job(order.fresh, order.scores, order.layers, order.methods[:1], fresh)] * len(fresh)
    maps = (order.some_layers, order.methods, order.priors)
    every += [Job(order.some, order.some_scores, *maps)]
    return [job for job in every if job.images and job.scores]


def drawn(count: int, wanted: int, seed: int) -> list[int]:
    """`wanted` of `count` indices at random, in order; all of them if there are no more."""
    if wanted >= count:
        return list(range(count))
    chosen = np.random.default_rng(seed).choice(count, wanted, replace=False)
    return sorted(int(index) for index in chosen)


def measure_setup(setup: Setup, order: Order, accelerator: Accelerator) -> pd.DataFrame:
    """All figures of one network: rows as `study.mean_table`, with what they rest on.

    A figure that two jobs give is taken from the one over more images.
    """
    folder, named = files.data_dir() / "cache" / "evidence", networks.LAYERS[setup.arch]
    masks, tables = FINDINGS[setup.data.name], []
    for job in jobs(order):
        indices = drawn(len(setup.data), job.images, order.seed)
        layers = {role: named[role] for role in job.layers}
        plan = Plan(job.methods, job.scores, masks, job.priors, order.batch_size, order.seed)
        start, subject = time.perf_counter(), Subject(setup.arch, setup.model, layers)
        rows = run_study([subject], setup.data, plan, folder, indices, accelerator)
        spent = time.perf_counter() - start
        accelerator.print(
            f"{setup.data.name} {setup.arch}: {len(indices)} images, {', '.join(job.scores)}: "
            f"{spent:.0f} s, {1000 * spent / len(indices):.0f} s per 1,000 images"
        )
        means = mean_table(rows, order.seed)
        tables.append(means.assign(images=len(indices), of=len(setup.data)))
    whole = pd.concat(tables, ignore_index=True)
    whole = whole.drop_duplicates(["network", "layer", "method", "score"], ignore_index=True)
    return about(setup, whole, order)


def about(setup: Setup, means: pd.DataFrame, order: Order) -> pd.DataFrame:
    """The table with its provenance in front of every row."""
    data = setup.data
    origin = {
        "data": data.name,
        "origin": data.origin,
        "split": data.split,
        "image seed": data.seed,
    }
    origin |= {"draw seed": order.seed, "checkpoint": setup.card["sha256"][:12]}
    return pd.concat([pd.DataFrame(origin, index=means.index), means], axis=1)


def table_path(setup: Setup, data_root: str = "") -> Path:
    """Where the table of a network lies."""
    folder = files.results_dir() / "real" if data_root else files.results_dir()
    return folder / "tables" / f"evidence_{setup.data.name}_{setup.arch}.csv"


def _wanted(names: Sequence[str], archs: Sequence[str], order: Order) -> list[tuple[str, str]]:
    """Every setup with every network to measure; SetupError for a name that does not exist."""
    if unknown := sorted(set(names) - set(SETUPS)):
        raise SetupError(f"no setup {unknown}; there are {', '.join(SETUPS)}")
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


def write_tables(
    names: Sequence[str] = (),
    archs: Sequence[str] = (),
    profile: str = "quick",
    seed: int = 0,
    data_root: str = "",
    **changes: object,
) -> None:
    """Measure networks on their test sets and write `tables/evidence_<data>_<network>.csv`.

    Finished batches are kept, so that a stopped run goes on where it was. Under `accelerate launch`
    all processes share the work and the first one writes.

    Args:
        names: setups; empty for all.
        archs: networks; empty for all of these setups.
        profile: of `PROFILES`.
        seed: of every draw.
        data_root: folder of real data; empty for rendered data.
        changes: fields of `Order`; None and an empty tuple leave the profile's.

    Raises:
        SetupError: no such setup, network in these setups, or layer of such a network.
        EvaluationError: no such score.
    """
    chosen = {key: value for key, value in changes.items() if value not in (None, ())}
    order = replace(PROFILES[profile], seed=seed, **chosen)  # type: ignore[arg-type]
    wanted = _wanted(names, archs, order)
    accelerator = Accelerator()
    for name, arch in wanted:
        setup = open_setup(name, arch, data_root, seed=seed)
        table = measure_setup(setup, order, accelerator)
        if accelerator.is_main_process:
            _keep(table.round(5), table_path(setup, data_root))


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


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure evidence`."""
    parser.add_argument("setups", nargs="*", help="fundus, chest_xray ... (default: both)")
    parser.add_argument("--networks", nargs="+", default=[], help="default: all of the setup")
    parser.add_argument("--layers", nargs="+", default=[], help="roles, such as last stage4")
    parser.add_argument("--methods", nargs="+", default=[], help="the first is compared with")
    parser.add_argument("--scores", nargs="+", default=[], help="figures over all images")
    parser.add_argument("--images", type=int, help="how many, at random (0: all)")
    parser.add_argument("--fresh", type=int, help="images for random weights (0: none)")
    parser.add_argument("--some", type=int, help="images for removal figures (0: none)")
    parser.add_argument("--profile", choices=PROFILES, default="quick", help="default: quick")
    parser.add_argument("--seed", type=int, default=0, help="seed of every draw (default: 0)")
    parser.add_argument("--data-root", default="", metavar="FOLDER", help="of real data")


def measure(options: argparse.Namespace) -> None:
    """Measure what the command line asks for."""
    fields = ("methods", "layers", "scores", "images", "fresh", "some")
    chosen = {name: getattr(options, name) for name in fields}
    write_tables(
        options.setups,
        options.networks,
        options.profile,
        options.seed,
        options.data_root,
        **{name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items()},
    )
