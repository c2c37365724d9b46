"""What is saved comes back, and what does not fit is refused with a remedy."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from xaihelpers import networks
from xaihelpers.errors import StorageError
from xaihelpers.networks import CheckpointError, checkpoints

CARD = {"arch": "efficientnet_b0", "classes": ["a", "b", "c"], "metrics": {"accuracy": 0.5}}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "fundus_efficientnet_b0.safetensors"
    checkpoints.save(networks.build("efficientnet_b0", 3), path, CARD)
    return path


def test_a_checkpoint_comes_back_with_its_card(saved: Path) -> None:
    model, card = checkpoints.load(saved)
    assert card["metrics"] == {"accuracy": 0.5}
    assert not model.training
    assert all(p.dtype == torch.float32 and p.requires_grad for p in model.parameters())


def test_logits_survive_fp16(tmp_path: Path) -> None:
    model = networks.build("vgg19", 3).eval()
    checkpoints.save(model, tmp_path / "v.safetensors", CARD | {"arch": "vgg19"})
    again, _ = checkpoints.load(tmp_path / "v.safetensors")
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(
        networks.predict(model, images), networks.predict(again, images), rtol=0.01, atol=0.01
    )


def test_weights_are_stored_as_fp16(saved: Path) -> None:
    kinds = {tensor.dtype for tensor in load_file(saved).values()}
    assert kinds == {torch.float16, torch.int64}


def test_loading_leaves_the_random_state_alone(saved: Path) -> None:
    before = torch.get_rng_state()
    checkpoints.load(saved)
    assert torch.equal(before, torch.get_rng_state())


def test_load_study_looks_below_the_home(saved: Path, monkeypatch) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(saved.parent))
    model, card = checkpoints.load(saved)
    checkpoints.save(model, checkpoints.shipped_path("fundus", "efficientnet_b0"), card)
    assert (saved.parent / "results/checkpoints/fundus_efficientnet_b0.safetensors").exists()
    assert networks.load_shipped("fundus", "efficientnet_b0")[1]["classes"] == ["a", "b", "c"]


def test_a_missing_checkpoint_says_make_train(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="make train"):
        checkpoints.load(tmp_path / "none.safetensors")


def test_a_missing_card_says_make_train(saved: Path) -> None:
    checkpoints.card_path(saved).unlink()
    with pytest.raises(CheckpointError, match=r"\.json does not exist; `make train`"):
        checkpoints.load(saved)


def test_a_changed_file_is_refused_by_its_hash(saved: Path) -> None:
    damaged = bytearray(saved.read_bytes())
    damaged[-1] ^= 1
    saved.write_bytes(damaged)
    with pytest.raises(CheckpointError, match="sha256"):
        checkpoints.load(saved)


def test_other_classes_are_refused(saved: Path) -> None:
    with pytest.raises(CheckpointError, match="trained for the classes"):
        checkpoints.load(saved, classes=("a", "c", "b"))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"arch": "alexnet"}, "unknown architecture"), ({"classes": ["a"]}, "size mismatch")],
)
def test_a_card_that_does_not_fit_the_weights_is_refused(
    saved: Path, change: dict[str, object], words: str
) -> None:
    card = json.loads(checkpoints.card_path(saved).read_text())
    checkpoints.card_path(saved).write_text(json.dumps(card | change))
    with pytest.raises(CheckpointError, match=words):
        checkpoints.load(saved)


@pytest.mark.parametrize(("text", "words"), [("{", "not a model card"), ("{}", "lacks arch")])
def test_a_broken_card_is_refused(saved: Path, text: str, words: str) -> None:
    checkpoints.card_path(saved).write_text(text)
    with pytest.raises(CheckpointError, match=words):
        checkpoints.load(saved)


def test_a_card_without_classes_is_not_saved(tmp_path: Path, tiny) -> None:
    with pytest.raises(CheckpointError, match="lacks classes"):
        checkpoints.save(tiny(), tmp_path / "x.safetensors", {"arch": "vgg19"})
    assert list(tmp_path.iterdir()) == []


def test_weights_beyond_fp16_are_not_saved(tmp_path: Path, tiny) -> None:
    model = tiny()
    torch.nn.init.constant_(model[0].bias, 1e5)
    with pytest.raises(CheckpointError, match="65504"):
        checkpoints.save(model, tmp_path / "x.safetensors", CARD)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path, tiny) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="cannot write"):
        checkpoints.save(tiny(), tmp_path / "file" / "x.safetensors", CARD)
