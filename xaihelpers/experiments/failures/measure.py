"""Measure failures, attacks and the marker experiment over whole test sets, a row per image.

    python -m xaihelpers.experiments.failures.measure [marker attacks failures]

writes results/tables/c8_marker.csv, c13_attacks.csv and c15_failures.csv; rows of these networks
that are there are not made again.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xaihelpers import datasets, files, networks
from xaihelpers.experiments.failures.attacked import attack_rows, least_likely
from xaihelpers.experiments.failures.repair import failure_rows
from xaihelpers.experiments.marker.shortcut import SCHEMES, marker_rows
from xaihelpers.files import save_table
from xaihelpers.setups import FINDINGS, Setup, open_setup
from xaihelpers.study import finding_mask

#: The marker experiment: network and name in the table -> the study whose network it is. Both of a
#: pair have one recipe and the same patients.
MARKER_NETWORKS = {
    ("densenet121", "linked"): "chest_marker",
    ("densenet121", "balanced"): "chest_xray",
    ("small_vgg_gap", "linked"): "chest_marker_small",
    ("small_vgg_gap", "balanced"): "chest_lot_small",
}
#: Attacked networks: how many images, how many steps.
ATTACKED = {
    ("scenes", "resnet18"): (60, 20),
    ("chest_xray", "densenet121"): (30, 20),
    ("fundus", "efficientnet_b0"): (40, 20),
}
#: Networks whose wrong answers are looked at.
FAILING = (("chest_xray", "densenet121"), ("fundus", "efficientnet_b0"))
CHUNK = 45  # images between two saves


def table_path(name: str, results: Path | str | None = None) -> Path:
    """Where a measured table lies, below `files.results_dir()` by default."""
    return Path(results or files.results_dir()) / "tables" / f"{name}.csv"


def read(name: str, results: Path | str) -> pd.DataFrame:
    """The measured table below `results`, where a copy of the shipped one is put or renewed.

    Raises:
        FileNotFoundError: neither exists; says how to measure.
    """
    path, shipped = table_path(name, results), table_path(name)
    if not path.exists() and not shipped.exists():
        raise FileNotFoundError(f"{shipped}: run python -m xaihelpers.experiments.failures.measure")
    if shipped.exists() and (not path.exists() or path.read_bytes() != shipped.read_bytes()):
        with files.atomic_path(path) as partial:
            shutil.copy(shipped, partial)
    return pd.read_csv(path)


def _parts(items: Sequence[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _layer(arch: str) -> str:
    return networks.LAYERS[arch]["last"]


def _grow(name: str, rows: pd.DataFrame, study: Setup) -> None:
    """Append rows to a table, rounded so that it stays small."""
    path = table_path(name)
    before = [pd.read_csv(path)] if path.exists() else []
    numbers = rows.select_dtypes("float").columns.difference(["p_before", "p_after"])
    rows = rows.assign(**{column: rows[column].astype(float).round(5) for column in numbers})
    rows["checkpoint"] = study.card["sha256"][:12]
    save_table(pd.concat([*before, rows], ignore_index=True), path)


def _done(name: str, study: Setup, keys: dict[str, str], searched: int = 0) -> set[int]:
    """The images that a table holds for these keys.

    Rows of an older checkpoint, or of a search through fewer images than `searched`, are removed.
    """
    path = table_path(name)
    if not path.exists():
        return set()
    table = pd.read_csv(path)
    asked = (table[list(keys)] == list(keys.values())).all(axis=1)
    old = asked & (table["checkpoint"] != study.card["sha256"][:12])
    if searched:
        old |= asked & (table["searched"] < searched)
    if old.any():
        save_table(table[~old], path)
    return set(table[asked & ~old]["index"])


def marker(limit: int | None = None) -> None:
    """Every test patient under every scheme, asked of both networks of every pair."""
    for (arch, network), name in MARKER_NETWORKS.items():
        study = open_setup(name, arch, limit=1)
        for scheme in SCHEMES:
            keys = {"arch": arch, "network": network, "scheme": scheme}
            done = _done("c8_marker", study, keys)
            left = [i for i in range(limit or 900) if i not in done]
            for part in _parts(left, CHUNK):
                rows = marker_rows(study.model, _layer(arch), scheme, part, study.data.size)
                _grow("c8_marker", rows.assign(**keys), study)


def attacks(limit: int | None = None) -> None:
    """Attack the first images that are answered rightly and show their finding or object."""
    for (name, arch), (count, steps) in ATTACKED.items():
        if not files.checkpoints_dir().joinpath(f"{name}_{arch}.safetensors").exists():
            print(f"{name}_{arch} does not exist; left out", flush=True)
            continue
        study = open_setup(name, arch)
        done = _done("c13_attacks", study, {"study": name})
        for part in _parts(_right_and_visible(study, limit or count), 10):
            left = [i for i in part if i not in done]
            if left:
                rows = attack_study(study, left, steps).assign(study=name)
                _grow("c13_attacks", rows, study)


def attack_study(study: Setup, indices: Sequence[int], steps: int) -> pd.DataFrame:
    """`attack_rows` of a study's images, towards the least likely class that is not in them."""
    images, labels, masks = datasets.batch(study.data, indices)
    logits = networks.predict(study.model, images)
    present = objects_of(study, masks).flatten(2).any(dim=2) if study.name == "scenes" else None
    rows = attack_rows(
        study.model,
        _layer(study.arch),
        images,
        labels,
        least_likely(logits, present),
        truth_mask(study, labels, masks),
        steps=steps,
    )
    return rows.assign(index=list(indices))


def objects_of(study: Setup, masks: dict[str, Tensor]) -> Tensor:
    """Masks of the classes' objects in a scene, (N, C, H, W) bool."""
    return torch.stack([masks[name] for name in study.data.classes], dim=1)


def truth_mask(study: Setup, labels: Tensor, masks: dict[str, Tensor]) -> Tensor:
    """What the true class is about: its object in a scene, else the findings; (N, H, W) bool."""
    if study.name == "scenes":
        return objects_of(study, masks)[torch.arange(len(labels)), labels]
    return finding_mask(masks, FINDINGS[study.data.name])


def _right_and_visible(study: Setup, count: int) -> list[int]:
    found: list[int] = []
    for part in _parts(range(len(study.data)), 15):
        images, labels, masks = datasets.batch(study.data, part)
        right = networks.predict(study.model, images).argmax(dim=1) == labels
        visible = truth_mask(study, labels, masks).flatten(1).any(dim=1)
        found += [i for i, good in zip(part, (right & visible).tolist(), strict=True) if good]
        if len(found) >= count:
            break
    return found[:count]


def failures(limit: int | None = None) -> None:
    """Every wrong answer of the shipped networks; a set is searched once, or again for more."""
    for name, arch in FAILING:
        study = open_setup(name, arch, limit=limit)
        keys = {"study": name, "network": arch}
        if _done("c15_failures", study, keys, len(study.data)):
            continue
        wrong = list(_wrong(study))
        images, labels, _ = datasets.batch(study.data, wrong)
        rows = failure_rows(study.model, _layer(arch), images, labels)
        rows = rows.assign(index=wrong, **keys, searched=len(study.data))
        _grow("c15_failures", rows, study)


def _wrong(study: Setup) -> Iterator[int]:
    for part in _parts(range(len(study.data)), 30):
        images, labels, _ = datasets.batch(study.data, part)
        answers = networks.predict(study.model, images).argmax(dim=1)
        yield from np.asarray(part)[(answers != labels).numpy()].tolist()


PARTS: dict[str, Callable[[int | None], None]] = {
    "failures": failures,
    "attacks": attacks,
    "marker": marker,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the rows that are missing, saving as it goes; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m xaihelpers.experiments.failures.measure")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all by default")
    parser.add_argument("--limit", type=int, help="so many images only")
    chosen = parser.parse_args(arguments)
    for part in chosen.parts or PARTS:
        PARTS[part](chosen.limit)
        print(f"{part}: done", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
