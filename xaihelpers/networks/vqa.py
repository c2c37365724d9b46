"""Visual question answering: a question read over an image, one answer out of a list."""

from __future__ import annotations

from torch import Tensor, nn

from xaihelpers.networks.captioner import expanded
from xaihelpers.networks.language import GRID, PAD, Eye, Reader


class VQA(nn.Module):
    """An eye for the image, a reader for the question, and a linear layer over their mean word.

    Args:
        answers: how many. words: size of the questions' vocabulary. encoder: as in `Captioner`.
    """

    def __init__(
        self,
        answers: int,
        words: int,
        encoder: nn.Module | None = None,
        channels: int = Eye.channels,
        grid: int = GRID,
    ) -> None:
        super().__init__()
        self.encoder = Eye() if encoder is None else encoder
        self.reader = Reader(words, channels, grid, causal=False)
        self.head = nn.Linear(self.reader.embed.embedding_dim, answers)

    def forward(self, images: Tensor, questions: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) and questions (N, L) -> logits (N, answers)."""
        return self.answer(self.look(images), questions[:, None])[:, 0]

    def look(self, images: Tensor) -> Tensor:
        """Images -> what the reader reads, (N, cells, width)."""
        return self.reader.cells(self.encoder(images))

    def answer(self, cells: Tensor, questions: Tensor) -> Tensor:
        """Logits (N, Q, answers) of Q questions (N, Q, L) to each image, from what `look` gave."""
        read = self.reader(cells, questions)
        there = (questions != PAD)[..., None].to(read.dtype)
        return self.head((read * there).sum(dim=2) / there.sum(dim=2))


class Asked(nn.Module):
    """A network with the question it is asked, so that images are its only input.

    This is what `cams.explain` takes: an ordinary classifier of answers. Layers are named as in
    the network, below `model`.

    Args:
        questions: (L,) for all images or (N, L), of `Vocabulary.encode`.
    """

    whole_batch = True  # its questions belong to one batch, which must not be cut

    def __init__(self, model: VQA, questions: Tensor) -> None:
        super().__init__()
        self.model = model
        rows = questions if questions.ndim == 2 else questions[None]
        self.questions = nn.Buffer(rows, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images, expanded(self.questions, len(images)))
