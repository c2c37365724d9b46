"""The sample of ImageNet: the wnid decides the class; what cannot be read is named or counted."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xaihelpers.datasets.real import imagenet_sample
from xaihelpers.errors import DataError
from xaihelpers.networks import imagenet

FILES = {"n01440764_tench.JPEG": 0, "n02123045_tabby.JPEG": 281, "n07920052_espresso.JPEG": 967}
REAL = os.environ.get("XAIHELPERS_REAL", "")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Made-up pictures in the true layout, of modes RGB, L and CMYK, beside other files."""
    root = tmp_path / "imagenet-sample-images"
    root.mkdir()
    rng = np.random.default_rng(0)
    for name, mode in zip(FILES, ("RGB", "L", "CMYK"), strict=True):
        pixels = rng.integers(0, 256, (260, 300, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert(mode).save(root / name)
    (root / "README.md").write_text("not a picture")
    (root / "gallery.jpg").write_bytes(b"no wnid, no picture of the set")
    return root


def test_the_wnid_decides_the_class(folder: Path) -> None:
    data = imagenet_sample.source(folder, size=64)
    assert data.labels.tolist() == list(FILES.values())
    assert [data[i].label for i in range(3)] == list(FILES.values())
    assert [data[i].meta["class"] for i in range(3)] == ["tench", "tabby", "espresso"]
    assert data[1].name == "n02123045_tabby"


def test_pictures_of_every_mode_become_square_rgb(folder: Path) -> None:
    data = imagenet_sample.source(folder, size=64)
    for place in range(3):
        assert data[place].image.shape == (64, 64, 3)
        assert data[place].image.dtype == np.uint8


def test_the_folder_is_found_in_the_one_that_holds_it(folder: Path) -> None:
    assert imagenet_sample.find(folder.parent) == folder
    assert len(imagenet_sample.source(folder.parent)) == 3


def test_class_ids_and_names_are_in_the_network_s_order() -> None:
    assert len(imagenet_sample.class_indices()) == 1000
    assert imagenet_sample.class_names() == imagenet.class_names()
    for wnid, name in (("n02123045", "tabby"), ("n07920052", "espresso"), ("n03773504", "missile")):
        assert imagenet_sample.class_indices()[wnid] == imagenet.class_index(name)


def test_the_same_photographs_have_the_same_hash_wherever_they_lie(
    folder: Path, tmp_path: Path
) -> None:
    before = imagenet_sample.source(folder).options
    moved = folder.rename(tmp_path / "elsewhere")
    assert imagenet_sample.source(moved).options == before
    Image.new("RGB", (300, 300)).save(moved / "n01440764_tench.JPEG")
    assert imagenet_sample.source(moved).options != before


def test_a_wnid_outside_the_thousand_classes_is_refused(folder: Path) -> None:
    Image.new("RGB", (300, 300)).save(folder / "n00000000_nothing.JPEG")
    with pytest.raises(DataError, match="n00000000 is none of ImageNet's 1,000 classes"):
        imagenet_sample.source(folder)


def test_a_file_cut_in_half_is_named_or_left_out_and_counted(folder: Path) -> None:
    path = folder / "n02123045_tabby.JPEG"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match="n02123045_tabby.JPEG: truncated"):
        imagenet_sample.source(folder)[1]
    data = imagenet_sample.source(folder, skip_bad=True)
    assert data.labels.tolist() == [0, 967]
    assert "1 of 3 images left out" in data.report


def test_a_folder_without_such_files_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="<wnid>_<name>.JPEG"):
        imagenet_sample.source(tmp_path)
    with pytest.raises(DataError, match="<wnid>_<name>.JPEG"):
        imagenet_sample.source(tmp_path / "absent")


@pytest.mark.skipif(not REAL, reason="XAIHELPERS_REAL names no folder of real data")
def test_the_real_sample_has_one_picture_of_every_class() -> None:
    data = imagenet_sample.source(REAL)
    assert data.labels.tolist() == list(range(1000))
    assert data[0].image.shape == (224, 224, 3)
