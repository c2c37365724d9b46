"""Batches of scenes with sentences or questions: what the language networks learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xaihelpers import datasets
from xaihelpers.datasets.cache import CachedDataset
from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered.scenes import (
    COLOURS,
    HELD_OUT,
    SHAPES,
    TEXTURES,
    Thing,
    things_of,
)
from xaihelpers.datasets.rendered.scenes.questions import ANSWERS, Question, questions
from xaihelpers.datasets.rendered.scenes.sentences import mirrored, sentence
from xaihelpers.networks.language.reader import SIDE, Vocabulary

QUESTIONS = 6  # for each image of a batch
TAGS = (*SHAPES, *COLOURS, *TEXTURES)
#: A shape with its colour or texture. Of pairs that training holds out nothing is learnt here.
PAIRS = tuple(
    (shape, word)
    for shape in SHAPES
    for word in (*COLOURS, *TEXTURES)
    if (shape, word) not in HELD_OUT
)


@dataclass(frozen=True)
class Scenes:
    """Images (N, S, S, 3) uint8, in one piece per seed, and the things in each."""

    pieces: tuple[np.ndarray, ...]
    things: tuple[tuple[Thing, ...], ...]

    def __len__(self) -> int:
        return len(self.things)

    def images(self, indices: Sequence[int]) -> Tensor:
        """(B, 3, S, S) uint8."""
        ends = np.cumsum([len(piece) for piece in self.pieces])
        rows = []
        for i in indices:
            piece = int(np.searchsorted(ends, i, side="right"))
            rows.append(self.pieces[piece][i - (ends[piece] - len(self.pieces[piece]))])
        return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)


def scenes(split: str, seeds: Sequence[int] = (0,), limit: int | None = None) -> Scenes:
    """A split of the rendered scenes at the language networks' size, for one or several seeds."""
    pieces, things = [], []
    for seed in seeds:
        found = datasets.load("scenes", split, size=SIDE, seed=seed, limit=limit)
        if isinstance(found, CachedDataset):  # leaves the masks alone
            pieces.append(found.images)
            records = [
                Record(image, 0, meta=meta)
                for image, meta in zip(found.images, found.metas, strict=False)
            ]
        else:
            records = [found[i] for i in range(len(found))]
            pieces.append(np.stack([record.image for record in records]))
        things += [things_of(record) for record in records]
    return Scenes(tuple(pieces), tuple(things))


def _draw(
    data: Scenes, count: int, rng: np.random.Generator
) -> tuple[Tensor, list[tuple[Thing, ...]]]:
    """Random scenes, half of them seen in a mirror."""
    indices = rng.integers(len(data), size=count).tolist()
    images, mirror = data.images(indices), rng.random(count) < 0.5
    flipped = torch.where(torch.from_numpy(mirror)[:, None, None, None], images.flip(3), images)
    things = [
        mirrored(data.things[i], images.shape[3]) if turned else data.things[i]
        for i, turned in zip(indices, mirror, strict=True)
    ]
    return flipped, things


def pair_batches(
    data: Scenes, captions: Vocabulary, words: Vocabulary, count: int, seed: int
) -> Callable[[int], tuple[Tensor, ...]]:
    """Step -> (images, sentences, questions (N, Q, L), answers (N, Q), names, tags).

    captions, words: vocabularies of the sentences and of the questions.
    """

    def batch(step: int) -> tuple[Tensor, ...]:
        rng = np.random.default_rng([seed, step])
        images, things = _draw(data, count, rng)
        said = captions.encode([sentence(scene) for scene in things])
        asked = [one for scene in things for one in questions(scene, QUESTIONS, rng)]
        texts = words.encode([one.text for one in asked]).unflatten(0, (count, QUESTIONS))
        answers = answers_of(asked).unflatten(0, (count, QUESTIONS))
        names = torch.tensor([SHAPES.index(scene[0].shape) for scene in things])
        return images, said, texts, answers, names, tags_of(things)

    return batch


def tags_of(scenes: Sequence[Sequence[Thing]]) -> Tensor:
    """Which of `TAGS` and `PAIRS` apply to anything in each scene: (N, T + P) float, 0 or 1."""
    rows = []
    for things in scenes:
        there: set[object] = set()
        for t in things:
            there |= {t.shape, t.colour, t.texture, (t.shape, t.colour), (t.shape, t.texture)}
        rows.append([float(tag in there) for tag in (*TAGS, *PAIRS)])
    return torch.tensor(rows)


def tag_pairs() -> Tensor:
    """The numbers in `TAGS` of both words of each of `PAIRS`, (P, 2)."""
    return torch.tensor([[TAGS.index(shape), TAGS.index(word)] for shape, word in PAIRS])


def answers_of(asked: Sequence[Question]) -> Tensor:
    """Indices of the right answers, (N,) int64."""
    return torch.tensor([ANSWERS.index(one.answer) for one in asked])
