"""The page offers what the picture allows, and every control redraws it."""

import pytest
import torch

from xaihelpers.datasets.rendered import scenes
from xaihelpers.datasets.rendered.scenes import questions, sentences
from xaihelpers.experiments.language import view as language_view
from xaihelpers.networks.language.captioner import Captioner
from xaihelpers.networks.language.reader import Vocabulary
from xaihelpers.networks.language.shipped import LanguageModel
from xaihelpers.networks.language.vqa import VQA

RECORDS = [scenes.render("test", index, size=96) for index in range(3)]


@pytest.fixture
def page(monkeypatch) -> language_view.LanguageExplorer:
    torch.manual_seed(0)
    words, asked = Vocabulary(sentences.WORDS), Vocabulary(questions.WORDS)
    speaker = LanguageModel(Captioner(len(words)).eval(), words, {"classes": sentences.WORDS})
    model = VQA(len(questions.ANSWERS), len(asked)).eval()
    said = [sentences.sentence(scenes.things_of(record)) for record in RECORDS]
    monkeypatch.setattr(language_view, "say", lambda *_: words.encode(said))
    answerer = LanguageModel(model, asked, {"classes": questions.ANSWERS})
    return language_view.LanguageExplorer(RECORDS, speaker, answerer)


def test_every_word_and_every_thing_can_be_picked(page) -> None:
    words = [label.split()[1] for label, _ in page.word.options]
    assert " ".join(words) == sentences.sentence(scenes.things_of(RECORDS[0]))
    shapes = [thing.shape for thing in scenes.things_of(RECORDS[0])]
    assert all(f"what colour is the {shape}" in page.question.options for shape in shapes)


def test_a_page_is_drawn_at_once_and_again_after_every_change(page) -> None:
    drawn = {bytes(page._shown.value)}
    choices = (
        {"word": 3},
        {"question": "how many things are there"},
        {"answer": "yes"},
        {"layer": "stage2"},
        {"picture": 2},
    )
    for choice in choices:
        page.look(**choice)
        drawn.add(bytes(page._shown.value))
    assert len(drawn) >= len(choices)
    assert all(image.startswith(b"\xff\xd8") for image in drawn)  # JPEG


def test_all_offered_questions_can_be_asked() -> None:
    for record in RECORDS:
        for text in language_view.questions_to_pick(record):
            assert set(text.split()) <= set(questions.WORDS)


def test_a_row_shows_the_image_and_each_word_under_its_title() -> None:
    heats = torch.rand(2, 96, 96)
    outline = {"circle": torch.ones(96, 96, dtype=torch.bool)}
    figure = language_view.row(RECORDS[0].image, ["red", "circle"], heats, [outline] * 2, "image")
    assert [ax.get_title() for ax in figure.axes] == ["image", "red", "circle"]
