"""Small live widgets for chapters, from the explorer's own parts.

live(draw, **controls)            any pictures that follow any controls
maps(model, image, layers, ...)   one picture: class, layer and question to choose
threshold_box(image, heat, ...)   one map: from which share of its maximum on is the box drawn?
"""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from IPython.core.pylabtools import print_figure
from torch import Tensor, nn

from xaihelpers import networks
from xaihelpers.metrics import localization
from xaihelpers.show.explorer import html, pictures
from xaihelpers.show.explorer.workbench import (
    KINDS,
    RecordedPass,
    make_target,
    target_in_words,
)
from xaihelpers.show.panels import Array, as_heat, as_picture
from xaihelpers.show.style import method_title, new_figure

Draw = Callable[..., Mapping[str, np.ndarray]]
WIDE = {"description_width": "84px"}


class LatestOnly:
    """Runs the newest of several requests: those that waited while a newer one came are dropped."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._requests = 0

    def __call__(self, action: Callable[[], Any]) -> None:
        """Run `action` when its turn comes, unless a newer request has come by then."""
        self._requests += 1
        number = self._requests
        with self.lock:
            if number == self._requests:
                action()


class Live(widgets.VBox):
    """A widget that leaves its pictures in a stored notebook, for pages without a kernel.

    Attributes:
        pictures: title -> (H, W, 3) uint8 RGB, as shown now.
    """

    pictures: Mapping[str, np.ndarray] = {}

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**options)
        return bundle | ({"image/jpeg": static_picture(self.pictures)} if self.pictures else {})


def static_picture(drawn: Mapping[str, np.ndarray]) -> str:
    """Pictures side by side with their titles, as JPEG in base64."""
    figure, axes = new_figure(1, len(drawn), (2.1, 2.5))
    for ax, (title, picture) in zip(axes[0], drawn.items(), strict=True):
        ax.imshow(picture)
        ax.set_title(textwrap.fill(title, 26))
        ax.set_axis_off()
    quality = {"quality": 88}
    return str(print_figure(figure, "jpeg", base64=True, pil_kwargs=quality))


def live(draw: Draw, **controls: widgets.Widget) -> Live:
    """Pictures that follow controls.

    Args:
        draw: called with the controls' values by name; gives title -> (H, W, 3) uint8 RGB. What it
            raises is shown in place of the pictures.
        controls: widgets with a `value`, in the order in which they are shown.
    """
    shown, latest = widgets.HTML(layout={"max_width": html.PANELS_WIDTH}), LatestOnly()
    box = Live([widgets.HTML(html.STYLE), *controls.values(), shown])

    def update() -> None:
        values = {name: control.value for name, control in controls.items()}
        try:
            drawn = draw(**values)
        except Exception as error:  # a callback's exception would be seen by nobody
            box.pictures = {}
            shown.value = html.notice(f"{type(error).__name__}: {error}", wrong=True)
        else:
            box.pictures = drawn
            shown.value = html.side_by_side({title: (p, title) for title, p in drawn.items()})

    for control in controls.values():
        control.observe(lambda _: latest(update), "value")
    update()
    return box


def maps(
    model: nn.Module,
    image: Array,
    layers: Mapping[str, str],
    classes: Sequence[str],
    methods: Sequence[str] = ("grad_cam",),
    masks: Mapping[str, np.ndarray] | None = None,
    normalize: Callable[[Tensor], Tensor] = networks.normalize,
) -> Live:
    """One picture with a class slider, a choice of layer, and for, against or rather than.

    Args:
        model: a classifier, on the CPU.
        image: uint8, (3, H, W) or (H, W, 3), of the size the network was trained on.
        layers: role -> dotted name, as in `networks.LAYERS[arch]`.
        classes: names in the order of the logits.
        methods: names in `METHODS`.
        masks: outlined in every panel, (H, W) bool by name.
        normalize: uint8 (1, 3, H, W) -> what the network takes; `networks.imagenet.normalize` for
            the ImageNet network.
    """
    picture = np.ascontiguousarray(as_picture(image))
    inputs = normalize(torch.tensor(picture).permute(2, 0, 1)[None])
    recorded = RecordedPass(model, inputs, layers)
    lines = pictures.outlines(masks or {})
    probabilities = recorded.logits.softmax(dim=1)[0].tolist()
    names = [f"{name} ({p:.1%})" for name, p in zip(classes, probabilities, strict=True)]
    best = int(recorded.logits[0].argmax())

    def draw(layer: str, first: int, kind: str, other: int) -> dict[str, np.ndarray]:
        heat = recorded.explain(layer, make_target(kind, first, other)).maps
        target = target_in_words(kind, names[first], names[other])
        return {"image": pictures.draw(picture, lines=lines)} | {
            f"{method_title(name)} {target}": pictures.draw(
                picture, heat[name][0].numpy(), lines=lines
            )
            for name in methods
        }

    last = len(classes) - 1
    slider = {"min": 0, "max": last, "style": WIDE, "readout": False}
    return live(
        draw,
        layer=widgets.Dropdown(options=list(layers), description="Layer", style=WIDE),
        first=widgets.IntSlider(best, description="Class", **slider),
        kind=widgets.ToggleButtons(options=KINDS, description="Question", style=WIDE),
        other=widgets.IntSlider(last if best == 0 else 0, description="rather than", **slider),
    )


def threshold_box(
    image: Array, heat: Tensor, mask: Tensor | None = None, fraction: float = 0.15
) -> Live:
    """The box around a map's largest region, from a share of its maximum on.

    Args:
        image: uint8, (3, H, W) or (H, W, 3).
        heat: (H, W), not negative.
        mask: (H, W) bool, outlined and compared with.
        fraction: of the maximum, to begin with.
    """
    picture = np.ascontiguousarray(as_picture(image))
    values = as_heat(heat, picture.shape[:2])
    lines = [] if mask is None else pictures.outlines({"mask": mask.numpy()})
    share = values / (values.max() or 1)

    def draw(fraction: float) -> dict[str, np.ndarray]:
        boxes = localization.box_of_largest_component(torch.from_numpy(values)[None], fraction)
        title = f"box from {fraction:.0%} of the maximum"
        if mask is not None:
            iou = localization.box_iou(boxes, localization.box_of_mask(mask[None]))[0]
            title += f": IoU with the mask's box {iou:.2f}"
        return {title: pictures.draw(picture, share, lines=lines, box=boxes[0].tolist())}

    slider = widgets.FloatSlider(
        fraction, min=0.01, max=0.95, step=0.01, description="Box from", style=WIDE
    )
    return live(draw, fraction=slider)
