"""The whole run: data -> networks -> maps -> numbers -> pictures -> chapters -> results."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import pandas as pd
import torch
from torch.nn.functional import one_hot

from xaihelpers import files, networks
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.experiments.retinopathy.measure import METHODS
from xaihelpers.files import save_figure, save_table
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
from xaihelpers.show.setup_figures import contact_sheet, maps_figure
from xaihelpers.study import BASELINES, Plan, Subject, method_table, run_study


def map_scores(study: Setup) -> pd.DataFrame:
    """A row per image of the split and map: `METHODS` at the last stage, and what never looks.

    Batches measured before, of this network, data and code, are read; see `study.run_study`.
    """
    layer = {"last": networks.LAYERS[study.arch]["last"]}
    masks = FINDINGS[study.data.name] if study.data[0].masks else ()
    plan = Plan(METHODS, masks=masks, priors=BASELINES)
    subject = Subject(study.arch, study.model, layer)
    return run_study([subject], study.data, plan, files.data_dir() / "cache" / "measured")


def network_row(study: Setup, scores: pd.DataFrame) -> dict[str, object]:
    """What the network gets right on these images, beside the colour-and-size baseline."""
    seen = scores.drop_duplicates("image")
    predicted = torch.tensor(seen["predicted"].to_numpy())
    votes = one_hot(predicted, len(study.data.classes)).float()
    found = networks.metrics.score(votes, torch.tensor(seen["label"].to_numpy()))
    baseline = study.card.get("baseline", {}).get("balanced_accuracy")
    kappa = found["kappa"] if study.data.name in ORDERED else None
    return {
        "data": study.data.name,
        "origin": study.data.origin,
        "network": study.arch,
        "images": len(seen),
        "accuracy": "{accuracy:.3f} [{accuracy_low:.3f}, {accuracy_high:.3f}]".format(**found),
        "quadratic kappa": "-" if kappa is None else round(kappa, 3),
        "macro F1": round(found["macro_f1"], 3),
        "colour-and-size baseline": "-" if baseline is None else round(baseline, 3),
        "image seed": study.data.seed,
        "training seed": study.card["seed"],
        "trained on": "{name} ({origin}, version {version})".format(**study.card["data"]),
        "started from": study.card.get("start", "-"),
        "checkpoint": study.card["sha256"][:12],
    }


def measure(
    name: str, arch: str, seed: int, data_root: str, folder: Path
) -> tuple[dict[str, object], pd.DataFrame]:
    """Run one network over its test set; write tables and pictures below `folder`.

    Returns the row of the network and the table of its maps.
    """
    study = open_setup(name, arch, data_root, seed=seed)
    scores = map_scores(study)
    maps = method_table(scores)
    for column, value in (("network", arch), ("data", study.data.name)):
        maps.insert(0, column, value)
    save_table(maps, folder / "tables" / f"{study.data.name}_{arch}_maps.csv")
    save_figure(contact_sheet(study), folder / "figures" / f"{study.data.name}_sheet.png")
    pictures = folder / "figures"
    save_figure(maps_figure(study, METHODS), pictures / f"{study.data.name}_{arch}_maps.png")
    return network_row(study, scores), maps


def run(
    profile: str,
    seed: int,
    data_root: str,
    only: Sequence[str] | None = None,
    skip_bad: bool = False,
) -> int:
    """Everything, from data to `summary.md`; returns 0, or 1 if a chapter failed.

    Results of rendered data go to `results/`, those of real data to `results/real/`. What was
    finished before, by this or an interrupted run, is kept where nothing has changed.

    Args:
        profile: "quick", "full" or "gpu". only: numbers of the chapters to run (None: all); the
            studies are measured in any case. skip_bad: leave unusable real files out.

    Raises:
        ValueError: no real set under the data root, unusable images, or an unknown chapter.
    """
    chapters.select(chapters.notebooks_dir(), only)  # said now, not after hours of training
    folder = files.results_dir() / "real" if data_root else files.results_dir()
    names = present(data_root)
    for absent in sorted(set(SETUPS) - set(names)):
        print(f"{absent}: no real set under {data_root}; its chapters use rendered images")
    pairs = [(name, arch) for name in names for arch in SETUPS[name]]
    for name, arch in pairs:
        prepare(name, arch, seed, data_root, profile, skip_bad)
    reports = [load_data(name, "test", data_root, seed=seed, cache=False).report for name in names]
    left_out = "\n".join(report for report in reports if report) or ALL_USED
    print(left_out)
    rows, tables = [], []
    for name, arch in pairs:
        row, maps = measure(name, arch, seed, data_root, folder)
        print(f"{row['data']} {arch}: accuracy {row['accuracy']}")
        rows.append(row)
        tables.append(maps)
    write_summary(pd.DataFrame(rows), pd.concat(tables), folder, left_out)
    return runner.run(profile=profile, seed=seed, data_root=data_root, only=only)


def prepare(name: str, arch: str, seed: int, data_root: str, profile: str, skip_bad: bool) -> None:
    """Train where there is no network yet, or where real data are not those that it has seen."""
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
    """`summary.md` and `tables/networks.csv`: the figures of this run and what they rest on.

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
