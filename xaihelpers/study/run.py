"""Whole data sets through networks and their maps: one row per image, layer and method.

`run` takes any set of networks, layers, methods and scores, on any number of processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn
from tqdm.auto import tqdm

from xaihelpers import cams
from xaihelpers.cams.engine import explain as engine
from xaihelpers.cams.engine import forward, pooling, recording, stacked
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement, faithfulness, localization, prior_maps, removal, sanity
from xaihelpers.metrics.intervals import bootstrap_interval
from xaihelpers.study import parts, rows, scores
from xaihelpers.study.rows import PRIORS, Plan, Subject, Worker, finding_mask

__all__ = ["BASELINES", "PRIORS", "Plan", "Subject", "finding_mask", "run", "summary"]

#: Maps that never look at the network: what a method has to beat.
BASELINES = ("centre_gaussian", "uniform")

#: The sources that decide a table.
CODE = (
    *(cams.methods, cams.maps, stacked, engine, forward, pooling, recording),
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
        subjects: networks, on the accelerator's device while they are measured. indices: images;
            None for all.
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
        with _lent(subject.model, accelerator.device):
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


@contextmanager
def _lent(model: nn.Module, device: torch.device) -> Iterator[None]:
    """The network on `device` in the block, afterwards where it was."""
    before = next(model.parameters()).device
    try:
        model.to(device)
        yield
    finally:
        model.to(before)


def _key(worker: Worker, images: str) -> str:
    """Everything that rows rest on, as the name of their folder."""
    weights = parts.weights_digest(worker.subject.model)
    layers = dict(worker.subject.layers)
    about = [images, parts.code_digest(CODE), weights, layers, worker.device.type]
    return parts.key({"about": about, "plan": asdict(worker.plan)})


def summary(scored: pd.DataFrame) -> pd.DataFrame:
    """A row per method: means with bootstrap 95 % intervals over the images that show a finding.

    `scored`: from `run`, of one network and layer; prior maps come last. Columns: method, images
    (that show a finding), "energy in mask" and "pointing" ("-" where there is nothing to measure,
    a mean without interval where there is one image), "empty maps" (of all images).
    """
    table = []
    methods = scored["method"].unique()
    for method in sorted(methods, key=lambda name: (name in PRIORS, name)):
        part = scored[scored["method"] == method]
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
