"""An image in words: a network that says a sentence, greedy and beam decoding."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from xaihelpers.cams.engine.modes import evaluating
from xaihelpers.errors import LanguageError
from xaihelpers.networks.language.reader import (
    END,
    GRID,
    PAD,
    START,
    FixedTokens,
    ImageEncoder,
    ImageReader,
)

LONGEST = 14  # words, end included


class Captioner(ImageReader):
    """Sentence after sentence, word by word, each given the image and the words before it.

    Args:
        words: size of the vocabulary. encoder, channels, grid: as in `ImageReader`.
    """

    def __init__(
        self,
        words: int,
        encoder: nn.Module | None = None,
        channels: int = ImageEncoder.channels,
        grid: int = GRID,
    ) -> None:
        super().__init__(words, words, encoder, channels, grid)

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        """Logits (N, L, words) of the word after each of `tokens` (N, L), which begin with START.

        Position t is read from the words up to t alone.
        """
        return self.follow(self.encode(images), tokens)

    def follow(self, cells: Tensor, tokens: Tensor) -> Tensor:
        """Logits as `forward`, from what `encode` gave."""
        return self.head(self.reader(cells, tokens[:, None])[:, 0])


class Saying(FixedTokens):
    """A captioner held to a sentence (teacher forcing).

    It maps images to the logits (N, L - 1, words) of every word of `tokens` given the ones before
    it, for the targets of `cams.sequence_targets`.

    Args:
        tokens: (L,) for all images or (N, L), from START to END (`Vocabulary.encode`).
    """

    def __init__(self, model: Captioner, tokens: Tensor) -> None:
        super().__init__(model, tokens[..., :-1])


@torch.no_grad()
def say(model: Captioner, images: Tensor, beams: int = 1, longest: int = LONGEST) -> Tensor:
    """Sentences (N, L) for normalised images, from START to END, then PAD; in evaluation mode.

    The images lie on the network's device, the sentences on the CPU.

    beams: 1 takes the likeliest word each time (greedy); more keep so many beginnings.
    """
    with evaluating(model):
        cells = model.encode(images)

        def following(tokens: Tensor, rows: Tensor) -> Tensor:
            tokens, rows = tokens.to(cells.device), rows.to(cells.device)
            return model.follow(cells[rows], tokens)[:, -1].log_softmax(dim=1)

        return search(following, len(images), beams, longest)


def search(
    following: Callable[[Tensor, Tensor], Tensor], count: int, beams: int, longest: int
) -> Tensor:
    """Beam search: the likeliest sentence found for each of `count` images, (count, L).

    Sentences are compared by the sum of their words' log-probabilities, without a bonus for
    length. One beam is greedy decoding.

    Args:
        following: beginnings (B, L) and the image (B,) of each -> (B, words) log-probabilities of
            the next word.
        longest: words at most, END included; a sentence without END is cut there.

    Raises:
        LanguageError: fewer than one beam or word.
    """
    if beams < 1 or longest < 1:
        raise LanguageError(f"beams={beams}, longest={longest}: both must be 1 or more")
    tokens = torch.full((count, 1, 1), START)
    scores = torch.zeros(count, 1)
    for _ in range(longest):
        kept = tokens.shape[1]
        rows = torch.arange(count).repeat_interleave(kept)
        step = following(tokens.flatten(0, 1), rows).cpu().unflatten(0, (count, kept))
        done = (tokens[..., -1] == END) | (tokens[..., -1] == PAD)
        stay = torch.full_like(step, -torch.inf)
        stay[..., PAD] = 0.0  # a finished sentence goes on with padding, at no cost
        total = (scores[..., None] + torch.where(done[..., None], stay, step)).flatten(1)
        scores, best = total.topk(min(beams, total.shape[1]), dim=1)
        parent, word = best // step.shape[2], best % step.shape[2]
        chosen = tokens.gather(1, parent[..., None].expand(-1, -1, tokens.shape[2]))
        tokens = torch.cat([chosen, word[..., None]], dim=2)
        if bool(((word == END) | (word == PAD)).all()):
            break
    return tokens[:, 0]
