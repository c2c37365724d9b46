from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.datasets.layouts import cut, eye, write
from xaihelpers.datasets import DataError
from xaihelpers.datasets.images import (
    content_hash,
    crop_to_retina,
    fit_mask,
    read_mask,
    read_rgb,
    retina_mask,
    square,
)


def ramp() -> np.ndarray:
    """(16, 16, 3) uint8 grey from 0 to 255."""
    return np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)


@pytest.mark.parametrize("form", ["rgb", "rgba", "rgb16", "grey", "grey16"])
def test_every_depth_and_channel_count_reads_alike(tmp_path: Path, form: str) -> None:
    read = read_rgb(write(tmp_path / "image.PNG", ramp(), form))
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, ramp())


def test_twelve_bits_in_sixteen_fill_the_range(tmp_path: Path) -> None:
    pixels = np.array([[0, 4095], [2048, 1024]], np.uint16)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "x.png")[..., 0], [[0, 255], [128, 64]])


def test_palette_and_jpeg_files_are_read(tmp_path: Path) -> None:
    Image.fromarray(ramp()).convert("P").save(tmp_path / "x.png", transparency=b"\x00\x01")
    Image.fromarray(ramp()).save(tmp_path / "x.jpeg", quality=95)
    assert read_rgb(tmp_path / "x.png").shape == (16, 16, 3)
    assert np.abs(read_rgb(tmp_path / "x.jpeg").astype(int) - ramp()).max() < 10


@pytest.mark.parametrize("name", ["x.png", "x.jpg"])
def test_a_truncated_file_is_an_error_not_a_grey_half(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    cut(write(tmp_path / name, noise))
    with pytest.raises(DataError, match=rf"{name}: truncated or unreadable.*Download it again"):
        read_rgb(tmp_path / name)


def test_a_file_that_is_no_image_and_one_that_is_not_there_are_named(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("not an image")
    with pytest.raises(DataError, match=r"x\.png: truncated or unreadable"):
        read_rgb(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"y\.png: missing file"):
        read_rgb(tmp_path / "y.png")


@pytest.mark.parametrize("form", ["rgb", "grey"])
def test_masks_of_one_and_three_channels_read_alike(tmp_path: Path, form: str) -> None:
    mask = read_mask(write(tmp_path / "x.png", ramp(), form))
    np.testing.assert_array_equal(mask, ramp()[..., 0] > 127)


def test_the_content_hash_knows_pixels_and_shape() -> None:
    image = np.zeros((4, 6, 3), np.uint8)
    assert content_hash(image) == content_hash(image.copy())
    assert content_hash(image) != content_hash(image.reshape(6, 4, 3))
    assert content_hash(image) != content_hash(image + 1)


def test_squaring_pads_with_black_and_does_not_distort() -> None:
    image = np.full((40, 80, 3), 200, np.uint8)
    result = square(image, 40)
    assert result.shape == (40, 40, 3)
    assert (result[:10] == 0).all()
    assert (result[10:30] == 200).all()


def test_squaring_averages_areas_when_it_shrinks() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[::2, ::2] = 255  # a quarter of each 2 x 2 block
    np.testing.assert_array_equal(square(image, 4), np.full((4, 4, 3), 64))


def test_a_mask_of_another_size_lies_on_its_image() -> None:
    mask = np.zeros((20, 20), bool)
    mask[5:15, 5:15] = True
    fitted = fit_mask(mask, (40, 80), 40)
    expected = np.zeros((40, 40), bool)
    expected[15:25, 10:30] = True
    assert np.mean(fitted ^ expected) < 0.05


@pytest.mark.parametrize("brightness", [1.0, 0.15])
def test_the_crop_is_the_disc_despite_noise_hot_pixels_and_a_date(brightness: float) -> None:
    rng = np.random.default_rng(0)
    image = np.zeros((300, 420, 3), np.float32)
    image[20:270, 90:340] = brightness * eye(2, 0, 250)  # disc of radius 115 about (145, 215)
    image += rng.normal(0, 1, image.shape)
    image[rng.integers(0, 300, 40), rng.integers(0, 60, 40)] = 255
    image = image.clip(0, 255).round().astype(np.uint8)
    cv2.putText(image, "07:41", (350, 290), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1)
    height, width = crop_to_retina(image).shape[:2]
    assert height == pytest.approx(230, abs=8)
    assert width == pytest.approx(230, abs=8)


def test_a_black_image_is_kept_whole() -> None:
    black = np.zeros((50, 70, 3), np.uint8)
    assert crop_to_retina(black).shape == (50, 70, 3)
    assert retina_mask(black).all()


def test_the_retina_mask_is_the_filled_disc() -> None:
    mask = retina_mask(eye(4, 1, 128))
    assert mask[64, 64]
    assert not mask[2, 2]
    assert mask.mean() == pytest.approx(np.pi * 0.46**2, abs=0.03)
