"""Sentences with a map per word, answers with a map each, and a page to pick them by."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets
from matplotlib.figure import Figure
from torch import Tensor

from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered.scenes import things_of
from xaihelpers.datasets.rendered.scenes.questions import Question
from xaihelpers.experiments.language.maps import answer_maps, images_of, word_maps
from xaihelpers.networks import normalize
from xaihelpers.networks.language.captioner import say
from xaihelpers.networks.language.shipped import LAYERS, LanguageModel
from xaihelpers.show.panels import Array, as_picture, draw_contours, draw_heat, draw_image
from xaihelpers.show.style import new_figure

GIVEN = "the answer given"
_SHOWN = ("last", "stage2", "stage1")


def row(
    image: Array,
    titles: Sequence[str],
    heats: Sequence[Array] | Tensor,
    outlines: Sequence[Mapping[str, Array]] | None = None,
    first: str = "",
    cell: float = 1.2,
) -> Figure:
    """An image and one map per word (or answer) in one row, each under its title.

    Args:
        heats: as many (H, W) as titles. outlines: for each, masks to draw. first: of the image.
    """
    figure, axes = new_figure(1, 1 + len(titles), (cell, cell * 1.25))
    draw_image(axes[0, 0], image)
    axes[0, 0].set_title(first)
    for place, (title, heat) in enumerate(zip(titles, heats, strict=True)):
        ax = axes[0, place + 1]
        ax.set_title(title)
        draw_heat(ax, heat, image)
        if outlines is not None:
            draw_contours(ax, outlines[place], as_picture(image).shape[:2])
    return figure


class LanguageExplorer(widgets.VBox):
    """Pick a picture, then a word of its caption or a question, an answer and a layer.

    Args:
        records: scenes, at the networks' size. captioner, vqa: what is asked.

    Attributes:
        figure: what is shown.
    """

    def __init__(
        self, records: Sequence[Record], captioner: LanguageModel, vqa: LanguageModel
    ) -> None:
        self.records, self.captioner, self.vqa = list(records), captioner, vqa
        self.images = images_of(records)
        self.tokens = say(captioner.captioner, normalize(self.images))
        self.captions = captioner.words.decode(self.tokens)
        self.picture = widgets.IntSlider(0, 0, len(self.records) - 1, description="picture")
        self.word = widgets.SelectionSlider(options=[""], description="word")
        self.question = widgets.Dropdown(options=[""], description="question")
        self.answer = widgets.Dropdown(options=[GIVEN, *vqa.answers], description="answer")
        self.layer = widgets.Dropdown(options=_SHOWN, description="layer")
        self.figure = Figure()
        self._shown = widgets.Image(format="jpeg")
        self._turn()
        self.picture.observe(self._turn, "value")
        for control in (self.word, self.question, self.answer, self.layer):
            control.observe(self._draw, "value")
        left = widgets.VBox([self.picture, self.word, self.question, self.answer, self.layer])
        super().__init__([widgets.HBox([left, self._shown], layout={"flex_flow": "row wrap"})])

    def look(self, **chosen: Any) -> LanguageExplorer:
        """Set controls by name, for example picture=3, word=2 (its place), layer="stage2"."""
        if "picture" in chosen:
            self.picture.value = chosen.pop("picture")
        for name, value in chosen.items():
            getattr(self, name).value = value
        return self

    def _turn(self, change: object = None) -> None:
        """Offer the words and the questions of another picture."""
        number = self.picture.value
        words = self.captions[number].split()
        with self.hold_trait_notifications():
            self.word.options = [(f"{k} {word}", k) for k, word in enumerate(words)] or [("", 0)]
            self.question.options = questions_to_pick(self.records[number])
        self._draw()

    def _draw(self, change: object = None) -> None:
        number, layer = self.picture.value, LAYERS[self.layer.value]
        image, tokens = self.images[number : number + 1], self.tokens[number : number + 1]
        words, place = self.captions[number].split(), self.word.value or 0
        heat = word_maps(self.captioner, image, tokens, layer)[0, place : place + 1]
        asked = [Question("", self.question.value, "", ())]
        wanted = None if self.answer.value == GIVEN else [self.answer.value]
        answered, (given,) = answer_maps(self.vqa, image, asked, layer, answers=wanted)
        said = " ".join(f"[{word}]" if k == place else word for k, word in enumerate(words))
        why = given if wanted is None else f"{wanted[0]} (it says {given})"
        titles = ["the word"][: len(heat)] + [f"why {why}?"]
        self.figure = row(image[0], titles, [*heat, answered[0]], cell=2.4)
        self.figure.suptitle(f"{said}\n{self.question.value}?")
        buffer = io.BytesIO()
        self.figure.savefig(buffer, format="jpeg")
        self._shown.value = buffer.getvalue()


def questions_to_pick(record: Record) -> list[str]:
    """What can be asked about every thing of a scene, and about all of it."""
    named = [thing.shape for thing in things_of(record)]
    aspects = [f"what {kind} is the {shape}" for shape in named for kind in ("colour", "texture")]
    sides = [f"what is {side} the {named[0]}" for side in ("left of", "right of")]
    return ["how many things are there", *aspects, *(sides if len(named) > 1 else [])]
