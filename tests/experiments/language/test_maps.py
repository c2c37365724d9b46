"""The studies measure each word and question on its own thing, and the swap on the same one."""

import numpy as np
import pytest
import torch

from xaihelpers import cams
from xaihelpers.cams import sequence_targets
from xaihelpers.datasets.rendered import scenes
from xaihelpers.datasets.rendered.scenes import questions, sentences
from xaihelpers.experiments.language import maps as study
from xaihelpers.experiments.language.scores import thing_masks
from xaihelpers.metrics.localization import energy_in_mask
from xaihelpers.networks import normalize
from xaihelpers.networks.language.captioner import Captioner, Saying
from xaihelpers.networks.language.reader import Vocabulary
from xaihelpers.networks.language.shipped import LAYERS, LanguageModel
from xaihelpers.networks.language.vqa import VQA, Asked

RECORDS = [scenes.render("test", index, size=96) for index in range(6)]


@pytest.fixture
def speaker() -> LanguageModel:
    torch.manual_seed(0)
    words = Vocabulary(sentences.WORDS)
    return LanguageModel(Captioner(len(words)).eval(), words, {"classes": sentences.WORDS})


@pytest.fixture
def answerer() -> LanguageModel:
    torch.manual_seed(0)
    words = Vocabulary(questions.WORDS)
    model = VQA(len(questions.ANSWERS), len(words)).eval()
    return LanguageModel(model, words, {"classes": questions.ANSWERS})


def test_word_maps_are_those_of_each_sentence_alone(speaker: LanguageModel) -> None:
    texts = [sentences.sentence(scenes.things_of(record)) for record in RECORDS]
    tokens, images = speaker.words.encode(texts), study.images_of(RECORDS)
    together = study.word_maps(speaker, images, tokens)
    for row, place in ((0, 1), (5, 3)):
        alone = cams.explain(
            Saying(speaker.captioner, tokens[row]),
            normalize(images[row : row + 1]),
            LAYERS["last"],
            target=sequence_targets.word(place, int(tokens[row, place + 1])),
        )
        torch.testing.assert_close(
            together[row, place], alone.maps["grad_cam"][0], rtol=1e-3, atol=1e-3
        )
    lengths = [len(text.split()) for text in texts]
    assert all(float(together[n, length:].sum()) == 0 for n, length in enumerate(lengths))


def test_a_sentence_cut_before_its_end_has_a_map_for_every_word(speaker: LanguageModel) -> None:
    tokens = speaker.words.encode(["a large red circle"])[:, :-1]
    heat = study.word_maps(speaker, study.images_of(RECORDS[:1]), tokens)
    assert heat.shape[1] == 4


def test_captions_are_measured_word_by_word(speaker: LanguageModel, monkeypatch) -> None:
    texts = [sentences.sentence(scenes.things_of(record)) for record in RECORDS]
    tokens = speaker.words.encode(texts)
    monkeypatch.setattr(study, "say", lambda model, images: tokens)
    table = study.caption_study(speaker, RECORDS)
    content = [word for text in texts for word in text.split()]
    unnamed = ("a", "left", "right", "of", "above", "below")
    assert list(table.word) == [word for word in content if word not in unnamed]
    heat = study.word_maps(speaker, study.images_of(RECORDS), tokens)
    pair = table[table.image == table.image[table.swap.notna()].iloc[0]]
    first, second = (pair[pair.role == "shape"].iloc[k] for k in (0, 1))
    own, _ = thing_masks([RECORDS[first.image].masks], [(first.named,)])
    expected = energy_in_mask(heat[first.image, second.place][None], own)
    assert first.swap == pytest.approx(float(expected), abs=1e-6)
    expected = energy_in_mask(heat[first.image, first.place][None], own)
    assert first.own == pytest.approx(float(expected), abs=1e-6)
    assert (table.prior >= table.own_area).all()


def test_every_thing_of_a_scene_is_asked_about(answerer: LanguageModel) -> None:
    table = study.question_study(answerer, RECORDS)
    counts = [len(scenes.things_of(record)) for record in RECORDS]
    assert len(table) == 3 * sum(count for count in counts if count > 1)
    assert table.swap.notna().all()
    row = table.iloc[-1]
    tokens = answerer.words.encode([f"what {row.kind} is the {row.named}"])
    image = normalize(study.images_of([RECORDS[row.image]]))
    found = cams.explain(Asked(answerer.vqa, tokens), image, LAYERS["last"])
    own, _ = thing_masks([RECORDS[row.image].masks], [(row.named,)])
    assert row.own == pytest.approx(float(energy_in_mask(found.maps["grad_cam"], own)), abs=1e-4)


def test_an_answer_that_was_not_given_can_be_explained(answerer: LanguageModel) -> None:
    asked = [questions.Question("colour", "what colour is the star", "red", ())] * 2
    images = study.images_of(RECORDS[:2])
    one, given = study.answer_maps(answerer, images, asked, answers=["red", "blue"])
    two, again = study.answer_maps(answerer, images, asked, answers=["blue", "blue"])
    assert given == again
    assert not torch.equal(one[0], two[0])
    torch.testing.assert_close(one[1], two[1])


def test_questions_without_evidence_are_left_out(answerer: LanguageModel) -> None:
    rng = np.random.default_rng(0)
    asked = [questions.questions(scenes.things_of(r), 6, rng) for r in RECORDS]
    table = study.kind_study(answerer, RECORDS, asked)
    assert len(table) == sum(bool(q.about) for row in asked for q in row)
    assert set(table.kind) <= set(questions.KINDS)
