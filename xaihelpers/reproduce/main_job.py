"""The whole run: data -> networks -> maps -> numbers -> pictures -> chapters -> results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch.nn.functional import one_hot

from xaihelpers import __version__, cams, datasets, files, networks
from xaihelpers.datasets.fundus import LESIONS
from xaihelpers.evaluation import study as evaluation
from xaihelpers.reproduce import runner, train
from xaihelpers.reproduce.studies import STUDIES, Study, checkpoint_path, data_name, open_study
from xaihelpers.show import figures

#: The methods of the retinopathy project, in its order.
METHODS = ("grad_cam", "grad_cam_plus_plus", "xgrad_cam")

#: The masks a map is measured against: lesions where they are known, else the organ.
FINDINGS: dict[str, tuple[str, ...]] = {
    "fundus": LESIONS,
    "chest_xray": ("opacity",),
    "aptos": ("retina",),
    "radiography": ("lung",),
}


def output_folder(study: str, data_root: str) -> Path:
    """`results/` for rendered data, `results/real/` for real data."""
    real = data_name(study, data_root) != study
    return files.results_dir() / "real" if real else files.results_dir()


def save_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, atomically."""
    with files.atomic_path(path) as partial:
        table.to_csv(partial, index=False)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically and without a time stamp."""
    with files.atomic_path(path) as partial:
        figure.savefig(partial, format="png", metadata={"Software": None})


def network_row(study: Study, scores: pd.DataFrame) -> dict[str, object]:
    """What the network gets right on these images, beside the colour-and-size baseline."""
    seen = scores.drop_duplicates("name")
    predicted = torch.tensor(seen["predicted"].to_numpy())
    votes = one_hot(predicted, len(study.data.classes)).float()
    found = networks.metrics.score(votes, torch.tensor(seen["label"].to_numpy()))
    return {
        "data": study.data.name,
        "origin": study.data.origin,
        "network": study.arch,
        "images": len(seen),
        "accuracy": "{accuracy:.3f} [{accuracy_low:.3f}, {accuracy_high:.3f}]".format(**found),
        "quadratic kappa": round(found["kappa"], 3),
        "macro F1": round(found["macro_f1"], 3),
        "colour-and-size baseline": round(study.card["baseline"]["balanced_accuracy"], 3),
        "seed": study.card["seed"],
        "checkpoint": study.card["sha256"][:12],
    }


def contact_sheet(study: Study, per_class: int = 3) -> Figure:
    """The first images of every class, with the masks that maps are measured against."""
    chosen = [
        i
        for c in range(len(study.data.classes))
        for i in np.flatnonzero(study.data.labels == c)[:per_class]
    ]
    records = [study.data[int(i)] for i in chosen]
    return figures.contact_sheet(records, columns=per_class * 2, classes=study.data.classes)


def maps_figure(study: Study, methods: Sequence[str] = METHODS) -> Figure:
    """One image of every class under every method, findings outlined."""
    data = study.data
    chosen = [int(np.flatnonzero(data.labels == c)[0]) for c in np.unique(data.labels)]
    images, labels, masks = datasets.batch(data, chosen)
    found = cams.explain(
        study.model,
        networks.normalize(images),
        networks.LAYERS[study.arch]["last"],
        methods=methods,
    )
    predicted = found.logits.argmax(dim=1)
    columns = [
        data.classes[t] if t == p else f"{data.classes[t]}\n(said: {data.classes[p]})"
        for t, p in zip(labels.tolist(), predicted.tolist(), strict=True)
    ]
    wanted = [name for name in FINDINGS[data.name] if name in masks]
    contours = [{name: masks[name][i] for name in wanted} for i in range(len(chosen))]
    return figures.grid(images, {m: found.maps[m] for m in methods}, columns, contours)


def measure(
    name: str, arch: str, seed: int, data_root: str
) -> tuple[dict[str, object], pd.DataFrame]:
    """Run one network over its test set; write its tables and pictures; return its figures."""
    study = open_study(name, arch, data_root, seed=seed)
    out = output_folder(name, data_root)
    layer = networks.LAYERS[arch]["last"]
    scores = evaluation.map_scores(
        study.model, study.data, layer, METHODS, FINDINGS[study.data.name]
    )
    maps = evaluation.summary(scores)
    maps.insert(0, "network", arch)
    maps.insert(0, "data", study.data.name)
    save_table(maps, out / "tables" / f"{study.data.name}_{arch}_maps.csv")
    save_figure(contact_sheet(study), out / "figures" / f"{study.data.name}_sheet.png")
    save_figure(maps_figure(study), out / "figures" / f"{study.data.name}_{arch}_maps.png")
    return network_row(study, scores), maps


def run(profile: str, seed: int, data_root: str, only: Sequence[str] | None = None) -> int:
    """Everything, from data to `results/summary.md`; returns 0, or 1 if a chapter failed.

    Args:
        profile: "quick", "full" or "gpu". only: numbers of the chapters to run; None runs all.

    Raises:
        ValueError: a data root that is not a folder, or an unknown profile or chapter.
    """
    rows, tables = [], []
    for name, archs in STUDIES.items():
        for arch in archs:
            if not checkpoint_path(name, arch, data_root).exists():
                train.train(name, arch, seed, data_root, profile)
            row, maps = measure(name, arch, seed, data_root)
            rows.append(row)
            tables.append(maps)
            print(f"{row['data']} {arch}: accuracy {row['accuracy']}")
    write_summary(pd.DataFrame(rows), pd.concat(tables), data_root)
    return runner.run(profile=profile, seed=seed, data_root=data_root, only=only)


def write_summary(rows: pd.DataFrame, maps: pd.DataFrame, data_root: str) -> None:
    """`summary.md`: the figures of this run, and what they were measured on."""
    real = any(rows["origin"] == "real")
    folder = files.results_dir() / "real" if real else files.results_dir()
    save_table(rows, folder / "tables" / "networks.csv")
    text = f"""# What a run measures

xaihelpers {__version__}. Figures of rendered data say nothing about patients: the pictures are
drawn by a program, with exact masks. Intervals are 95 %. Made by `make reproduce`.

## Networks on their test sets

{markdown(rows)}

The colour-and-size baseline is the balanced accuracy of a linear model that sees only global
colour and size statistics, no lesion.

## Maps against masks (last stage, the network's own answer, images that show a finding)

{markdown(maps)}

`centre_gaussian` and `uniform` never look at the image: they are what a map has to beat.
"""
    with files.atomic_path(folder / "summary.md") as partial:
        partial.write_text(text)


def markdown(table: pd.DataFrame) -> str:
    """A table in Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).values.tolist()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
