"""The language networks are made, tested, saved with their cards, kept, and opened again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from xaihelpers.datasets.rendered import scenes as scene_set
from xaihelpers.datasets.rendered.scenes.questions import ANSWERS
from xaihelpers.datasets.rendered.scenes.sentences import sentence
from xaihelpers.errors import SetupError
from xaihelpers.experiments.language import data as language_data
from xaihelpers.experiments.language import train as language
from xaihelpers.networks import CheckpointError
from xaihelpers.networks.language import shipped as talkers
from xaihelpers.networks.language.captioner import Captioner
from xaihelpers.networks.language.reader import Vocabulary
from xaihelpers.networks.language.training import Steps

TINY = Steps(2, batch_size=4, warmup=1, decay=1, low_precision=False)
RECORDS = [scene_set.render("train", index, size=96) for index in range(6)]


def few(
    split: str, seeds: tuple[int, ...] = (0,), limit: int | None = None
) -> language_data.Scenes:
    pixels = np.stack([record.image for record in RECORDS])
    return language_data.Scenes((pixels,), tuple(scene_set.things_of(r) for r in RECORDS))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    monkeypatch.setattr(language_data, "scenes", few)
    return tmp_path


def test_the_pair_is_made_at_once_and_kept(home: Path) -> None:
    card = language.train("scenes_captioner", 0, TINY)
    folder = home / "results" / "checkpoints"
    assert {path.name for path in folder.iterdir()} == {
        f"scenes_{name}.{kind}" for name in ("captioner", "vqa") for kind in ("json", "safetensors")
    }
    assert sum(path.stat().st_size for path in folder.glob("*.safetensors")) < 6e6
    written = (folder / "scenes_captioner.safetensors").stat().st_mtime_ns
    assert language.train("scenes_captioner", 0, TINY) == card
    assert language.train("scenes_vqa", 0, TINY)["metrics"]["n"] == 6 * language.ASKED["test"]
    assert (folder / "scenes_captioner.safetensors").stat().st_mtime_ns == written
    assert not list((home / "data" / "training").iterdir())


def test_what_is_saved_is_opened_with_the_same_eye_twice(home: Path) -> None:
    card = language.train("scenes_vqa", 0, TINY)
    captioner, vqa = talkers.open_captioner(), talkers.open_vqa()
    assert vqa.answers == ANSWERS
    assert vqa.card == card
    assert card["data"] == {"name": "scenes", "origin": "rendered", "version": scene_set.VERSION}
    for one, two in zip(
        captioner.captioner.encoder.parameters(), vqa.vqa.encoder.parameters(), strict=True
    ):
        assert torch.equal(one, two)
    said = language.captions(captioner.captioner, captioner.words, few("test"))
    assert len(said) == 6


class Trunk(nn.Module):
    """Stands for the chest classifier's trunk: as many channels and cells, at no cost."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU()
        self.eye = nn.Conv2d(3, talkers.CHEST_CHANNELS, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        small = nn.functional.adaptive_avg_pool2d(images, talkers.CHEST_GRID)
        return self.relu(self.eye(small))


def test_the_captioner_of_radiographs_saves_its_reader_and_knows_its_trunk(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk, digest = Trunk(), ["first"]

    def new(words: int) -> tuple[Captioner, str]:
        model = Captioner(words, trunk, talkers.CHEST_CHANNELS, talkers.CHEST_GRID)
        return model, digest[0]

    monkeypatch.setattr(talkers, "new_findings_captioner", new)
    monkeypatch.setattr(language, "FINDINGS", {"train": 6, "test": 3})
    card = language.train("findings_captioner", 0, TINY)
    assert card["metrics"]["n"] == 3
    assert card["trunk_sha256"] == "first"
    opened = talkers.open_findings_captioner()
    assert opened.captioner.encoder is trunk
    assert not opened.model.training
    digest[0] = "second"
    with pytest.raises(CheckpointError, match="another chest_xray_densenet121"):
        talkers.open_findings_captioner()


def test_another_network_is_refused() -> None:
    with pytest.raises(SetupError, match="scenes_captioner, scenes_vqa"):
        language.train("poet")


def test_a_batch_depends_on_the_step_alone_and_mirrors_images_with_their_words() -> None:
    captions, asked = Vocabulary(language.sentences.WORDS), Vocabulary(language.questions.WORDS)
    batches = language_data.pair_batches(few("train"), captions, asked, 12, seed=0)
    one, again, other = batches(3), batches(3), batches(4)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert not torch.equal(one[0], other[0])
    plain = {r.image.tobytes(): sentence(scene_set.things_of(r)) for r in RECORDS}
    mirrored = 0
    swap = {"left": "right", "right": "left"}
    for image, text in zip(one[0], captions.decode(one[1]), strict=True):
        pixels = image.permute(1, 2, 0).contiguous().numpy()
        if pixels.tobytes() in plain:
            assert text == plain[pixels.tobytes()]
        else:
            truth = plain[np.ascontiguousarray(pixels[:, ::-1]).tobytes()]
            assert text == " ".join(swap.get(word, word) for word in truth.split())
            mirrored += 1
    assert 0 < mirrored < 12


def test_tags_say_what_is_there_and_not_where() -> None:
    things = few("train").things[0]
    tags = language_data.tags_of([things])[0]
    names = (*language_data.TAGS, *language_data.PAIRS)
    there = {name for name, tag in zip(names, tags, strict=True) if tag}
    words = {word for t in things for word in (t.shape, t.colour, t.texture)}
    assert there == words | {(t.shape, word) for t in things for word in (t.colour, t.texture)}


def test_pairs_that_training_holds_out_are_not_taught_as_absent() -> None:
    assert not scene_set.HELD_OUT & set(language_data.PAIRS)
    shape, word = language_data.tag_pairs()[-1].tolist()
    assert (language_data.TAGS[shape], language_data.TAGS[word]) == language_data.PAIRS[-1]


def test_images_of_several_seeds_are_counted_through() -> None:
    pixels = few("train").pieces[0]
    things = few("train").things
    both = language_data.Scenes((pixels[:2], pixels[2:]), things)
    expected = torch.from_numpy(pixels[[1, 2, 5]]).permute(0, 3, 1, 2)
    assert torch.equal(both.images([1, 2, 5]), expected)
