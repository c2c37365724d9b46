"""Whole data sets through networks and their maps: one row per image, layer and method.

`run` takes any set of networks, layers, methods and scores, on any number of processes;
`map_scores` is the short form for one network and one layer, in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn
from tqdm.auto import tqdm

from xaihelpers import cams, datasets, networks
from xaihelpers.cams import engine, passes, stacked
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.evaluation import (
    agreement,
    faithfulness,
    localization,
    parts,
    prior_maps,
    removal,
    rows,
    sanity,
    scores,
)
from xaihelpers.evaluation.errors import EvaluationError
from xaihelpers.evaluation.intervals import bootstrap_interval
from xaihelpers.evaluation.rows import PRIORS, Plan, Subject, Worker, finding_mask

__all__ = ["BASELINES", "PRIORS", "Plan", "Subject", "finding_mask", "map_scores", "run", "summary"]

#: Maps that never look at the network: what a method has to beat.
BASELINES = ("centre_gaussian", "uniform")

#: The sources that decide a table.
CODE = (
    *(cams.methods, cams.maps, stacked, engine, passes),
    *(agreement, faithfulness, localization, prior_maps, removal, rows, sanity, scores),
)


def run(
    subjects: Sequence[Subject],
    data: ImageDataset,
    plan: Plan,
    folder: Path | str,
    indices: Sequence[int] | None = None,
    accelerator: Accelerator | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score every image, network, layer and method; the class asked about is the network's answer.

    Each batch is one Parquet part in `folder`, written when it is done and read when the same is
    asked again; Ctrl-C loses the batch in work. Under `accelerate launch` the batches are dealt
    out to all processes, and every process returns the whole table. A batch is computed alike
    wherever it is dealt to, so on one kind of device the table does not depend on their number.

    Args:
        subjects: networks, moved to the accelerator's device. indices: images; None for all.
        folder: shared by the processes or not; where not, each machine resumes its own parts.

    Returns:
        Rows by network, image, layer, method. Columns: network, image (index), label, predicted,
        confidence, area (share of the image that the finding covers), layer (role), method, empty,
        and one per score, NaN where there is nothing to measure.

    Raises:
        EvaluationError: no network or image, or masks that the data lack.
        StorageError: the folder cannot be written.
    """
    chosen = list(range(len(data))) if indices is None else [int(i) for i in indices]
    if not subjects or not chosen:
        raise EvaluationError("nothing to do: give at least one network and one image")
    accelerator = accelerator or Accelerator()
    batches = [chosen[i : i + plan.batch_size] for i in range(0, len(chosen), plan.batch_size)]
    mine = range(accelerator.process_index, len(batches), accelerator.num_processes)
    images = parts.data_digest(data, chosen)
    tables = []
    for subject in subjects:
        subject.model.to(accelerator.device)
        worker = Worker(subject, data, plan, batches[0], accelerator.device)
        place = Path(folder) / f"{subject.name}-{_key(worker, images)}"
        shown = progress and accelerator.is_main_process
        for number in tqdm(mine, desc=subject.name, leave=False, disable=not shown):
            path = place / f"{number:05d}.parquet"
            if not path.exists():
                parts.write(worker.rows(batches[number]), path)
            tables.append(parts.read(path))
    accelerator.wait_for_everyone()
    whole = pd.concat(gather_object(tables), ignore_index=True)
    return whole.sort_values(["network", "image", "layer", "method"], ignore_index=True)


def _key(worker: Worker, images: str) -> str:
    """Everything that rows rest on, as the name of their folder."""
    weights = parts.weights_digest(worker.subject.model)
    layers = dict(worker.subject.layers)
    about = [images, parts.code_digest(CODE), weights, layers, worker.device.type]
    return parts.key({"about": about, "plan": asdict(worker.plan)})


def map_scores(
    model: nn.Module,
    data: ImageDataset,
    layer: str,
    methods: Sequence[str],
    mask_names: Sequence[str],
    batch_size: int = 16,
    progress: bool = True,
) -> pd.DataFrame:
    """Prediction, energy in the finding and pointing hit: one row per image and method.

    The class asked about is the network's own answer. `energy` and `hit` are NaN where the image
    shows no finding, which is everywhere in a data set without masks. Columns: name, label,
    predicted, method, energy, hit, empty, area (share of the image that the mask covers). The
    baselines of `BASELINES` are rows like any other method.

    Raises:
        EvaluationError: the data set has masks, but not those that `mask_names` asks for.
    """
    tables: list[pd.DataFrame] = []
    starts = range(0, len(data), batch_size)
    for start in tqdm(starts, desc=f"{data.name} maps", leave=False, disable=not progress):
        indices = range(start, min(start + batch_size, len(data)))
        images, labels, masks = datasets.batch(data, indices)
        size = (images.shape[-2], images.shape[-1])
        no_mask = torch.zeros(len(images), *size, dtype=torch.bool)
        mask = finding_mask(masks, mask_names) if masks else no_mask
        found = cams.explain(model, networks.normalize(images), layer, methods=methods)
        heats = {name: found.maps[name] for name in methods}
        heats |= {name: getattr(prior_maps, name)(len(images), size) for name in BASELINES}
        absent = ~mask.flatten(1).any(dim=1)
        tables += [
            pd.DataFrame(
                {
                    "name": [f"{data.name}/{data.split}/{index:05d}" for index in indices],
                    "label": labels,
                    "predicted": found.logits.argmax(dim=1),
                    "method": name,
                    "energy": _unless(absent, localization.energy_in_mask(heat, mask)),
                    "hit": _unless(absent, localization.pointing_hit(heat, mask)),
                    "empty": localization.is_empty(heat),
                    "area": mask.float().mean(dim=(1, 2)),
                }
            )
            for name, heat in heats.items()
        ]
    return pd.concat(tables, ignore_index=True)


def _unless(absent: Tensor, values: Tensor) -> Tensor:
    return values.float().masked_fill(absent, float("nan"))


def summary(scored: pd.DataFrame) -> pd.DataFrame:
    """A row per method: means with bootstrap 95 % intervals over the images that show a finding.

    `scored`: from `map_scores`. Columns: method, images (that show a finding), "energy in mask" and
    "pointing" ("-" where there is nothing to measure, a mean without interval where there is one
    image), "empty maps" (of all images).
    """
    table = []
    for method, part in scored.groupby("method", sort=False):
        shown = part.dropna(subset=["energy"])
        table.append(
            {
                "method": method,
                "images": len(shown),
                "energy in mask": _mean(shown["energy"]),
                "pointing": "-" if method == "uniform" else _mean(shown["hit"]),
                "empty maps": int(part["empty"].sum()),
            }
        )
    return pd.DataFrame(table)


def _mean(values: pd.Series) -> str:
    if len(values) < 2:
        return f"{values.iloc[0]:.3f}" if len(values) else "-"
    return str(bootstrap_interval(values))
