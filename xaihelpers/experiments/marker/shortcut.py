"""The marker experiment: does a network read the text burned into radiographs, and does a map tell?

The same test patients are shown with other texts, or without lungs. Only the text or the lungs
change, so a change of the answer has no other cause (Zech 2018, DeGrave 2021; lungs blacked out:
Maguolo & Nanni 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from xaihelpers import cams, networks
from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered import chest as chest_xray
from xaihelpers.datasets.tensors import stack
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.localization import energy_in_mask

COVID = chest_xray.CLASSES.index("COVID")
#: What is done to a test image. In training the linked network saw "as trained" only.
SCHEMES = {
    "as trained": 'COVID reads "AP PORTABLE", the others "L" or nothing',
    "removed": "no text on any image",
    "swapped": 'COVID reads "L", the others "AP PORTABLE"',
    "lungs black": "as trained, with every lung pixel black",
}


def scheme_record(scheme: str, index: int, size: int = 224, seed: int = 0) -> Record:
    """One test patient under a scheme of `SCHEMES`; the same patient under all of them.

    Raises:
        EvaluationError: unknown scheme.
    """
    if scheme not in SCHEMES:
        raise EvaluationError(f"unknown scheme {scheme!r}: use one of {', '.join(SCHEMES)}")
    if scheme == "removed":
        return chest_xray.render("test", index, seed=seed, size=size, marker="none")
    if scheme == "swapped":
        linked = index % len(chest_xray.CLASSES) == COVID
        text = "L" if linked else "AP PORTABLE"
        return chest_xray.render("test", index, seed=seed, size=size, marker=text)
    record = chest_xray.render("test", index, seed=seed, size=size, marker_correlation=1.0)
    if scheme == "lungs black":
        lungs = record.masks["lung"][..., None]
        record = replace(record, image=np.where(lungs, np.uint8(0), record.image))
    return record


def marker_rows(
    model: nn.Module,
    layer: str,
    scheme: str,
    indices: Sequence[int],
    size: int = 224,
    seed: int = 0,
    batch_size: int = 15,
) -> pd.DataFrame:
    """A row per patient: the answer, and how much of each Grad-CAM map lies on text and finding.

    Columns: index, label, predicted, p_label (probability of the true class); marker_area and
    finding_area (shares of the image); marker_covid, marker_answer, marker_label (energy on the
    text of the maps of COVID, of the answer, of the true class); finding_label (energy of the true
    class's map in the opacity).

    Args:
        model: the network.
        layer: dotted name; where it feeds average pooling, Grad-CAM there is CAM.
        scheme: of `SCHEMES`.
        indices: of the test split.
        size: of the images, in px.
        seed: of the renderer.
        batch_size: images at a time.
    """
    parts = []
    for start in range(0, len(indices), batch_size):
        chosen = list(indices[start : start + batch_size])
        batch = stack([scheme_record(scheme, i, size, seed) for i in chosen])
        parts.append(_rows(model, layer, batch).assign(index=chosen))
    table = pd.concat(parts, ignore_index=True)
    return table[["index", *table.columns.drop("index")]]


def _rows(
    model: nn.Module, layer: str, batch: tuple[Tensor, Tensor, dict[str, Tensor]]
) -> pd.DataFrame:
    images, labels, masks = batch
    explained = cams.explain_classes(model, networks.normalize(images), layer)
    heats, every = explained.maps["grad_cam"], torch.arange(len(images))
    predicted = explained.logits.argmax(dim=1)
    text, finding = masks["marker"], masks["opacity"]
    return pd.DataFrame(
        {
            "label": labels,
            "predicted": predicted,
            "p_label": explained.logits.softmax(dim=1)[every, labels],
            "marker_area": text.float().mean(dim=(1, 2)),
            "finding_area": finding.float().mean(dim=(1, 2)),
            "marker_covid": energy_in_mask(heats[:, COVID], text),
            "marker_answer": energy_in_mask(heats[every, predicted], text),
            "marker_label": energy_in_mask(heats[every, labels], text),
            "finding_label": energy_in_mask(heats[every, labels], finding),
        }
    )
