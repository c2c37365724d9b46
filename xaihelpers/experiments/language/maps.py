"""Maps of every word and every question over many scenes, and the heat on what they name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from xaihelpers.cams.engine.explain import explain
from xaihelpers.cams.sequence_targets import answer, word
from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered.scenes import SHAPES, SIZES, things_of
from xaihelpers.datasets.rendered.scenes.questions import Question
from xaihelpers.datasets.rendered.scenes.sentences import subjects
from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.language.scores import energies, thing_masks
from xaihelpers.networks import normalize
from xaihelpers.networks.language.captioner import Saying, say
from xaihelpers.networks.language.reader import END
from xaihelpers.networks.language.shipped import LAYERS, LanguageModel
from xaihelpers.networks.language.vqa import Asked

ASPECTS = ("colour", "texture", "size")  # of one thing, asked about every thing of a scene


def images_of(records: Sequence[Record]) -> Tensor:
    """(N, 3, H, W) uint8."""
    return torch.from_numpy(np.stack([record.image for record in records])).permute(0, 3, 1, 2)


def word_maps(
    talker: LanguageModel,
    images: Tensor,
    tokens: Tensor,
    layer: str = LAYERS["last"],
    method: str = "grad_cam",
    raw: bool = False,
) -> Tensor:
    """One map for every word of every sentence, (N, L - 1, H, W) in [0, 1]; zero after its end.

    Args:
        images: (N, 3, H, W) uint8. tokens: (N, L) sentences from START to END, such as `say` gives.
        raw: explain the word's logit, not its log-probability.
    """
    batch, places = normalize(images), tokens.shape[1] - 1
    heat = torch.zeros(len(images), places, *images.shape[2:])
    for place in range(places):
        rows = (tokens[:, place + 1] > END).nonzero()[:, 0]
        if len(rows):
            target = word(place, tokens[rows, place + 1], raw)
            model = Saying(talker.captioner, tokens[rows])
            heat[rows, place] = explain(
                model, batch[rows], layer, target=target, methods=[method]
            ).maps[method]
    return heat


def caption_study(
    talker: LanguageModel,
    records: Sequence[Record],
    layer: str = LAYERS["last"],
    method: str = "grad_cam",
    raw: bool = False,
) -> pd.DataFrame:
    """Heat of every word that names or describes a thing in sight, in the sentences said greedily.

    Returns:
        One row per word: image (number), place, word, role (size, texture, colour, shape), named
        (shape), the columns of `energies`, prior (the better of uniform and centre), and swap: the
        energy in the same thing when the other thing's word of the same role is explained (NaN
        where there is none).
    """
    images = images_of(records)
    tokens = say(talker.captioner, normalize(images))
    heat = word_maps(talker, images, tokens, layer, method, raw)
    rows = []
    for number, text in enumerate(talker.words.decode(tokens)):
        there = {thing.shape for thing in things_of(records[number])}
        for place, (spoken, named) in enumerate(zip(text.split(), subjects(text), strict=True)):
            if named in there:
                rows.append((number, place, spoken, _role(spoken), named))
    table = pd.DataFrame(rows, columns=["image", "place", "word", "role", "named"])
    return _measured(table, records, heat[table.image.tolist(), table.place.tolist()], "role")


def _role(spoken: str) -> str:
    if spoken in SHAPES:
        return "shape"
    if spoken in SIZES:
        return "size"
    return "texture" if spoken in ("striped", "dotted", "checked") else "colour"


def question_study(
    talker: LanguageModel,
    records: Sequence[Record],
    layer: str = LAYERS["last"],
    method: str = "grad_cam",
    raw: bool = True,
) -> pd.DataFrame:
    """Heat of the answers to "what colour (texture, size) is the ..." for every thing in sight.

    Scenes of one thing are left out: nothing else could be looked at.

    Returns:
        One row per question: image, kind, named, right (the answer), the columns of `energies`,
        prior and swap as in `caption_study`; swap is the mean over the other things' questions.
    """
    rows, asked = [], []
    for number, record in enumerate(records):
        things = things_of(record)
        for kind in ASPECTS if len(things) > 1 else ():
            for thing in things:
                text = f"what {kind} is the {thing.shape}"
                asked.append(Question(kind, text, getattr(thing, kind), (thing.shape,)))
                rows.append((number, kind, thing.shape))
    table = pd.DataFrame(rows, columns=["image", "kind", "named"])
    images = images_of(records)[table.image.tolist()]
    heat, given = answer_maps(talker, images, asked, layer, method, raw)
    table["right"] = [a == q.answer for a, q in zip(given, asked, strict=True)]
    return _measured(table, records, heat, "kind")


def answer_maps(
    talker: LanguageModel,
    images: Tensor,
    asked: Sequence[Question],
    layer: str = LAYERS["last"],
    method: str = "grad_cam",
    raw: bool = True,
    answers: Sequence[str] | None = None,
    chunk: int = 64,
) -> tuple[Tensor, list[str]]:
    """Maps (N, H, W) of the answers to one question per image, and the answers given.

    Args:
        images: (N, 3, H, W) uint8. answers: what to explain instead of the answers given.
    """
    tokens, heat, given = talker.words.encode([q.text for q in asked]), [], []
    names = talker.answers
    wanted = None if answers is None else torch.tensor([names.index(a) for a in answers])
    for part in torch.arange(len(asked)).split(chunk):
        target = answer(None if wanted is None else wanted[part], raw)
        model = Asked(talker.vqa, tokens[part])
        found = explain(model, normalize(images[part]), layer, target=target, methods=[method])
        heat.append(found.maps[method])
        given += [names[number] for number in found.logits.argmax(dim=1).tolist()]
    return torch.cat(heat), given


def kind_study(
    talker: LanguageModel,
    records: Sequence[Record],
    asked: Sequence[Sequence[Question]],
    layer: str = LAYERS["last"],
    method: str = "grad_cam",
) -> pd.DataFrame:
    """Heat of the answers on the things that show them, for any questions with evidence.

    Args:
        asked: questions about each record; those whose answer nothing shows are left out.

    Returns:
        One row per question: image, kind, right, the columns of `energies`, and prior.
    """
    pairs = [(n, q) for n, row in enumerate(asked) for q in row if q.about]
    numbers, chosen = [n for n, _ in pairs], [q for _, q in pairs]
    heat, given = answer_maps(talker, images_of(records)[numbers], chosen, layer, method)
    own, others = thing_masks([records[n].masks for n in numbers], [q.about for q in chosen])
    table = pd.DataFrame({"image": numbers, "kind": [q.kind for q in chosen]})
    table["right"] = [a == q.answer for a, q in zip(given, chosen, strict=True)]
    return _with_prior(pd.concat([table, energies(heat, own, others)], axis=1))


def _with_prior(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(prior=table[["own_area", "centre"]].max(axis=1))


def _measured(
    table: pd.DataFrame, records: Sequence[Record], heat: Tensor, group: str
) -> pd.DataFrame:
    """`table` (image, named, `group`) with the energies of `heat`, row by row, prior and swap."""
    if len(table) == 0:
        raise EvaluationError("nothing to measure: no word or question names a thing in sight")
    masks = [records[number].masks for number in table.image]
    own, others = thing_masks(masks, [(shape,) for shape in table.named])
    found = _with_prior(pd.concat([table, energies(heat, own, others)], axis=1))
    swap = np.full(len(table), np.nan)
    for _, part in table.groupby(["image", group]):
        for row in part.index:
            rest = [k for k in part.index if table.named[k] != table.named[row]]
            if rest:
                there = own[row : row + 1].expand(len(rest), -1, -1)
                swap[row] = energies(heat[rest], there, ~there)["own"].mean()
    return found.assign(swap=swap)
