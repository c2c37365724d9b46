"""Sentences are read causally, decoding finds what it should, and each batch keeps its words."""

import math

import pytest
import torch

from xaihelpers import cams
from xaihelpers.cams import sequence_targets
from xaihelpers.errors import LanguageError
from xaihelpers.networks.language.captioner import Captioner, Saying, say, search
from xaihelpers.networks.language.reader import END, PAD, START, Vocabulary
from xaihelpers.networks.language.shipped import LAYERS

WORDS = Vocabulary(["a", "b", "c"])  # numbers 3, 4, 5


@pytest.fixture
def captioner() -> Captioner:
    torch.manual_seed(0)
    return Captioner(len(WORDS)).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))


def test_sentences_become_numbers_and_words_again() -> None:
    tokens = WORDS.encode(["a b", "c"])
    assert tokens.tolist() == [[START, 3, 4, END], [START, 5, END, PAD]]
    assert WORDS.decode(tokens) == ["a b", "c"]


def test_an_unknown_word_is_named() -> None:
    with pytest.raises(LanguageError, match="'d'.*a, b, c"):
        WORDS.encode(["a d"])


def test_a_word_does_not_see_the_words_after_it(captioner, images) -> None:
    one, two = WORDS.encode(["a b a", "a b c"])
    with torch.no_grad():
        first = captioner(images[:1], one[None])
        second = captioner(images[:1], two[None])
    torch.testing.assert_close(first[:, :3], second[:, :3])
    assert not torch.allclose(first[:, 3], second[:, 3])


def test_padding_changes_no_word_before_it(captioner, images) -> None:
    tokens = WORDS.encode(["a b"])
    longer = torch.cat([tokens, torch.full((1, 3), PAD)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(
            captioner(images[:1], longer)[:, :4], captioner(images[:1], tokens)
        )


def test_images_of_another_size_are_refused_in_words(captioner) -> None:
    with pytest.raises(LanguageError, match="144"):
        captioner(torch.zeros(1, 3, 64, 64), WORDS.encode(["a"]))


def chain(table: dict[tuple[int, ...], dict[int, float]]):
    """Next-word log-probabilities that depend on the words so far, given as probabilities."""

    def following(tokens: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        out = torch.full((len(tokens), 6), -math.inf)
        for row, sentence in enumerate(tokens.tolist()):
            said = tuple(t for t in sentence[1:] if t != PAD)
            for word, probability in table.get(said, {END: 1.0}).items():
                out[row, word] = math.log(probability)
        return out

    return following


# Greedy takes a (0.6), after which every sentence has 0.3 at most; b leads to 0.4 * 1.0 = 0.4.
GARDEN_PATH = chain({(): {3: 0.6, 4: 0.4}, (3,): {3: 0.5, 4: 0.5}, (4,): {5: 1.0}})


def test_greedy_takes_the_likeliest_word_each_time() -> None:
    assert WORDS.decode(search(GARDEN_PATH, 1, beams=1, longest=5))[0].startswith("a ")


def test_two_beams_find_the_likelier_sentence() -> None:
    assert WORDS.decode(search(GARDEN_PATH, 1, beams=2, longest=5)) == ["b c"]


def test_a_finished_sentence_is_not_lengthened() -> None:
    short = chain({(): {END: 0.5, 3: 0.5}, (3,): {3: 0.9, END: 0.1}})
    tokens = search(short, 1, beams=2, longest=4)
    assert tokens[0, 1] == END
    assert set(tokens[0, 2:].tolist()) <= {PAD}


def test_a_sentence_without_end_is_cut() -> None:
    endless = chain({(3,) * n: {3: 1.0} for n in range(9)})
    assert search(endless, 2, beams=1, longest=4).tolist() == [[START, 3, 3, 3, 3]] * 2


def test_no_beam_is_refused() -> None:
    with pytest.raises(LanguageError, match="beams=0"):
        search(GARDEN_PATH, 1, beams=0, longest=5)


def test_the_likeliest_of_many_beams_is_at_least_as_likely_as_greedy(captioner, images) -> None:
    def score(tokens: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            logits = captioner(images, tokens[:, :-1])
        return sequence_targets.sentence(tokens[:, 1:])(logits)

    greedy, beam = say(captioner, images, 1, 5), say(captioner, images, 6, 5)
    assert bool((score(beam) >= score(greedy) - 1e-4).all())


def test_saying_leaves_the_mode_as_it_was(captioner, images) -> None:
    captioner.train()
    captioner.encoder.eval()
    modes = [module.training for module in captioner.modules()]
    say(captioner, images, 1, 2)
    assert [module.training for module in captioner.modules()] == modes


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_sentences_are_said_on_a_gpu(captioner, images) -> None:
    expected = say(captioner, images, 2, 3)
    assert say(captioner.cuda(), images.cuda(), 2, 3).tolist() == expected.tolist()


def test_a_word_of_each_image_is_explained_at_every_named_layer(captioner, images) -> None:
    tokens = WORDS.encode(["a b", "c"])
    model = Saying(captioner, tokens)
    for layer in LAYERS.values():
        found = cams.explain(model, images, layer, target=sequence_targets.word([1, 0], [4, 5]))
        assert found.maps["grad_cam"].shape == (2, 96, 96)
    with torch.no_grad():
        expected = model(images).log_softmax(2)
    torch.testing.assert_close(
        found.scores, torch.stack([expected[0, 1, 4], expected[1, 0, 5]]), rtol=1e-4, atol=1e-5
    )


def test_sentences_and_images_must_be_equally_many(captioner, images) -> None:
    with pytest.raises(LanguageError, match="3 sentences for 2 images"):
        Saying(captioner, WORDS.encode(["a", "b", "c"]))(images)
