"""The retinopathy study measured on many images: the tables that stand beside chapter 14.

    python -m xaihelpers measure retinopathy

writes `c2_layers.csv`, `c3_causes.csv`, `c2_repairs.csv` and `c6_eps.csv` to results/tables, from
more images than the chapter has time for; tables of fewer images than `TABLES` says are printed
only. The same functions make the chapter's own figures.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from xaihelpers import datasets, files, networks
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.retinopathy import corner_tables, steadiness
from xaihelpers.experiments.retinopathy.corner_causes import Suspects
from xaihelpers.files import save_table
from xaihelpers.metrics.baselines import BaselineResult
from xaihelpers.metrics.intervals import Interval
from xaihelpers.setups import FINDINGS, Setup, open_setup
from xaihelpers.study import (
    BASELINES,
    NO_LAYER,
    Plan,
    Subject,
    interval_table,
    mean_of,
    priors_once,
    read_table,
    run_study,
    without_own,
)

#: The methods of the retinopathy project, in its order.
METHODS = ("grad_cam", "grad_cam_plus_plus", "xgrad_cam")

#: Network -> role -> layer. Of EfficientNet-B0, only "last" comes from an activation (SiLU) and
#: feeds the pooling; all others are signed. Of VGG19, only "raw conv" is signed.
LAYERS: dict[str, dict[str, str]] = {
    "efficientnet_b0": {
        "last": "features.8",
        "batch norm": "features.8.1",
        "raw conv": "features.8.0",
        "bottleneck 7": "features.7",
        "bottleneck 6": "features.6",
        "stage4": "features.5",
        "stage3": "features.3",
    },
    "vgg19": {
        "last": "features.36",
        "stage4": "features.35",
        "raw conv": "features.34",
        "stage3": "features.26",
    },
}
#: Role of the signed tensor whose worst maps are shown.
SIGNED = {"efficientnet_b0": "bottleneck 6", "vgg19": "raw conv"}
#: Centre of the first of the last layer's cells and their distance, in pixels of 224.
CENTRES = {"efficientnet_b0": (0.0, 32.0), "vgg19": (15.5, 32.0)}
SUSPECTS = ("features.6", "features.8.0")  # of EfficientNet-B0, both 7 x 7 and signed
STEADY = ("last", "raw conv", "bottleneck 6", "stage4")  # layers whose stability is measured
REPAIRED = ("last", "batch norm", "raw conv", "bottleneck 7", "bottleneck 6")
#: What is measured at every layer: where heat lies, likeness to Grad-CAM, and shape.
LAYER_SCORES = (
    *("outside", "peak_outside", "corner", "peak_corner", "energy", "hit", "hit_15px"),
    *("pearson_quarter", "spearman_quarter", "ssim_quarter", "top_iou_quarter"),
    *("half", "entropy", "variation"),
)


def size_only(train: ImageDataset, test: ImageDataset) -> BaselineResult | None:
    """What the photographs' original size alone tells: each size answers with its commonest grade.

    Fitted on `train`, scored on `test`. None where the records hold no original size, as rendered
    ones do, which all come at one size.
    """
    tables = []
    for data in (train, test):
        metas = [data[i].meta for i in range(len(data))]
        if not metas or "width" not in metas[0]:
            return None
        sizes = [f"{meta['width']} x {meta['height']}" for meta in metas]
        tables.append(pd.DataFrame({"size": sizes, "grade": data.labels}))
    known, asked = tables
    usual = known["grade"].mode()[0]
    answers = known.groupby("size")["grade"].agg(lambda grades: grades.mode()[0])
    said = asked["size"].map(answers).fillna(usual).astype(int)
    right = [said[asked["grade"] == grade].eq(grade).mean() for grade in set(asked["grade"])]
    return BaselineResult(float(np.mean(right)), 1 / len(right))


def stored(results: str | Path, name: str) -> pd.DataFrame:
    """A table of `TABLES` (or `c18_heads`) below a results folder; empty where there is none."""
    return read_table(Path(results) / "tables" / f"{name}.csv")


def intervals(
    table: pd.DataFrame, column: str, rows: Mapping[str, Mapping[str, object]]
) -> dict[str, Interval]:
    """Label -> mean of the column over the rows chosen by equality; without those of one image."""
    means = {}
    for label, where in rows.items():
        with suppress(EvaluationError):
            means[label] = mean_of(table, column, **where)
    return means


def layer_rows(setup: Setup) -> pd.DataFrame:
    """Rows of `run_study`: every layer and method of one network, and `BASELINES` once."""
    masks = FINDINGS[setup.data.name]
    plan = Plan(METHODS, LAYER_SCORES, masks, BASELINES, batch_size=8)
    subject = Subject(setup.arch, setup.model, LAYERS[setup.arch])
    rows = run_study([subject], setup.data, plan, files.data_dir() / "cache" / "retinopathy")
    return without_own(priors_once(rows), METHODS[0])


def layers_table(count: dict[str, int]) -> pd.DataFrame:
    """Every layer, method and figure of both networks; `count` images of the test set each."""
    tables = []
    for arch, images in count.items():
        setup = open_setup("fundus", arch, limit=images)
        rows, order = layer_rows(setup), [*LAYERS[arch], NO_LAYER]
        rows = rows.sort_values("layer", key=lambda roles: roles.map(order.index), kind="stable")
        table = interval_table(rows, LAYER_SCORES)
        table.insert(0, "network", arch)
        tables.append(_stamped(table, setup))
    return pd.concat(tables, ignore_index=True)


def causes_table(count: dict[str, int]) -> pd.DataFrame:
    """The suspects of glowing corners at every suspect tensor of EfficientNet-B0."""
    study = open_setup("fundus", "efficientnet_b0", limit=count["efficientnet_b0"])
    suspects = Suspects(study.model, LAYERS[study.arch]["last"], SUSPECTS)
    tables = []
    by_tensor = corner_tables.causes(suspects, study.data, len(study.data))
    for (name, outcome), outcomes in by_tensor.items():
        table = corner_tables.explained(outcomes)
        table.insert(0, "tensor", name)
        table.insert(1, "outside", outcome)
        table["whole effect"] = str(corner_tables.whole_effect(outcomes))
        table["images"] = len(study.data)
        tables.append(table)
    return _stamped(pd.concat(tables, ignore_index=True), study)


def repairs_table(count: dict[str, int]) -> pd.DataFrame:
    """XGrad-CAM as written and repaired at the signed tensors of EfficientNet-B0."""
    study = open_setup("fundus", "efficientnet_b0", limit=count["efficientnet_b0"])
    chosen = {role: LAYERS[study.arch][role] for role in REPAIRED}
    scores = corner_tables.repair_scores(study.model, study.data, chosen, len(study.data))
    columns = ("outside", "peak_outside", "negative", "flipped", "dominance")
    return _stamped(interval_table(scores, columns), study)


def eps_table(count: dict[str, int]) -> pd.DataFrame:
    """Roughness and stability of Grad-CAM, and of XGrad-CAM at every eps, by tensor."""
    study = open_setup("fundus", "efficientnet_b0", limit=count["efficientnet_b0"])
    chosen = {role: LAYERS[study.arch][role] for role in STEADY}
    scores = steady(study, chosen, len(study.data))
    names = scores["method"] + scores["eps"].map("{:.0e}".format).radd(" ").where(
        scores["eps"].notna(), ""
    )
    return _stamped(interval_table(scores.assign(method=names), ("variation", "stability")), study)


def steady(study: Setup, layers: dict[str, str], count: int, seed: int = 0) -> pd.DataFrame:
    """`steadiness.steadiness` of the first `count` images and their predicted classes."""
    parts = []
    for chosen in torch.arange(min(count, len(study.data))).split(8):
        images, _, _ = datasets.batch(study.data, chosen.tolist())
        classes = networks.predict(study.model, images).argmax(dim=1)
        part = steadiness.steadiness(study.model, images, layers, classes, seed=seed)
        parts.append(part.assign(image=part["image"] + int(chosen[0])))
    return pd.concat(parts, ignore_index=True)


def _stamped(table: pd.DataFrame, study: Setup) -> pd.DataFrame:
    """The table with what it rests on."""
    rests_on: dict[str, Any] = {
        "data": f"{study.data.name} ({study.data.origin}), {study.data.split}",
        "image seed": study.data.seed,
        "checkpoint": study.card["sha256"][:12],
        "torch": torch.__version__,
    }
    return table.assign(**rests_on)


TABLES: dict[str, tuple[Callable[[dict[str, int]], pd.DataFrame], dict[str, int]]] = {
    "c2_layers": (layers_table, {"efficientnet_b0": 200, "vgg19": 200}),
    "c3_causes": (causes_table, {"efficientnet_b0": 150}),
    "c2_repairs": (repairs_table, {"efficientnet_b0": 300}),
    "c6_eps": (eps_table, {"efficientnet_b0": 150}),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of `measure retinopathy`."""
    parser.add_argument("names", nargs="*", choices=[*TABLES, []], help="tables (default: all)")
    parser.add_argument("--limit", type=int, help="at most so many images each")


def measure(options: argparse.Namespace) -> None:
    """Measure the tables asked for; write them, or print those of fewer images."""
    for name in options.names or TABLES:
        make, counts = TABLES[name]
        limited = {arch: min(n, options.limit or n) for arch, n in counts.items()}
        table = make(limited)
        if limited == counts:
            save_table(table, files.results_dir() / "tables" / f"{name}.csv")
            print(f"wrote {name}.csv: {limited}")
        else:
            print(f"{table.to_string()}\n{name}.csv is not written: it takes {counts}")
