"""Visual question answering: a question read over an image, one answer out of a list."""

from __future__ import annotations

from torch import Tensor

from xaihelpers.networks.language.reader import PAD, FixedTokens, ImageReader


class VQA(ImageReader):
    """Question and image to scores of the answers: a linear layer over the mean word read."""

    causal = False

    def forward(self, images: Tensor, questions: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) and questions (N, L) -> logits (N, answers)."""
        return self.answer(self.encode(images), questions[:, None])[:, 0]

    def answer(self, cells: Tensor, questions: Tensor) -> Tensor:
        """Logits (N, Q, answers) of Q questions (N, Q, L) to each image, from `encode`."""
        read = self.reader(cells, questions)
        there = (questions != PAD)[..., None].to(read.dtype)
        return self.head((read * there).sum(dim=2) / there.sum(dim=2))


class Asked(FixedTokens):
    """A question answerer with the question it is asked: an ordinary classifier of answers."""
