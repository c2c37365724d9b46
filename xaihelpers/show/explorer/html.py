"""What the explorer shows as HTML: pictures with words for those who do not see them, bars, tables.

Every text that comes from outside (a file's name, a message) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from xaihelpers.show.explorer import pictures
from xaihelpers.show.explorer.workbench import Frame, Score
from xaihelpers.show.style import method_title

THUMBNAIL = 64  # px
MANY, LIKELY = 15, 8  # of more classes than that, so many are shown
PANELS_WIDTH = "1040px"  # at most, on wide pages

STYLE = """<style>
.xai-figures {display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 8px;
  color: var(--jp-ui-font-color1, #222); line-height: 1.35}
.xai-figures figure {margin: 0}
.xai-figures img {width: 100%; height: auto; display: block; border-radius: 3px}
.xai-figures figcaption, .xai-legend, .xai-text {font-size: 13px; margin: 3px 0}
.xai-legend span, .xai-legend i {display: inline-block}
.xai-legend i {width: 11px; height: 11px; margin: 0 4px 0 10px; border: 1px solid #555}
.xai-numbers {border-collapse: collapse; font-size: 13px; color: var(--jp-ui-font-color1, #222)}
.xai-numbers caption {text-align: left; padding: 2px 0 4px}
.xai-numbers th, .xai-numbers td {padding: 2px 12px 2px 0; text-align: right; line-height: 1.35}
.xai-numbers th:first-child {text-align: left; font-weight: 600}
.xai-numbers meter {width: 110px; vertical-align: middle}
.xai-numbers .xai-explained {font-weight: 700}
.xai-notice {font-size: 13px; line-height: 1.35; padding: 5px 10px; border-left: 4px solid #1565c0;
  background: rgba(21, 101, 192, .08); color: var(--jp-ui-font-color1, #222)}
.xai-notice.xai-wrong {border-color: #c62828; background: rgba(198, 40, 40, .1)}
.xai-thumb {background-size: cover; color: #fff; text-shadow: 0 0 3px #000, 0 0 3px #000;
  font-weight: 700; padding: 0}
.xai-thumb.xai-chosen {box-shadow: 0 0 0 3px #ff9f1c !important}
</style>"""


def figure(picture: np.ndarray, title: str, description: str) -> str:
    """One picture with a caption; `description` is read out in its place."""
    source = pictures.as_url(picture)
    return (
        f'<figure><img src="{source}" alt="{escape(description)}">'
        f"<figcaption>{escape(title)}</figcaption></figure>"
    )


def side_by_side(shown: Mapping[str, tuple[np.ndarray, str]]) -> str:
    """Title -> (picture (H, W, 3) uint8 RGB, description) as a row that wraps."""
    figures = "".join(figure(picture, title, text) for title, (picture, text) in shown.items())
    return f'<div class="xai-figures">{figures}</div>'


def panels(frame: Frame) -> str:
    """The image, one panel per method, and the legend of the outlines."""
    sample = frame.sample
    truth = f"truth: {sample.truth}" if sample.truth else sample.title
    shown = {f"{truth} ({sample.origin})": (frame.plain, f"{sample.title}, {truth}")}
    for score in frame.scores:
        title = method_title(score.method)
        caption = f"{title}: no positive evidence" if score.empty else f"{title} {frame.target}"
        shown[caption] = (frame.panels[score.method], _description(score, frame))
    return side_by_side(shown) + legend({name: colour for name, colour, _ in frame.lines})


def _description(score: Score, frame: Frame) -> str:
    words = f"{method_title(score.method)} heat map {frame.target}, layer {frame.selection.layer}"
    if score.empty:
        return f"{words}: empty"
    x0, y0, x1, y1 = score.box
    words += f"; largest region in columns {x0} to {x1}, rows {y0} to {y1}"
    return words if score.energy is None else f"{words}; {score.energy:.0%} on {frame.against}"


def legend(colours: Mapping[str, tuple[int, int, int]]) -> str:
    """Names of the outlined masks beside their colours."""
    entries = "".join(
        f'<i style="background: rgb{colour}"></i><span>{escape(name.replace("_", " "))}</span>'
        for name, colour in colours.items()
    )
    return f'<div class="xai-legend">outlined:{entries}</div>' if entries else ""


def probabilities(values: Sequence[float], classes: Sequence[str], explained: Sequence[int]) -> str:
    """A bar per class, of many classes the most likely; the explained ones stand out.

    Args:
        values: probability of each class.
        classes: their names.
        explained: indices of the explained classes, which are shown in any case.
    """
    shown = list(range(len(classes)))
    if len(classes) > MANY:
        shown = sorted(shown, key=lambda index: -values[index])[:LIKELY]
        shown += [index for index in explained if index not in shown]
    rows = "".join(
        f'<tr class="{"xai-explained" if index in explained else ""}"><th scope="row">'
        f'{escape(classes[index])}</th><td><meter min="0" max="1" value="{values[index]:.4f}" '
        f'aria-label="{escape(classes[index])}"></meter></td><td>{values[index]:.1%}</td></tr>'
        for index in shown
    )
    return f'<table class="xai-numbers"><caption>Probabilities</caption>{rows}</table>'


def numbers(frame: Frame) -> str:
    """One row per method: energy in the mask, pointing hit, overlap of the boxes."""
    if not frame.against:
        return (
            '<p class="xai-text">No mask is known for this picture and class: nothing to measure.'
            "</p>"
        )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("", "energy", "hit", "box IoU"))
    rows = "".join(
        f'<tr><th scope="row">{method_title(score.method)}</th><td>{score.energy or 0:.3f}</td>'
        f"<td>{'yes' if score.hit else 'no'}</td><td>{score.box_iou or 0:.2f}</td></tr>"
        for score in frame.scores
    )
    title = f"Measured against: {escape(frame.against)}"
    return f'<table class="xai-numbers"><caption>{title}</caption><tr>{head}</tr>{rows}</table>'


def notice(text: str, wrong: bool = False) -> str:
    """A line that screen readers announce; at once where something is wrong."""
    if not text:
        return ""
    role, kind = ("alert", " xai-wrong") if wrong else ("status", "")
    return f'<div class="xai-notice{kind}" role="{role}">{escape(text)}</div>'


def thumbnails(images: Mapping[str, np.ndarray]) -> str:
    """Style rules that put each image, (h, h, 3) uint8 RGB, behind the button of its CSS class."""
    rules = "".join(
        f".{name} {{background-image: url({pictures.as_url(small(image), 80)})}}"
        for name, image in images.items()
    )
    return f"<style>{rules}</style>"


def small(image: np.ndarray) -> np.ndarray:
    """The central square of an image at the size of a thumbnail."""
    side = min(image.shape[:2])
    top, left = ((length - side) // 2 for length in image.shape[:2])
    step = max(1, side // (2 * THUMBNAIL))
    square = image[top : top + side : step, left : left + side : step]
    return pictures.enlarged(np.ascontiguousarray(square), THUMBNAIL)


def downloads(files: Mapping[str, tuple[str, bytes]]) -> str:
    """File name -> (media type, content) as links that save the file."""
    links = " · ".join(
        f'<a download="{escape(name)}" href="data:{kind};base64,{pictures.base64_of(content)}">'
        f"{escape(name)}</a>"
        for name, (kind, content) in files.items()
    )
    return f'<p class="xai-text">Save: {links}</p>'
