"""Pictures of a setup: its images by class, and its maps under several methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from xaihelpers import cams, datasets, networks
from xaihelpers.setups import FINDINGS, Setup
from xaihelpers.show import figures


def contact_sheet(setup: Setup, per_class: int = 3) -> Figure:
    """The first images of every class, with the masks that maps are measured against."""
    chosen = [
        i
        for c in range(len(setup.data.classes))
        for i in np.flatnonzero(setup.data.labels == c)[:per_class]
    ]
    return figures.contact_sheet(
        [setup.data[int(i)] for i in chosen],
        columns=per_class * 2,
        classes=setup.data.classes,
        contours=FINDINGS[setup.data.name],
    )


def maps_figure(setup: Setup, methods: Sequence[str]) -> Figure:
    """One image of every class under every method, findings outlined."""
    data = setup.data
    chosen = [int(np.flatnonzero(data.labels == c)[0]) for c in np.unique(data.labels)]
    images, labels, masks = datasets.batch(data, chosen)
    explanation = cams.explain(
        setup.model,
        networks.normalize(images),
        networks.LAYERS[setup.arch]["last"],
        methods=methods,
    )
    predicted = explanation.logits.argmax(dim=1)
    columns = [
        data.classes[t] if t == p else f"{data.classes[t]}\n(said:\n{data.classes[p]})"
        for t, p in zip(labels.tolist(), predicted.tolist(), strict=True)
    ]
    wanted = [name for name in FINDINGS[data.name] if name in masks]
    contours = [{name: masks[name][i] for name in wanted} for i in range(len(chosen))]
    return figures.grid(images, {m: explanation.maps[m] for m in methods}, columns, contours)
