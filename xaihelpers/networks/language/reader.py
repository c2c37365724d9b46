"""What captioner and question answerer share: words as numbers, an eye, a reader."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xaihelpers.errors import LanguageError

PAD, START, END = 0, 1, 2
SPECIAL = ("<pad>", "<start>", "<end>")
GRID = 12  # cells a side of the last maps, for images of SIDE px
SIDE = 96
_WIDTHS = (24, 40, 48, 64, 96, 128)


class Vocabulary:
    """Words and their numbers; 0, 1 and 2 are padding, start and end of a sentence."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = (*SPECIAL, *words)
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def __len__(self) -> int:
        return len(self.words)

    def number(self, word: str) -> int:
        """The number of a word.

        Raises:
            LanguageError: it is not known.
        """
        if word not in self._numbers:
            raise LanguageError(f"unknown word {word!r}; known are {', '.join(self.words[3:])}")
        return self._numbers[word]

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Sentences -> (N, L) int64: start, words, end, then padding to the longest."""
        rows = [[START, *map(self.number, text.split()), END] for text in sentences]
        longest = max(map(len, rows))
        return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows])

    def decode(self, tokens: Tensor) -> list[str]:
        """(N, L) -> sentences: the words up to the first end."""
        sentences = []
        for row in tokens.tolist():
            words = row[: row.index(END)] if END in row else row
            sentences.append(" ".join(self.words[number] for number in words if number > END))
        return sentences


def _block(into: int, out: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)
    return [convolution, nn.BatchNorm2d(out), nn.ReLU()]


class ImageEncoder(nn.Module):
    """Six convolutions: (N, 3, 96, 96) -> `stage3` (N, 128, 12, 12), not negative.

    `stage1` gives 48 x 48 cells and `stage2` 24 x 24; all end in a ReLU.
    """

    channels = _WIDTHS[-1]

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four, five, six = _WIDTHS
        self.stage1 = nn.Sequential(*_block(3, one, 5, 2), *_block(one, two))
        self.stage2 = nn.Sequential(nn.MaxPool2d(2), *_block(two, three), *_block(three, four))
        self.stage3 = nn.Sequential(nn.MaxPool2d(2), *_block(four, five), *_block(five, six))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Feature maps of normalised images."""
        return self.stage3(self.stage2(self.stage1(images)))


def position_encoding(grid: int, width: int) -> Tensor:
    """The position of each cell of a grid in sines and cosines: (grid * grid, width).

    Half of the numbers speak of the column and half of the row, as cosines and sines from a
    quarter turn over the whole grid (which tells left from right) to six turns.
    """
    place = (torch.arange(grid) + 0.5) / grid
    turns = torch.logspace(math.log2(0.25), math.log2(6), width // 4, base=2)
    angles = 2 * math.pi * place[:, None] * turns
    line = 0.5 * torch.cat([angles.cos(), angles.sin()], dim=1)
    columns, rows = line[None].expand(grid, -1, -1), line[:, None].expand(-1, grid, -1)
    return torch.cat([columns, rows], dim=2).flatten(0, 1)


class Reader(nn.Module):
    """Words that attend to an image: a transformer decoder over the cells of its feature maps.

    Vaswani 2017, arXiv 1706.03762, with the normalisation before each part. Every word attends to
    the words of its sentence (`causal`: only to those before it) and to every cell of the grid.

    Args:
        words: size of the vocabulary. channels, grid: of the feature maps. longest: sentence.
    """

    def __init__(
        self,
        words: int,
        channels: int,
        grid: int = GRID,
        causal: bool = True,
        width: int = 128,
        depth: int = 2,
        longest: int = 20,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.project = nn.Linear(channels, width)
        self.cell_place = nn.Parameter(position_encoding(grid, width))
        self.embed = nn.Embedding(words, width)
        self.word_place = nn.Parameter(0.02 * torch.randn(longest, width))
        layer = nn.TransformerDecoderLayer(
            width, 4, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerDecoder(layer, depth, norm=nn.LayerNorm(width))
        nn.init.normal_(self.embed.weight, std=0.02)

    def cells(self, maps: Tensor) -> Tensor:
        """Feature maps (N, K, H, W) -> (N, H W, width), each cell with its place."""
        flat = maps.flatten(2).transpose(1, 2)
        if flat.shape[1] != len(self.cell_place):
            raise LanguageError(
                f"the feature maps have {flat.shape[1]} cells, the reader knows "
                f"{len(self.cell_place)}; resize the images to the size of its training"
            )
        return self.project(flat) + self.cell_place

    def forward(self, cells: Tensor, tokens: Tensor) -> Tensor:
        """Cells (N, H W, width) and words (N, Q, L), Q sentences per image -> (N, Q, L, width).

        The sentences of an image stand in one row, where none sees the others: the cells are then
        projected once for all of them.
        """
        sentences, length = tokens.shape[1:]
        if length > len(self.word_place):
            raise LanguageError(f"{length} words; a sentence has at most {len(self.word_place)}")
        words = (self.embed(tokens) + self.word_place[:length]).flatten(1, 2)
        seen = torch.ones(length, length, dtype=torch.bool, device=tokens.device)
        seen = seen.tril() if self.causal else seen
        read = self.layers(
            words,
            cells,
            tgt_mask=~torch.block_diag(*[seen] * sentences),
            tgt_key_padding_mask=(tokens == PAD).flatten(1),
        )
        return read.unflatten(1, (sentences, length))


class ImageReader(nn.Module):
    """An image encoder, a transformer decoder over its cells, and a linear layer over the words.

    Args:
        outputs: number of outputs of the linear layer.
        words: size of the vocabulary.
        encoder: images (N, 3, H, W) -> feature maps (N, channels, grid, grid); by default an
            `ImageEncoder`.
        channels: of the feature maps.
        grid: side of the feature maps in cells.
    """

    causal = True  # whether a word may see only those before it

    def __init__(
        self,
        outputs: int,
        words: int,
        encoder: nn.Module | None = None,
        channels: int = ImageEncoder.channels,
        grid: int = GRID,
    ) -> None:
        super().__init__()
        self.encoder = ImageEncoder() if encoder is None else encoder
        self.reader = Reader(words, channels, grid, self.causal)
        self.head = nn.Linear(self.reader.embed.embedding_dim, outputs)

    def encode(self, images: Tensor) -> Tensor:
        """Normalised images (N, 3, H, W) -> the cells that words attend to, (N, cells, width)."""
        return self.reader.cells(self.encoder(images))


class FixedTokens(nn.Module):
    """A network with the words that belong to its images, so that images are its only input.

    This is what `cams.explain` takes. Layers are named as in the network, below `model`.

    Args:
        tokens: (L,) for all images or (N, L), of `Vocabulary.encode`.
    """

    whole_batch = True  # its words belong to one batch, which must not be cut

    def __init__(self, model: nn.Module, tokens: Tensor) -> None:
        super().__init__()
        self.model = model
        self.tokens = nn.Buffer(tokens if tokens.ndim == 2 else tokens[None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """What the network makes of images (N, 3, H, W) and its words.

        Raises:
            LanguageError: there are neither one nor N sentences.
        """
        if len(self.tokens) not in (1, len(images)):
            found = f"{len(self.tokens)} sentences for {len(images)} images"
            raise LanguageError(f"{found}; give one, or one each")
        said: Tensor = self.model(images, self.tokens.expand(len(images), -1))
        return said
