"""Measure the marker experiment over the whole test set, a row per image.

    python -m xaihelpers measure marker [--limit 900]

writes results/tables/c8_marker.csv; rows of these networks that are there are not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import pandas as pd

from xaihelpers import networks
from xaihelpers.experiments.failures import tables
from xaihelpers.experiments.marker.shortcut import SCHEMES, marker_rows
from xaihelpers.setups import Setup, open_setup

#: Network and name in the table -> the setup whose network it is. Both of a pair have one recipe
#: and the same patients.
MARKER_NETWORKS = {
    ("densenet121", "linked"): "chest_marker",
    ("densenet121", "balanced"): "chest_xray",
    ("small_vgg_gap", "linked"): "chest_marker_small",
    ("small_vgg_gap", "balanced"): "chest_lot_small",
}
PATIENTS = 300  # as in the shipped table; the test set has 900
CHUNK = 45  # images between two saves


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure marker`."""
    parser.add_argument("--limit", type=int, default=PATIENTS, help="so many patients only")


def measure(options: argparse.Namespace) -> None:
    """Every test patient under every scheme, asked of both networks of every pair."""
    for (arch, network), name in MARKER_NETWORKS.items():
        setup = open_setup(name, arch, limit=1)
        for scheme in SCHEMES:
            scope = {"arch": arch, "network": network, "scheme": scheme}
            table = tables.measured_table("c8_marker", setup, scope)
            make = partial(_rows, setup, scheme)
            table.measure(range(options.limit), make, CHUNK, f"{arch} {network}, {scheme}")


def _rows(setup: Setup, scheme: str, patients: Sequence[int]) -> pd.DataFrame:
    layer = networks.LAYERS[setup.arch]["last"]
    rows = marker_rows(setup.model, layer, scheme, patients, setup.data.size)
    return tables.rounded(rows)
