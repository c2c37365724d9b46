"""Targets for a network that speaks: a word of a sentence, the sentence, an answer.

Words are read from logits (N, L, V), position by position, of a sentence that the network is held
to (teacher forcing): position t holds the scores of every word in the t-th place, given the words
before it. As in Selvaraju 2017, arXiv 1610.02391, what is explained of words is a log-probability
and of an answer its score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xaihelpers.cams.targets import ClassIndex, ClassTarget, class_indices, log_probability, logit
from xaihelpers.errors import TargetError

IGNORED = 0  # the number of a word that fills a sentence up


@dataclass(frozen=True, eq=False)
class WordTarget:
    """Log-probability, or with `raw` the logit, of one word in one place of each sentence."""

    position: int | Sequence[int] | Tensor
    word: ClassIndex = None
    raw: bool = False

    @property
    def __name__(self) -> str:
        kind = "logit" if self.raw else "log-probability"
        return f"{kind} of word {self.word} in place {self.position}"

    def __call__(self, logits: Tensor) -> Tensor:
        """Scores (N,) of the logits (N, L, V)."""
        logits = check_sequence(logits)
        here = logits[torch.arange(len(logits)), _places(self.position, logits)]
        index = class_indices(self.word, here)
        scored = here if self.raw else here.log_softmax(dim=1)
        return scored.gather(1, index[:, None])[:, 0]


@dataclass(frozen=True, eq=False)
class SentenceTarget:
    """Sum of the log-probabilities of all words of each sentence, filling left out."""

    tokens: Tensor

    @property
    def __name__(self) -> str:
        return "log-probability of the sentence"

    def __call__(self, logits: Tensor) -> Tensor:
        """Scores (N,) of the logits (N, L, V)."""
        logits = check_sequence(logits)
        rows = self.tokens if self.tokens.ndim == 2 else self.tokens[None]
        if len(rows) not in (1, len(logits)) or rows.shape[1] != logits.shape[1]:
            raise TargetError(
                f"the sentences are {tuple(rows.shape)}, the model scored "
                f"{tuple(logits.shape[:2])} places; give the words that follow each place: "
                "tokens[:, 1:] of the tokens that the model was held to"
            )
        index = rows.expand(len(logits), -1).to(logits.device)
        said = logits.log_softmax(dim=2).gather(2, index[..., None])[..., 0]
        return (said * (index != IGNORED)).sum(dim=1)


def check_sequence(output: object) -> Tensor:
    """The output as it is, if it is (N, L, V) floating-point logits.

    Raises:
        TargetError: it is something else.
    """
    if not isinstance(output, Tensor) or output.ndim != 3 or not output.is_floating_point():
        given = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise TargetError(
            f"a word's target needs logits of shape (N, L, V), but the model gave {given}; "
            "hold the captioner to a sentence first (networks.captioner.Saying)"
        )
    return output


def _places(position: int | Sequence[int] | Tensor, logits: Tensor) -> Tensor:
    """Positions (N,), checked against the length of the sentences."""
    index = torch.as_tensor(position, device=logits.device)
    count, length = logits.shape[:2]
    if index.is_floating_point() or index.ndim > 1 or (index.ndim == 1 and len(index) != count):
        raise TargetError(f"position must be a whole number, or one for each of {count} images")
    if bool(((index < 0) | (index >= length)).any()):
        raise TargetError(f"position {position} is outside 0..{length - 1}, the sentence's places")
    return index.long().expand(count)


def word(
    position: int | Sequence[int] | Tensor, word: ClassIndex = None, raw: bool = False
) -> WordTarget:
    """Explain the log-probability of one word of the sentence.

    Args:
        position: of the word, from 0, the first word after the start; one for all images or one
            each.
        word: the word's number, one per image, or None for the likeliest word there.
        raw: whether to take the logit instead, which no other word's score enters.

    Example:
        >>> word(0, 1, raw=True)(torch.tensor([[[3.0, 5.0]]]))
        tensor([5.])
    """
    return WordTarget(position, word, raw)


def sentence(tokens: Tensor) -> SentenceTarget:
    """Explain the log-probability of a whole sentence.

    Args:
        tokens: (L,) for all images, or (N, L), without the start. Zeros (padding) do not count.

    Example:
        >>> sentence(torch.tensor([1, 0]))(torch.zeros(1, 2, 2))
        tensor([-0.6931])
    """
    return SentenceTarget(tokens)


def answer(answers: ClassIndex = None, raw: bool = True) -> ClassTarget:
    """Explain the score of an answer to a question. An answer is a class.

    Args:
        answers: class index, one per image, or None for the answer that the network gives.
        raw: whether to take the logit; otherwise the log-probability.

    Example:
        >>> answer(1)(torch.tensor([[3.0, 5.0]]))
        tensor([5.])
    """
    return logit(answers) if raw else log_probability(answers)
