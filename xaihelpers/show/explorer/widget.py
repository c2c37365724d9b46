"""The explorer: pick a picture, a network, a layer and a question, and see the maps at once.

from xaihelpers.show.explorer import Explorer
Explorer()                                               # the ImageNet network and photographs
Explorer(model=net, classes=names, transform=transform)  # a network of one's own first

Runs in JupyterLab, in Colab and as a page of its own (`make app`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import ipywidgets as widgets
import pandas as pd
from matplotlib.figure import Figure
from torch import nn

from xaihelpers.errors import SelectionError, XaiError
from xaihelpers.show.explorer import export, html
from xaihelpers.show.explorer.controls import Controls
from xaihelpers.show.explorer.entries import Entry, find_entries
from xaihelpers.show.explorer.live import LatestOnly
from xaihelpers.show.explorer.own import open_own
from xaihelpers.show.explorer.sources import uploaded_sample
from xaihelpers.show.explorer.workbench import Frame, Selection, Workbench
from xaihelpers.show.picture.loading import PictureSource
from xaihelpers.show.picture.transforms import Transform

_numbers = count()  # keeps apart the style rules of several explorers on one page


class Explorer(widgets.VBox):
    """Pictures, networks and questions to click through.

    A change is drawn when it arrives; if newer changes are waiting by then, only the newest is
    drawn. What goes wrong, such as a file that is no picture, is said in a line on the page.

    Args:
        data_root: folder of the real sets; "" for rendered pictures.
        seed: of the rendered pictures.
        model: a network of one's own, which is opened first: a torch network, or a name that
            `xaihelpers explain --model` takes, such as "package.module:factory".
        classes: names in the order of its logits; () for those that it brings along, else
            "class 0", "class 1" ...
        transform: PIL image -> tensor (3, h, w); None for the one that it brings along.
        pictures: files, PIL images or arrays to begin with; () for the photographs.
        weights: a .safetensors file, where `model` is a name.

    Attributes:
        frame: what is shown.
        draws: how often something was drawn.

    Raises:
        XaiError: the network, its transform or a picture cannot be used.
    """

    def __init__(
        self,
        data_root: str = "",
        seed: int = 0,
        *,
        model: nn.Module | str | None = None,
        classes: Sequence[str] = (),
        transform: Transform | None = None,
        pictures: Sequence[PictureSource] = (),
        weights: str = "",
    ) -> None:
        entries = find_entries(data_root, seed)
        if model is not None:
            own = open_own(model, classes, transform, pictures, weights)
            entries = {own.key: own, **entries}
        self.workbench = Workbench(entries)
        self.controls = Controls(entries)
        self.frame: Frame | None = None
        self.draws = 0
        self._image, self._prefix = "", f"xai{next(_numbers)}"
        self._latest, self._quiet = LatestOnly(), False
        self._thumbs = widgets.HBox(layout={"flex_flow": "row wrap"})
        self._thumb_style, self._notice = widgets.HTML(), widgets.HTML()
        self._panels = widgets.HTML(layout={"max_width": html.PANELS_WIDTH})
        self._bars = widgets.HTML()
        self._scores, self._links = widgets.HTML(), widgets.HTML()
        super().__init__(self._arranged())
        self._watch()
        with self._silently():
            self._open_network()
        self._request()

    def _arranged(self) -> list[widgets.Widget]:
        results = widgets.HBox(
            [self._bars, self._scores], layout={"flex_flow": "row wrap", "grid_gap": "24px"}
        )
        right = widgets.VBox(
            [self._notice, self._panels, results, self._links], layout={"flex": "1 1 420px"}
        )
        below = widgets.HBox([self.controls.box, right], layout={"flex_flow": "row wrap"})
        return [widgets.HTML(html.STYLE), self._thumb_style, self._thumbs, below]

    def _watch(self) -> None:
        self.controls.network.observe(self._on_network, "value")
        self.controls.upload.observe(self._on_upload, "value")
        self.controls.save.on_click(self._on_save)
        for control in self.controls.redrawing:
            control.observe(self._on_change, "value")

    @property
    def selection(self) -> Selection:
        """What is chosen now."""
        return self.controls.selection(self._image)

    @property
    def entry(self) -> Entry:
        """The network that is chosen now."""
        return self.workbench.entries[self.controls.network.value]

    def select(self, **choices: Any) -> Explorer:
        """Choose several things at once, as a click on each would; drawn once.

        Args:
            choices: fields of `Selection`; `first` and `other` may be names of classes.

        Raises:
            SelectionError: no such choice.
        """
        with self._latest.lock, self._silently():
            if "network" in choices:
                self.controls.choose(network=choices.pop("network"))
                self._open_network()
            if "image" in choices:
                self._choose_image(choices.pop("image"))
            self.controls.choose(**choices)
        self._request()
        return self

    def add(self, name: str, content: bytes) -> str:
        """Add an image file, as an upload does; gives the key to `look(image=...)` at it.

        Raises:
            PictureError: it is no usable picture.
        """
        sample = uploaded_sample(name, content)
        self.workbench.add(sample)
        if sample.key not in self._keys:
            self._fill_gallery([*self._keys, sample.key])
        return sample.key

    def figure(self) -> Figure:
        """What is shown, as a figure to keep."""
        return export.figure(self._shown(), self.entry)

    def table(self) -> pd.DataFrame:
        """What is shown, in numbers: one row per method."""
        return export.table(self._shown(), self.entry)

    def _shown(self) -> Frame:
        if self.frame is None:
            raise SelectionError("nothing has been drawn yet; the explorer says why in its notice")
        return self.frame

    @contextmanager
    def _silently(self) -> Iterator[None]:
        """Controls may change in the block without a drawing each."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _on_change(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            self._request()

    def _on_network(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            with self._latest.lock, self._silently():
                self._guarded(self._open_network)
            self._request()

    def _on_thumb(self, key: str) -> None:
        with self._latest.lock, self._silently():
            self._guarded(lambda: self._choose_image(key))
        self._request()

    def _on_upload(self, change: dict[str, Any]) -> None:
        for file in change["new"]:
            with self._latest.lock, self._silently():
                self.controls.upload.value = ()  # so that the same file can be chosen again
                if self._guarded(lambda file=file: self._take(file)):
                    self._request()

    def _take(self, file: dict[str, Any]) -> None:
        self._choose_image(self.add(file["name"], bytes(file["content"])))

    def _on_save(self, button: widgets.Button) -> None:
        with self._latest.lock:
            self._guarded(self._offer_files)

    def _guarded(self, action: Any) -> bool:
        """Whether an action succeeded; a callback's exception would be seen by nobody."""
        try:
            action()
        except Exception as error:
            text = str(error) if isinstance(error, XaiError) else f"{type(error).__name__}: {error}"
            self._notice.value = html.notice(text, wrong=True)
            return False
        return True

    def _request(self) -> None:
        """Draw, unless a newer request is waiting for its turn, which will draw this one's, too."""
        self._latest(lambda: self._guarded(self._draw))

    def _draw(self) -> None:
        frame = self.workbench.frame(self.selection)
        classes = self.entry.classes
        self.controls.describe(frame)
        explained = [frame.selection.first] + [frame.selection.other] * (
            frame.selection.kind == "difference"
        )
        self._panels.value = html.panels(frame)
        self._bars.value = html.probabilities(frame.probabilities, classes, explained)
        self._scores.value = html.numbers(frame)
        self._notice.value = html.notice(frame.sample.note and f"This file: {frame.sample.note}.")
        self._links.value = ""
        self.frame, self.draws = frame, self.draws + 1

    def _open_network(self) -> None:
        """Fit layers, classes and pictures to the chosen network."""
        network = self.controls.network.value
        self.controls.offer(self.entry)
        keys = self.workbench.gallery(network)
        own = [key for key, sample in self.workbench.samples.items() if key.startswith("upload:")]
        self._fill_gallery([*keys, *own])
        stays = self._image in [*keys, *own]
        same = self.frame is not None and (
            self.workbench.entries[self.frame.selection.network].classes == self.entry.classes
        )
        if not stays or not same:
            self._choose_image(self._image if stays else self._opening(keys))

    def _opening(self, keys: list[str]) -> str:
        """The first picture in which there is something to find."""
        masks = {key: self.workbench.samples[key].masks.values() for key in keys}
        return next((key for key in keys if any(mask.any() for mask in masks[key])), keys[0])

    def _fill_gallery(self, keys: list[str]) -> None:
        buttons, images = [], {}
        for number, key in enumerate(keys, start=1):
            sample, name = self.workbench.samples[key], f"{self._prefix}-thumb{number}"
            truth = f": {sample.truth}" if sample.truth else ""
            button = widgets.Button(description=str(number), tooltip=f"{sample.title}{truth}")
            button.layout.width = button.layout.height = f"{html.THUMBNAIL}px"
            button.add_class("xai-thumb").add_class(name)
            button.on_click(lambda _, key=key: self._on_thumb(key))
            buttons.append(button)
            images[name] = self.workbench.prepared(self.controls.network.value, key).pixels
        self._thumb_style.value = html.thumbnails(images)
        self._thumbs.children = buttons
        self._keys = keys
        self._mark_chosen()

    def _mark_chosen(self) -> None:
        for key, button in zip(self._keys, self._thumbs.children, strict=True):
            mark = button.add_class if key == self._image else button.remove_class
            mark("xai-chosen")

    def _choose_image(self, key: str) -> None:
        """Show a picture, first of all for the class that it suggests or the network sees in it."""
        if key not in self._keys:
            raise SelectionError(f"no picture is called {key!r}; there are {', '.join(self._keys)}")
        self._image = key
        self._mark_chosen()
        logits = self.workbench.recorded_pass(self.selection).logits[0]
        classes = self.entry.classes
        suggested = [
            classes.index(name) for name in self.workbench.samples[key].classes if name in classes
        ]
        best = [*suggested, *logits.argsort(descending=True).tolist()]
        other = next((index for index in best if index != best[0]), best[0])
        self.controls.choose(first=best[0], other=other)
        self.controls.rank(logits.softmax(dim=0).tolist(), suggested)

    def _offer_files(self) -> None:
        self._links.value = html.downloads(export.files(self._shown(), self.entry))
