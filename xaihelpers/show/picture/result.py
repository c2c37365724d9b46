"""What `explain_image` returns: shown in a notebook, saved as a picture, read as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from xaihelpers.cams.explanation import Explanation
from xaihelpers.errors import FigureError
from xaihelpers.show.panels import CMAP
from xaihelpers.show.picture import drawing
from xaihelpers.show.picture.geometry import Geometry
from xaihelpers.show.picture.loading import Picture
from xaihelpers.show.style import method_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ENDINGS = (".png", ".svg")


@dataclass(frozen=True, eq=False)
class Panel:
    """One map of a picture.

    Attributes:
        method: name in `METHODS`.
        layer: dotted name.
        target: what is explained, in words: the name of the class, if it is one.
        index: of the class; None for another target.
        probability: of the class by softmax (sigmoid for a single logit); None for another target.
        score: the explained number, for a class its logit.
        heat: (H, W) float32 in [0, 1] of the picture's size; 0 outside what the network saw.
        empty: whether nothing speaks for the target.
    """

    method: str
    layer: str
    target: str
    index: int | None
    probability: float | None
    score: float
    heat: np.ndarray
    empty: bool

    @property
    def title(self) -> str:
        """Method, target and probability in words."""
        share = "" if self.probability is None else f" {drawing.percent(self.probability)}"
        ending = ": no positive evidence" if self.empty else ""
        return f"{method_title(self.method)} · {self.target}{share}{ending}"

    @property
    def peak(self) -> tuple[int, int]:
        """Row and column of the largest value, in pixels of the picture."""
        row, column = np.unravel_index(int(self.heat.argmax()), self.heat.shape)
        return int(row), int(column)


@dataclass(frozen=True, eq=False)
class ExplainedImage:
    """A picture with its heat maps; a notebook shows it.

    Attributes:
        picture: pixels, name, and what was done to read it.
        geometry: where the picture lies in the network's input.
        panels: a map per layer, target and method.
        explanations: raw maps and logits per layer and target.
        classes: names of the classes, () if unknown.
    """

    picture: Picture
    geometry: Geometry
    panels: tuple[Panel, ...]
    explanations: tuple[Explanation, ...] = field(repr=False)
    classes: tuple[str, ...] = field(repr=False, default=())

    @classmethod
    def of(
        cls,
        picture: Picture,
        geometry: Geometry,
        classes: tuple[str, ...],
        explanations: Sequence[Explanation],
    ) -> ExplainedImage:
        """Maps laid onto the picture."""
        panels = tuple(
            _panel(explanation, method, geometry, classes)
            for explanation in explanations
            for method in explanation.raw
        )
        return cls(picture, geometry, panels, tuple(explanations), classes)

    @property
    def explanation(self) -> Explanation:
        """Raw maps, logits and scores of the first layer and target."""
        return self.explanations[0]

    def overlays(self, opacity: float = 0.6, cmap: str = CMAP) -> list[np.ndarray]:
        """Each map over the picture as (H, W, 3) uint8, at the picture's own size."""
        return [self._overlay(panel, opacity, cmap) for panel in self.panels]

    def _overlay(self, panel: Panel, opacity: float = 0.6, cmap: str = CMAP) -> np.ndarray:
        pixels = self.picture.pixels
        return drawing.overlay(pixels, panel.heat, self.geometry.seen(), opacity, cmap)

    def figure(self) -> Figure:
        """One panel, or a grid: a row per layer and target, a column per method."""
        titles = [f"{panel.title}\n{panel.layer}" for panel in self.panels]
        columns = len(self.explanation.raw)
        return drawing.figure(self.overlays(), titles, columns)

    def save(self, path: Path | str) -> Path:
        """Write the figure, whole or not at all; its folder is made.

        Args:
            path: ends in .png or .svg.

        Raises:
            FigureError: another ending.
            StorageError: the folder cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() not in ENDINGS:
            raise FigureError(f"{path.name} must end in {' or '.join(ENDINGS)}")
        drawing.save(self.figure(), path, self.picture.pixels.shape[1])
        return path

    def table(self) -> pd.DataFrame:
        """One row per map: what it explains, how sure the network is, where it is largest."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """The table's rows as dictionaries of plain numbers and words."""
        return [
            {
                "picture": self.picture.name,
                "method": panel.method,
                "layer": panel.layer,
                "target": panel.target,
                "index": panel.index,
                "probability": panel.probability,
                "score": panel.score,
                "empty": panel.empty,
                "peak_x": panel.peak[1],
                "peak_y": panel.peak[0],
            }
            for panel in self.panels
        ]

    def _repr_html_(self) -> str:
        return drawing.html(
            [(self._overlay(panel), panel.title, panel.layer) for panel in self.panels],
            self.picture.name,
        )


class ExplainedImages(tuple[ExplainedImage, ...]):
    """Several explained pictures; a notebook shows them one below the other."""

    __slots__ = ()

    def save(self, folder: Path | str, ending: str = ".png") -> list[Path]:
        """Write each figure into a folder, named by its number and the picture.

        Raises:
            FigureError: the ending is neither .png nor .svg.
            StorageError: the folder cannot be written.
        """
        digits = len(str(len(self)))
        return [
            one.save(Path(folder) / f"{number:0{digits}}_{one.picture.name}{ending}")
            for number, one in enumerate(self, start=1)
        ]

    def table(self) -> pd.DataFrame:
        """The rows of all pictures; see `ExplainedImage.table`."""
        import pandas as pd

        return pd.DataFrame([row for one in self for row in one.rows()])

    def _repr_html_(self) -> str:
        return "".join(one._repr_html_() for one in self)


def _panel(
    explanation: Explanation, method: str, geometry: Geometry, classes: tuple[str, ...]
) -> Panel:
    target, index, probability = explanation.target, None, None
    if isinstance(target, Tensor):
        index = int(target[0])
        probability = _probability(explanation.logits[0], index)
        target = classes[index] if index < len(classes) else f"class {index}"
    return Panel(
        method=method,
        layer=explanation.layer,
        target=target,
        index=index,
        probability=probability,
        score=float(explanation.scores[0]),
        heat=geometry.to_picture(explanation.maps[method][0].float().cpu().numpy()),
        empty=bool(explanation.empty[method][0]),
    )


def _probability(logits: Tensor, index: int) -> float:
    if len(logits) == 1:
        return float(logits.sigmoid()[0])
    return float(logits.float().softmax(dim=0)[index])
