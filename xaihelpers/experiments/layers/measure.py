"""What each named layer of each trained network is good for, measured: which layer to hook.

    python -m xaihelpers.experiments.layers.measure

writes `which_layer.csv` to results/tables: one row per network, layer and method. With another
`--limit` the table is printed only.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence

import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import datasets, files, networks
from xaihelpers.cams.axioms import denominator_report
from xaihelpers.cams.engine.forward import Pass, run, undisturbed
from xaihelpers.cams.engine.stacked import raw_maps
from xaihelpers.cams.maps import min_max, rectify, upsample
from xaihelpers.cams.methods import METHODS
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.files import save_table
from xaihelpers.metrics import prior_maps
from xaihelpers.metrics.intervals import bootstrap_interval
from xaihelpers.metrics.localization import energy_in_mask, pointing_hit
from xaihelpers.setups import FINDINGS, Setup, open_setup
from xaihelpers.study import finding_mask

SUBJECTS = (("fundus", "efficientnet_b0"), ("fundus", "vgg19"), ("chest_xray", "densenet121"))
NEAR = 15  # px around a finding that count as a hit, as in the published pointing game
SCORES = ("energy", "lift", "near")
SIGNS = ("negative cells", "negative sums", "flipped weights")


def shown(data: ImageDataset, names: Sequence[str], count: int) -> tuple[Tensor, Tensor]:
    """The first `count` images with a finding, (N, 3, H, W) uint8, and its masks (N, H, W)."""
    images, masks = [], []
    for start in range(0, len(data), 16):
        batch, _, found = datasets.batch(data, list(range(start, min(start + 16, len(data)))))
        mask = finding_mask(found, names)
        there = mask.flatten(1).any(dim=1)
        images.append(batch[there])
        masks.append(mask[there])
        if sum(map(len, masks)) >= count:
            break
    return torch.cat(images)[:count], torch.cat(masks)[:count]


def scores(heat: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """(N,) each: heat in the finding, that over the finding's area, peak within 15 px of it."""
    energy = energy_in_mask(heat, mask)
    area = mask.flatten(1).float().mean(dim=1)
    return {
        "energy": energy,
        "lift": energy / area,
        "near": pointing_hit(heat, mask, NEAR).float(),
    }


def signs(activations: Tensor, gradients: Tensor) -> dict[str, Tensor]:
    """(N,) each: shares of negative cells, of channels with a negative sum, of turned weights."""
    report = denominator_report(activations, gradients)
    negative = (activations < 0).flatten(1).float().mean(dim=1)
    return dict(zip(SIGNS, (negative, report.negative, report.flipped), strict=True))


def seen(model: nn.Module, images: Tensor, layers: Sequence[str]) -> list[tuple[Tensor, Tensor]]:
    """Activations and gradients of the largest logit at every layer, from one pass."""

    def finish(done: Pass) -> list[tuple[Tensor, Tensor]]:
        return [(activations.detach(), found[0]) for ((activations, found),) in done.gradients()]

    with undisturbed(model, images.device.type):
        return run(model, images, layers, lambda logits: logits.amax(dim=1), finish)


def layer_rows(
    model: nn.Module, layers: Sequence[str], images: Tensor, masks: Tensor
) -> dict[tuple[str, str], dict[str, Tensor]]:
    """(layer, method) -> column -> one value per image, for the predicted class."""
    parts: dict[tuple[str, str], list[dict[str, Tensor]]] = defaultdict(list)
    for batch, mask in zip(images.split(8), masks.split(8), strict=True):
        found = seen(model, networks.normalize(batch), layers)
        for layer, (activations, gradients) in zip(layers, found, strict=True):
            shares = signs(activations, gradients)
            for name, maps in raw_maps(activations, gradients[None], tuple(METHODS)).items():
                heat = min_max(upsample(rectify(maps[0]), mask.shape[1:]))
                parts[layer, name].append(scores(heat, mask) | shares)
    return {
        key: {column: torch.cat([part[column] for part in rows]) for column in rows[0]}
        for key, rows in parts.items()
    }


def prior_rows(images: Tensor, masks: Tensor) -> list[dict[str, object]]:
    """The maps that know nothing of the network: a blob in the middle, and the image's edges."""
    height, width = masks.shape[1:]
    blind = {
        "centre_gaussian": prior_maps.centre_gaussian(len(images), (height, width)),
        "edges": prior_maps.edges(images),
    }
    found = {name: scores(heat, masks) for name, heat in blind.items()}
    rows: list[dict[str, object]] = []
    for name, row in found.items():
        means = {key: str(bootstrap_interval(row[key])) for key in SCORES}
        rows.append({"role": "-", "method": name, **means})
    return rows


def study_table(study: Setup, count: int) -> pd.DataFrame:
    """Every named layer of one network under every method, and the maps that ignore the network."""
    images, masks = shown(study.data, FINDINGS[study.data.name], count)
    about = networks.layer_table(study.arch, images.shape[-1]).set_index("role")
    head: dict[str, object] = {"study": study.name, "network": study.arch, "images": len(images)}
    found = layer_rows(study.model, list(about["module"]), images, masks)
    rows: list[dict[str, object]] = []
    for role, place in about.iterrows():
        for method in METHODS:
            columns = found[place["module"], method]
            row = head | {"role": role, **place.to_dict(), "method": method}
            row |= {name: str(bootstrap_interval(columns[name])) for name in SCORES}
            rows.append(row | {name: round(float(columns[name].mean()), 3) for name in SIGNS})
    rows += [head | row for row in prior_rows(images, masks)]
    return (
        pd.DataFrame(rows)
        .astype({"channels": "Int64"})
        .assign(
            data=f"{study.data.name} ({study.data.origin}), {study.data.split}",
            seed=study.data.seed,
            checkpoint=study.card["sha256"][:12],
            torch=torch.__version__,
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; write `results/tables/which_layer.csv`, or print another sample; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m xaihelpers.experiments.layers.measure")
    parser.add_argument("--limit", type=int, default=120, help="images with a finding each")
    chosen = parser.parse_args(arguments)
    tables = [study_table(open_setup(*names), chosen.limit) for names in SUBJECTS]
    table = pd.concat(tables, ignore_index=True)
    if chosen != parser.parse_args([]):
        print(f"{table.to_string()}\nnot written: the shipped table is another sample")
        return 0
    path = files.results_dir() / "tables" / "which_layer.csv"
    save_table(table, path)
    print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
