"""What every chapter does at its beginning, at its exercises and at its end."""

from __future__ import annotations

import os
import platform
import random
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any

import numpy as np
import torch
from IPython.core.getipython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure

from xaihelpers.show.style import use_style


def setup(seed: int = 0) -> None:
    """Seed python, numpy and torch, set torch's threads (`OMP_NUM_THREADS`, else 1), set the look.

    In a notebook a `Figure` as a cell's last expression is then shown, photographs as JPEG and
    everything else as PNG, which keeps the notebook small and its charts sharp.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - libraries that still use the global generator
    torch.manual_seed(seed)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or 1))
    use_style()
    shell: Any = get_ipython()
    if hasattr(shell, "kernel"):
        shell.run_line_magic("matplotlib", "inline")
        formats = shell.display_formatter.formatters
        formats["image/png"].for_type(Figure, _as_png)
        formats["image/jpeg"].for_type(Figure, _as_jpeg)


def _holds_photographs(figure: Figure) -> bool:
    drawn = [image.get_array() for ax in figure.axes for image in ax.images]
    return any(pixels is not None and pixels.ndim == 3 for pixels in drawn)


def _as_png(figure: Figure) -> bytes | str | None:
    return None if _holds_photographs(figure) else print_figure(figure, "png")


def _as_jpeg(figure: Figure) -> bytes | str | None:
    if not _holds_photographs(figure):
        return None
    return print_figure(figure, "jpeg", pil_kwargs={"quality": 88})


def footer(*sources: Mapping[str, Any] | Any) -> None:
    """Print what the figures above rest on: versions, device, seed, data and checkpoints.

    Args:
        sources: model cards (`networks.load_shipped` gives one) and data sets (`datasets.load`).
    """
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "xaihelpers")}
    print(
        f"python {platform.python_version()}",
        *(f"{name} {version}" for name, version in versions.items()),
        sep=" · ",
    )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    print(f"device {device} · seed {torch.initial_seed()}")
    for source in sources:
        print(_card_line(source) if isinstance(source, Mapping) else _dataset_line(source))


def _card_line(card: Mapping[str, Any]) -> str:
    data = card.get("data", {})
    return (
        f"checkpoint {card['arch']} · trained on {data.get('name')} ({data.get('origin')}, "
        f"version {data.get('version')}) · seed {card.get('seed')} · sha256 {card['sha256'][:12]}"
    )


def _dataset_line(dataset: Any) -> str:
    return (
        f"data {dataset.name} ({dataset.origin}) · split {dataset.split} · "
        f"{len(dataset)} images · {dataset.size} px · seed {dataset.seed}"
    )


def check(name: str, test: Callable[[], bool]) -> None:
    """Print `name: pass` if `test()` is true, else `name: not yet (why)`; never raises."""
    try:
        result = test()
    except Exception as error:  # whatever an unfinished exercise does, it is "not yet"
        lines = str(error).splitlines()
        why = f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
    else:
        try:
            if bool(result):
                print(f"{name}: pass")
                return
            why = "the values differ" if result is not None else "the check returned nothing"
        except (RuntimeError, ValueError):
            why = "the check gave several values; reduce them with .all()"
    print(f"{name}: not yet ({why})")
