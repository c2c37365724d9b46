"""`python -m xaihelpers measure NAME`: the tables that take longer to measure than a chapter.

Each measurement's module has `add_options(parser)` and a function of the options. All of them show
their progress, keep finished rows, and go on where they were stopped.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from xaihelpers.errors import RunnerError


@dataclass(frozen=True)
class Measurement:
    """One thing to measure.

    Attributes:
        module: below `xaihelpers.experiments`.
        about: what it measures and which table it writes, in one line.
        function: of the module.
    """

    module: str
    about: str
    function: str = "measure"


#: Name on the command line -> what it measures.
MEASUREMENTS: dict[str, Measurement] = {
    "evidence": Measurement(
        "evidence.measure", "every method, layer and network over whole test sets: evidence_*.csv"
    ),
    "layers": Measurement("layers.measure", "what each named layer is good for: which_layer.csv"),
    "retinopathy": Measurement(
        "retinopathy.measure", "the fundus networks' corners and layers: c2_*, c3_*, c6_*.csv"
    ),
    "heads": Measurement("heads.measure", "what CAM's changed architecture costs: c18_heads.csv"),
    "networks": Measurement(
        "chest.compare", "DenseNet-121 against ResNet-18 and VGG-16: c17_networks.csv"
    ),
    "failures": Measurement("failures.measure", "wrong answers and their maps: c15_failures.csv"),
    "attacks": Measurement(
        "failures.measure", "adversarial images and their maps: c13_attacks.csv", "measure_attacks"
    ),
    "marker": Measurement("marker.measure", "text burned into radiographs: c8_marker.csv"),
    "photographs": Measurement(
        "photographs.measure", "real photographs, the grid pointing game: photographs_*.csv"
    ),
    "starts": Measurement(
        "photographs.starts", "a start from ImageNet weights against from scratch: starts.csv"
    ),
}


def listing() -> str:
    """The names with one line each, for `--help`."""
    width = max(map(len, MEASUREMENTS)) + 2
    lines = [f"  {name:<{width}}{found.about}" for name, found in MEASUREMENTS.items()]
    return "measurements:\n" + "\n".join(lines)


def run(name: str, rest: Sequence[str]) -> int:
    """Measure what has this name, with the options that follow it; returns 0.

    Args:
        name: of `MEASUREMENTS`.
        rest: the words after the name on the command line.

    Raises:
        RunnerError: no measurement has this name; the message suggests the nearest.
    """
    if name not in MEASUREMENTS:
        near = difflib.get_close_matches(name, MEASUREMENTS, n=1, cutoff=0)
        raise RunnerError(
            f"no measurement is called {name!r}; did you mean {near[0]!r}? "
            f"There are {', '.join(MEASUREMENTS)}"
        )
    module = import_module(f"xaihelpers.experiments.{MEASUREMENTS[name].module}")
    parser = argparse.ArgumentParser(
        prog=f"python -m xaihelpers measure {name}", description=MEASUREMENTS[name].about
    )
    module.add_options(parser)
    getattr(module, MEASUREMENTS[name].function)(parser.parse_args(rest))
    return 0
