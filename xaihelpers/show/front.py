"""The front picture: four photographs in one, and what the network looks at for each question."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from xaihelpers.cams import explain
from xaihelpers.cams.maps import rectify, upsample
from xaihelpers.datasets.real import photographs
from xaihelpers.files import save_figure
from xaihelpers.metrics.grid_pointing import positive_share
from xaihelpers.networks import LAYERS, imagenet
from xaihelpers.show.panels import CMAP, blend

NAMES = ("chelsea", "coffee", "rocket", "china")  # of stated licence, all four
SIZE = 224  # px of a quarter, as the network sees it
DRAWN = 400  # px of a quarter, as it is drawn
DPI = 160
ASKED = "#ffb000"  # frame of the quarter that a question is about


@dataclass(frozen=True, eq=False)
class Question:
    """One class, and where its heat lies.

    Attributes:
        name: of the class.
        heat: (448, 448) in [0, 1], float32.
        shares: of the positive heat in each quarter, in reading order.
    """

    name: str
    heat: torch.Tensor
    shares: tuple[float, ...]


def ask(names: tuple[str, ...] = NAMES, method: str = "grad_cam") -> list[Question]:
    """Explain a picture of four photographs once for the class of each.

    Args:
        names: four keys of `photographs.PHOTOGRAPHS` that ImageNet has classes for.
        method: a name in `METHODS`.

    Raises:
        XaiError: a package with the network or the photographs is not installed.
    """
    model, card = imagenet.load()
    picture = torch.from_numpy(photographs.grid(names, SIZE).image).permute(2, 0, 1)[None]
    questions = []
    for name in names:
        asked = photographs.PHOTOGRAPHS[name].imagenet
        explanation = explain(
            model,
            imagenet.normalize(picture),
            LAYERS[card["arch"]]["last"],
            target=imagenet.class_index(asked),
            methods=[method],
        )
        positive = upsample(rectify(explanation.raw[method]), (2 * SIZE, 2 * SIZE))
        shares = [float(positive_share(positive, [cell], n=2)[0]) for cell in range(4)]
        questions.append(Question(asked, explanation.maps[method][0], tuple(shares)))
    return questions


def front_figure(names: tuple[str, ...] = NAMES, method: str = "grad_cam") -> Figure:
    """The picture once per question, the share of the heat written into and under each quarter.

    Args:
        names: four keys of `photographs.PHOTOGRAPHS` that ImageNet has classes for.
        method: a name in `METHODS`.
    """
    picture = photographs.grid(names, DRAWN).image
    figure = Figure(figsize=(8.7, 9.35), dpi=DPI)
    axes = figure.subplots(
        2, 2, gridspec_kw={"left": 0.01, "right": 0.91, "top": 0.955, "bottom": 0.075}
    )
    figure.subplots_adjust(wspace=0.04, hspace=0.17)
    for number, (ax, question) in enumerate(zip(axes.flat, ask(names, method), strict=True)):
        heat = upsample(question.heat[None], picture.shape[:2])[0].numpy()
        ax.imshow(blend(picture, heat, CMAP, 0.65), interpolation="antialiased")
        ax.set_title(f"Where is the {question.name}?", fontsize=16, weight="bold", pad=7)
        _write_shares(ax, question.shares, names, number)
    shade = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 1), CMAP)
    bar = figure.colorbar(
        shade, cax=figure.add_axes((0.925, 0.075, 0.016, 0.88)), ticks=[0, 0.5, 1]
    )
    bar.set_label("heat as a share of its maximum (0 is transparent)", fontsize=11)
    figure.text(0.46, 0.012, _credits(names), ha="center", fontsize=7.5, color="0.35", wrap=True)
    return figure


def _write_shares(ax: Axes, shares: tuple[float, ...], names: tuple[str, ...], asked: int) -> None:
    """Frame the quarter that the question is about; write every share into it and under it."""
    things = [photographs.PHOTOGRAPHS[name].shows.split()[0] for name in names]
    for cell, share in enumerate(shares):
        row, column = divmod(cell, 2)
        chosen = cell == asked
        if chosen:
            frame = Rectangle(
                (DRAWN * column + 3, DRAWN * row + 3), DRAWN - 7, DRAWN - 7, fill=False
            )
            frame.set(edgecolor=ASKED, linewidth=3.5)
            ax.add_patch(frame)
        ax.text(
            DRAWN * column + 20 if column == 0 else 2 * DRAWN - 20,
            DRAWN * row + 20 if row == 0 else 2 * DRAWN - 20,
            f"{share:.0%}".replace("%", " %"),
            color=ASKED if chosen else "white",
            fontsize=17 if chosen else 11,
            weight="bold" if chosen else "normal",
            ha="right" if column else "left",
            va="bottom" if row else "top",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": "black", "alpha": 0.6, "lw": 0},
        )
    words = [f"{thing} {share:.0%}" for thing, share in zip(things, shares, strict=True)]
    ax.set_xlabel("   ".join(words).replace("%", " %"), fontsize=11, labelpad=6)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _credits(names: tuple[str, ...]) -> str:
    """Who made the photographs, and on what terms they may be shown."""
    about = [photographs.PHOTOGRAPHS[name] for name in names]
    return "Photographs: " + ";  ".join(f"{a.shows}: {a.credit} ({a.licence})" for a in about)


def write(folder: Path) -> Path:
    """Draw the front picture into `folder/figures/front.png`."""
    path = folder / "figures" / "front.png"
    save_figure(front_figure(), path)
    return path
