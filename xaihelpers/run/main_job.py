"""The whole run: data -> networks -> maps -> numbers -> pictures -> chapters -> results."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from importlib import metadata
from pathlib import Path

import pandas as pd
import torch
from torch.nn.functional import one_hot
from tqdm.auto import tqdm

from xaihelpers import files, networks
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.experiments.retinopathy.measure import METHODS
from xaihelpers.files import save_figure, save_table
from xaihelpers.processes import Job, deal_out
from xaihelpers.run import train
from xaihelpers.setups import (
    FINDINGS,
    ORDERED,
    SETUPS,
    Setup,
    checkpoint_path,
    load_data,
    open_setup,
    present,
)
from xaihelpers.show import front
from xaihelpers.show.setup_figures import contact_sheet, maps_figure
from xaihelpers.study import BASELINES, Plan, Subject, method_table, run_study

#: Seconds that measuring a network takes, roughly: more than a chapter, so that it starts first.
SECONDS = 100.0
#: The row of a network, and the table of its maps.
Measured = tuple[dict[str, object], pd.DataFrame]


def map_scores(setup: Setup) -> pd.DataFrame:
    """A row per image of the split and map: `METHODS` at the last stage, and what never looks.

    Batches measured before, of this network, data and code, are read; see `study.run_study`.
    """
    layer = {"last": networks.LAYERS[setup.arch]["last"]}
    masks = FINDINGS[setup.data.name] if setup.data[0].masks else ()
    plan = Plan(METHODS, masks=masks, priors=BASELINES)
    subject = Subject(setup.arch, setup.model, layer)
    folder = files.data_dir() / "cache" / "measured"
    return run_study([subject], setup.data, plan, folder, progress=False)


def network_row(setup: Setup, scores: pd.DataFrame) -> dict[str, object]:
    """What the network gets right on these images, beside the colour-and-size baseline.

    Args:
        setup: the network and its data.
        scores: from `map_scores`.
    """
    images = scores.drop_duplicates("image")
    predicted = torch.tensor(images["predicted"].to_numpy())
    votes = one_hot(predicted, len(setup.data.classes)).float()
    figures = networks.metrics.score(votes, torch.tensor(images["label"].to_numpy()))
    baseline = setup.card.get("baseline", {}).get("balanced_accuracy")
    kappa = figures["kappa"] if setup.data.name in ORDERED else None
    accuracy = "{accuracy:.3f} [{accuracy_low:.3f}, {accuracy_high:.3f}]"
    return {
        "data": setup.data.name,
        "origin": setup.data.origin,
        "network": setup.arch,
        "images": len(images),
        "accuracy": accuracy.format(**figures),
        "quadratic kappa": "-" if kappa is None else round(kappa, 3),
        "macro F1": round(figures["macro_f1"], 3),
        "colour-and-size baseline": "-" if baseline is None else round(baseline, 3),
        "image seed": setup.data.seed,
        "training seed": setup.card["seed"],
        "trained on": "{name} ({origin}, version {version})".format(**setup.card["data"]),
        "started from": setup.card.get("start", "-"),
        "checkpoint": setup.card["sha256"][:12],
    }


def measure(name: str, arch: str, seed: int, data_root: str, folder: Path) -> Measured:
    """Run one network over its test set; write its table and its pictures.

    Args:
        name: the setup's name, such as "fundus".
        arch: the network's, such as "vgg19".
        seed: of the images.
        data_root: folder of the real data, "" for rendered data.
        folder: tables and pictures are written below it.
    """
    setup = open_setup(name, arch, data_root, seed=seed)
    scores = map_scores(setup)
    maps = method_table(scores)
    for column, value in (("network", arch), ("data", setup.data.name)):
        maps.insert(0, column, value)
    save_table(maps, folder / "tables" / f"{setup.data.name}_{arch}_maps.csv")
    pictures = folder / "figures"
    save_figure(contact_sheet(setup), pictures / f"{setup.data.name}_sheet.png")
    save_figure(maps_figure(setup, METHODS), pictures / f"{setup.data.name}_{arch}_maps.png")
    return network_row(setup, scores), maps


def run(
    profile: str,
    seed: int,
    data_root: str,
    only: Sequence[str] | None = None,
    skip_bad: bool = False,
) -> int:
    """Everything, from data to `summary.md`; returns 0, or 1 if a chapter failed.

    Results of rendered data go to `results/`, those of real data to `results/real/`. Finished
    results of an earlier or interrupted run are kept where nothing has changed.

    Args:
        profile: "quick", "full" or "gpu".
        seed: of every draw.
        data_root: folder of the real data, "" for rendered data.
        only: numbers of the chapters to run, None for all; every network is measured in any case.
        skip_bad: leave unusable real files out.

    Raises:
        ValueError: no real set under the data root, unusable images, or an unknown chapter.
        KeyboardInterrupt: stopped; what is finished stays.
    """
    chapters.select(chapters.notebooks_dir(), only)  # an error comes now, not after training
    names = present(data_root)
    for absent in sorted(set(SETUPS) - set(names)):
        print(f"{absent}: no real set under {data_root}; its chapters use rendered images")
    pairs = [(name, arch) for name in names for arch in SETUPS[name]]
    for name, arch in pairs:
        prepare(name, arch, seed, data_root, profile, skip_bad)
    reports = [load_data(name, "test", data_root, seed=seed).report for name in names]
    left_out = "\n".join(report for report in reports if report) or ALL_USED
    print(left_out)
    folder = runner.results_folder(data_root)
    if not data_root:
        front.write(folder)
    measuring = {
        f"{name} {arch}": Job(partial(measure, name, arch, seed, data_root, folder), SECONDS)
        for name, arch in pairs
    }
    planned = runner.plan(profile=profile, seed=seed, data_root=data_root, only=only)
    return deal(measuring, planned, folder, left_out)


def deal(measuring: Mapping[str, Job], planned: runner.Run, folder: Path, left_out: str) -> int:
    """Measure networks and execute chapters, all dealt out to the same processes.

    Args:
        measuring: calls of `measure` by name.
        planned: the chapters.
        folder: of the results.
        left_out: which images were not used, and why.

    Returns:
        0, or 1 if a chapter failed.
    """
    measured: dict[str, Measured] = {}
    try:
        with closing(deal_out({**measuring, **planned.jobs})) as results:
            for name, result in results:
                if name in planned.jobs:
                    planned.take(name, result)
                    continue
                measured[name] = result
                tqdm.write("{data} {network}: accuracy {accuracy}".format(**result[0]))
                if len(measured) == len(measuring):
                    rows, tables = zip(*(measured[key] for key in measuring), strict=True)
                    write_summary(pd.DataFrame(rows), pd.concat(tables), folder, left_out)
    finally:
        runner.report(planned.outcomes(), folder / "chapters")
    return runner.finish(planned.outcomes())


def prepare(name: str, arch: str, seed: int, data_root: str, profile: str, skip_bad: bool) -> None:
    """Train where there is no network yet, or where the real data are not those it was trained on.

    Args:
        name, arch, seed, data_root: as `measure`.
        profile, skip_bad: as `run`.
    """
    path = checkpoint_path(name, arch, data_root)
    if not data_root:
        if path.exists():
            return
        print(f"{path} does not exist: training {arch}, hours on a CPU; Ctrl-C keeps what is done")
    train.train(name, arch, seed, data_root, profile, skip_bad)


ALL_USED = "Every image was used."
RENDERED = """Measured on *rendered* images: a program draws them, with exact masks. These figures
say something about methods and networks, nothing about patients."""
REAL = """Measured on *real* images, on a part that no network was trained on. Never to be mixed
with the figures of rendered images one folder up. There are no masks of findings: a map is measured
against the organ (retina or lungs), which says whether it stays on the organ and no more. A set
without masks has 0 images to measure maps on; then only the figures of its network count."""


def write_summary(
    rows: pd.DataFrame, maps: pd.DataFrame, folder: Path, left_out: str = ALL_USED
) -> None:
    """Write `summary.md` and `tables/networks.csv`: the figures of a run and what they rest on.

    Args:
        rows: a row per network, from `network_row`.
        maps: the tables of all networks.
        folder: of the results.
        left_out: which images were not used, and why.
    """
    save_table(rows, folder / "tables" / "networks.csv")
    packages = ("xaihelpers", "torch", "torchvision", "numpy")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    text = f"""# What a run measures

{RENDERED if (rows["origin"] == "rendered").all() else REAL}

Made by `make reproduce` with Python {platform.python_version()}, {versions}.
Intervals are 95 %. {left_out}

## Networks on their test sets

{markdown(rows)}

The colour-and-size baseline is the balanced accuracy of a linear model that sees only global
colour and size statistics, no lesion.

## Maps against masks (last stage, the network's own answer, images that show the mask)

{markdown(maps)}

`centre_gaussian` and `uniform` never look at the image: they are what a map has to beat.
"""
    with files.atomic_path(folder / "summary.md") as partial:
        partial.write_text(text, encoding="utf-8")


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).values.tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
