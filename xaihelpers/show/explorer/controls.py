"""The explorer's controls: what can be chosen, and the `Selection` that the choices make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
from traitlets import TraitError

from xaihelpers import networks
from xaihelpers.cams.methods import METHODS
from xaihelpers.errors import SelectionError, TargetError
from xaihelpers.show.explorer.entries import Entry
from xaihelpers.show.explorer.html import MANY
from xaihelpers.show.explorer.workbench import KINDS, Frame, Selection
from xaihelpers.show.style import method_title

CMAPS = ("inferno", "viridis", "magma", "cividis", "jet")
FILES = ".png,.jpg,.jpeg,.tif,.tiff,.bmp,.webp,.gif,.dcm"
WIDE = {"description_width": "84px"}


def _dropdown(name: str, options: Any, tooltip: str) -> widgets.Dropdown:
    return widgets.Dropdown(options=options, description=name, tooltip=tooltip, style=WIDE)


def _slider(name: str, value: float, most: float, step: float, tooltip: str) -> widgets.FloatSlider:
    return widgets.FloatSlider(
        value, min=0, max=most, step=step, description=name, tooltip=tooltip, style=WIDE
    )


class Controls:
    """Every control; `box` holds them all, `redrawing` those whose change asks for a drawing."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        titles = [(entry.title, key) for key, entry in entries.items()]
        self.network = _dropdown("Network", titles, "which trained network is explained")
        self.upload = widgets.FileUpload(
            accept=FILES,
            description="Your own picture",
            tooltip="PNG, JPEG, TIFF, BMP, WebP, GIF or DICOM",
        )
        self.upload.layout.width = "200px"
        self.layer = _dropdown("Layer", [("last", "last")], "where in the network the map is made")
        self.first = widgets.IntSlider(
            min=0, max=1, description="Class", readout=False, style=WIDE, tooltip="class to explain"
        )
        self.class_text = widgets.HTML()
        self.named = _dropdown("Class", [("", 0)], "class to explain, the likely ones first")
        self.kind = widgets.ToggleButtons(
            options=KINDS,
            tooltips=("what speaks for it", "what speaks against it", "why it and not the other"),
        )
        self.kind.style.button_width = "auto"
        self.other = _dropdown("rather than", [("", 0)], "the class that a difference subtracts")
        self.methods = {
            name: widgets.Checkbox(
                name in Selection("", "").methods,
                description=method_title(name),
                indent=False,
                tooltip=name,
            )
            for name in METHODS
        }
        for box in self.methods.values():
            box.layout.width = "132px"
        self.opacity = _slider("Opacity", 0.6, 1, 0.05, "how much of the map covers the image")
        self.cmap = _dropdown("Colours", CMAPS, "colour map")
        self.box_shown = widgets.Checkbox(True, description="box", indent=False)
        self.fraction = _slider("Box from", 0.15, 0.9, 0.01, "share of the map's maximum")
        self.contours = widgets.Checkbox(True, description="outlines", indent=False)
        self.save = widgets.Button(description="PNG and CSV", icon="download")
        self.classes: tuple[str, ...] = ()
        self.box = self._arranged()
        self.named.observe(self._on_named, "value")
        self.first.observe(self._on_first, "value")

    def _on_named(self, change: dict[str, Any]) -> None:
        if change["new"] is not None and self.named.layout.display is None:
            self.first.value = change["new"]

    def _on_first(self, change: dict[str, Any]) -> None:
        if any(index == change["new"] for _, index in self.named.options):
            self.named.value = change["new"]

    @property
    def redrawing(self) -> list[widgets.Widget]:
        return [
            *(self.layer, self.first, self.kind, self.other, *self.methods.values()),
            *(self.opacity, self.cmap, self.box_shown, self.fraction, self.contours),
        ]

    def _arranged(self) -> widgets.VBox:
        rows = {"flex_flow": "row wrap"}
        parts = [
            *(self.network, self.upload, self.layer, self.first, self.named, self.class_text),
            *(self.kind, self.other),
            widgets.HBox(list(self.methods.values()), layout=rows),
            *(self.opacity, self.cmap, self.fraction),
            *(widgets.HBox([self.box_shown, self.contours], layout=rows), self.save),
        ]
        for control in (self.box_shown, self.contours):
            control.layout.width = "132px"
        return widgets.VBox(parts, layout={"width": "322px", "flex": "0 0 322px"})

    def selection(self, image: str) -> Selection:
        """The choices as they stand."""
        return Selection(
            network=self.network.value,
            image=image,
            layer=self.layer.value,
            methods=tuple(name for name, box in self.methods.items() if box.value),
            kind=self.kind.value,
            first=self.first.value,
            other=self.other.value,
            opacity=self.opacity.value,
            cmap=self.cmap.value,
            box=self.box_shown.value,
            fraction=self.fraction.value,
            contours=self.contours.value,
        )

    def offer(self, entry: Entry) -> None:
        """Offer the layers and classes of a network; what it has, too, stays chosen."""
        self.classes = entry.classes
        layer, other = self.layer.value, self.other.value
        self.layer.options = entry.layer_labels()
        self.layer.value = layer if layer in entry.layers else next(iter(entry.layers))
        self.first.max = len(entry.classes) - 1
        self.other.options = [(name, index) for index, name in enumerate(entry.classes)]
        self.other.value = other if other < len(entry.classes) else 0
        many = len(entry.classes) > MANY
        self.first.layout.display, self.named.layout.display = (
            ("none", None) if many else (None, "none")
        )

    def rank(self, probabilities: Sequence[float], suggested: Sequence[int] = ()) -> None:
        """Order the classes in the list of many: suggested ones, then the likely ones."""
        if len(self.classes) <= MANY:
            return
        order = sorted(range(len(self.classes)), key=lambda index: -probabilities[index])
        ranked = list(dict.fromkeys([*suggested, *order]))
        options = [(f"{self.classes[i]} ({probabilities[i]:.1%})", i) for i in ranked]
        with self.named.hold_sync():
            self.named.options = options
            self.named.value = self.first.value

    def describe(self, frame: Frame) -> None:
        """Say the chosen class in words; show the second class where there is one."""
        first = frame.selection.first
        self.class_text.value = (
            f'<div class="xai-text" style="margin-left: 92px">{escape(self.classes[first])}: '
            f"{frame.probabilities[first]:.1%}</div>"
        )
        self.other.layout.display = None if frame.selection.kind == "difference" else "none"

    def choose(self, **choices: Any) -> None:
        """Set controls by the fields of `Selection`.

        Raises:
            SelectionError: no such field, or nothing of that name to choose.
        """
        if "methods" in choices:
            self._choose_methods(choices.pop("methods"))
        for name, value in choices.items():
            control: Any = self.box_shown if name == "box" else getattr(self, name, None)
            if control is None or control not in [self.network, *self.redrawing]:
                raise SelectionError(f"there is no choice {name!r}; see the fields of Selection")
            if name in ("first", "other") and isinstance(value, str):
                value = self._class(value)
            try:
                control.value = value
            except (TraitError, ValueError) as error:
                raise SelectionError(f"{name}={value!r} cannot be chosen: {error}") from error
            if control.value != value:  # a slider moves to its end instead
                raise SelectionError(
                    f"{name}={value!r} lies outside {control.min} to {control.max}"
                )

    def _choose_methods(self, names: tuple[str, ...]) -> None:
        unknown = [name for name in names if name not in self.methods]
        if unknown:
            raise SelectionError(f"unknown methods {unknown}; there are {', '.join(self.methods)}")
        for name, box in self.methods.items():
            box.value = name in names

    def _class(self, name: str) -> int:
        try:
            return networks.class_index(name, self.classes)
        except TargetError as error:
            raise SelectionError(str(error)) from error
