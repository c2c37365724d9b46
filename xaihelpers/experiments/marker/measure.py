"""Measure the marker experiment over the whole test set, a row per image.

    python -m xaihelpers.experiments.marker.measure [--limit 900]

writes results/tables/c8_marker.csv; rows of these networks that are there are not made again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from xaihelpers import networks
from xaihelpers.experiments.failures import tables
from xaihelpers.experiments.marker.shortcut import SCHEMES, marker_rows
from xaihelpers.setups import open_setup

#: Network and name in the table -> the setup whose network it is. Both of a pair have one recipe
#: and the same patients.
MARKER_NETWORKS = {
    ("densenet121", "linked"): "chest_marker",
    ("densenet121", "balanced"): "chest_xray",
    ("small_vgg_gap", "linked"): "chest_marker_small",
    ("small_vgg_gap", "balanced"): "chest_lot_small",
}
CHUNK = 45  # images between two saves


def marker(limit: int | None = None) -> None:
    """Every test patient under every scheme, asked of both networks of every pair."""
    for (arch, network), name in MARKER_NETWORKS.items():
        setup = open_setup(name, arch, limit=1)
        for scheme in SCHEMES:
            keys = {"arch": arch, "network": network, "scheme": scheme}
            done = tables.done("c8_marker", setup, keys)
            left = [i for i in range(limit or 900) if i not in done]
            for part in tables.parts(left, CHUNK):
                rows = marker_rows(
                    setup.model, networks.LAYERS[arch]["last"], scheme, part, setup.data.size
                )
                tables.grow("c8_marker", rows.assign(**keys), setup)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows that are missing, saving as it goes; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m xaihelpers.experiments.marker.measure")
    parser.add_argument("--limit", type=int, help="so many patients only")
    marker(parser.parse_args(arguments).limit)
    print("marker: done", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
