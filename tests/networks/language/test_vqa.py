"""Answers depend on image and question, never on neighbours or padding."""

import pytest
import torch

from xaihelpers import cams
from xaihelpers.errors import LanguageError
from xaihelpers.networks.language.reader import PAD, Vocabulary
from xaihelpers.networks.language.shipped import LAYERS
from xaihelpers.networks.language.vqa import VQA, Asked

WORDS = Vocabulary(["what", "colour", "is", "it"])


@pytest.fixture
def vqa() -> VQA:
    torch.manual_seed(0)
    return VQA(5, len(WORDS)).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(10, 3, 96, 96, generator=torch.Generator().manual_seed(1))


def test_questions_of_one_image_do_not_see_each_other(vqa, images) -> None:
    asked = WORDS.encode(["what colour is it", "is it"])
    with torch.no_grad():
        cells = vqa.encode(images[:1])
        together = vqa.answer(cells, asked[None])
        alone = torch.stack([vqa.answer(cells, row[None, None])[:, 0] for row in asked], dim=1)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_padding_does_not_change_an_answer(vqa, images) -> None:
    asked = WORDS.encode(["is it"])
    longer = torch.cat([asked, torch.full((1, 4), PAD)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(vqa(images[:1], asked), vqa(images[:1], longer))


def test_word_order_matters(vqa, images) -> None:
    one, two = WORDS.encode(["is it", "it is"])
    with torch.no_grad():
        assert not torch.allclose(vqa(images[:1], one[None]), vqa(images[:1], two[None]))


def test_explained_like_any_classifier_with_a_question_per_image(vqa, images) -> None:
    texts = ["is it", "what is it"] * 5
    tokens = WORDS.encode(texts)
    together = cams.explain(Asked(vqa, tokens), images, LAYERS["last"])
    alone = cams.explain(Asked(vqa, tokens[3]), images[3:4], LAYERS["last"])
    torch.testing.assert_close(
        together.raw["grad_cam"][3:4], alone.raw["grad_cam"], rtol=1e-3, atol=1e-6
    )
    assert together.logits.shape == (10, 5)


def test_one_question_serves_all_images(vqa, images) -> None:
    tokens = WORDS.encode(["is it"])
    with torch.no_grad():
        torch.testing.assert_close(
            Asked(vqa, tokens[0])(images[:2]), vqa(images[:2], tokens.expand(2, -1))
        )


def test_too_many_questions_are_refused(vqa, images) -> None:
    with pytest.raises(LanguageError, match="3 sentences for 10 images"):
        Asked(vqa, WORDS.encode(["is", "it", "what"]))(images)
