"""What each named layer of each trained network is good for, measured: which layer to hook.

    python -m xaihelpers measure layers

writes `which_layer.csv` to results/tables: one row per network, layer and method. With another
`--limit` the table is printed only.
"""

from __future__ import annotations

import argparse

import pandas as pd
import torch

from xaihelpers import datasets, files, networks
from xaihelpers.cams.methods import METHODS
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.files import save_table
from xaihelpers.metrics.intervals import bootstrap_interval
from xaihelpers.setups import FINDINGS, Setup, open_setup
from xaihelpers.study import NO_LAYER, Plan, Subject, finding_mask, priors_once, run_study

SUBJECTS = (("fundus", "efficientnet_b0"), ("fundus", "vgg19"), ("chest_xray", "densenet121"))
COUNT = 120  # images with a finding, of each network's test set
PRIORS = ("centre_gaussian", "edges")
#: Score -> column of the table: means with intervals.
FIGURES = {"energy": "energy", "lift": "lift", "hit_15px": "near"}
#: Score -> column of the table: shares of cells or channels, as plain means.
SIGNS = {
    "negative_cells": "negative cells",
    "negative": "negative sums",
    "flipped": "flipped weights",
}


def with_finding(data: ImageDataset, masks: tuple[str, ...], count: int) -> list[int]:
    """Indices of the first `count` images that show one of these masks."""
    chosen: list[int] = []
    for start in range(0, len(data), 16):
        part = list(range(start, min(start + 16, len(data))))
        shown = finding_mask(datasets.batch(data, part)[2], masks).flatten(1).any(dim=1)
        chosen += [index for index, there in zip(part, shown.tolist(), strict=True) if there]
        if len(chosen) >= count:
            break
    return chosen[:count]


def setup_rows(setup: Setup, count: int) -> pd.DataFrame:
    """Rows of `run_study`: every named layer of one network under every method, and `PRIORS`."""
    masks = FINDINGS[setup.data.name]
    subject = Subject(setup.arch, setup.model, networks.LAYERS[setup.arch])
    plan = Plan(tuple(METHODS), (*FIGURES, *SIGNS), masks, PRIORS, batch_size=8)
    indices = with_finding(setup.data, masks, count)
    folder = files.data_dir() / "cache" / "layers"
    return priors_once(run_study([subject], setup.data, plan, folder, indices), PRIORS)


def setup_table(setup: Setup, count: int) -> pd.DataFrame:
    """One network's part of the table: a row per layer and method, with what it rests on."""
    rows = setup_rows(setup, count)
    about = networks.layer_table(setup.arch, setup.data.size).set_index("role")
    table = []
    for role in (*about.index, NO_LAYER):
        part = rows[rows["layer"] == role]
        place = about.loc[role].to_dict() if role != NO_LAYER else {}
        for method in METHODS if role != NO_LAYER else PRIORS:
            values = part[part["method"] == method]
            row = {"study": setup.name, "network": setup.arch, "images": len(values)}
            row |= {"role": role, **dict.fromkeys(about.columns), **place, "method": method}
            row |= {FIGURES[name]: str(bootstrap_interval(values[name])) for name in FIGURES}
            means = {SIGNS[name]: round(float(values[name].mean()), 3) for name in SIGNS}
            table.append(row | means)
    return (
        pd.DataFrame(table)
        .astype({"channels": "Int64"})
        .assign(
            data=f"{setup.data.name} ({setup.data.origin}), {setup.data.split}",
            seed=setup.data.seed,
            checkpoint=setup.card["sha256"][:12],
            torch=torch.__version__,
        )
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure layers`."""
    parser.add_argument("--limit", type=int, default=COUNT, help="images with a finding each")


def measure(options: argparse.Namespace) -> None:
    """Write `results/tables/which_layer.csv`, or print the table of another sample."""
    tables = [setup_table(open_setup(*names), options.limit) for names in SUBJECTS]
    table = pd.concat(tables, ignore_index=True)
    if options.limit != COUNT:
        print(f"{table.to_string()}\nnot written: the shipped table has {COUNT} images each")
        return
    path = files.results_dir() / "tables" / "which_layer.csv"
    save_table(table, path)
    print(f"wrote {path}")
