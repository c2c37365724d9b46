"""Whole data sets through networks and their maps, on any number of processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn
from tqdm.auto import tqdm

from xaihelpers import cams, datasets, metrics, networks, study
from xaihelpers.datasets.records import ImageDataset
from xaihelpers.errors import EvaluationError
from xaihelpers.study import digests
from xaihelpers.study.plan import Plan, Subject
from xaihelpers.study.rows import Worker
from xaihelpers.study.table import Parts

#: The sources and libraries that decide a table.
PACKAGES = (cams, networks, datasets, metrics, study)
LIBRARIES = ("torch", "torchvision", "scikit-image")


def run_study(
    subjects: Sequence[Subject],
    data: ImageDataset,
    plan: Plan,
    folder: Path | str,
    indices: Sequence[int] | None = None,
    accelerator: Accelerator | None = None,
    progress: bool = True,
) -> pd.DataFrame:
    """Score every image, network, layer and method; each map explains the predicted class.

    Each batch is one part in `folder`, written when it is done and read when the same is asked
    again; Ctrl-C loses the batch in work. Under `accelerate launch` the batches are dealt out to
    all processes, and every process returns the whole table. A batch is computed alike wherever it
    is dealt to, so on one kind of device the table does not depend on their number.

    Args:
        subjects: networks, on the accelerator's device while they are measured.
        data: images with labels and, for some scores, masks.
        plan: what is measured.
        folder: where parts lie. Where processes do not share it, each machine resumes its own.
        indices: of images; None for all.
        accelerator: of the processes; None makes one.
        progress: show a bar per network.

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
    images = digests.data_digest(data, chosen)
    tables = []
    for subject in subjects:
        with _lent(subject.model, accelerator.device):
            worker = Worker(subject, data, plan, batches[0], accelerator.device)
            parts = Parts(Path(folder) / f"{subject.name}-{_key(worker, images)}")
            shown = progress and accelerator.is_main_process
            for number in tqdm(mine, desc=subject.name, leave=False, disable=not shown):
                tables.append(parts.rows(number, partial(worker.rows, batches[number])))
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
    code = digests.code_digest(PACKAGES, LIBRARIES)
    weights = digests.weights_digest(worker.subject.model)
    layers = dict(worker.subject.layers)
    about = [images, code, weights, layers, worker.device.type]
    return digests.key({"about": about, "plan": asdict(worker.plan)})
