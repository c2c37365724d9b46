"""Pictures of every make, and one sentence for each that is none."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from xaihelpers.errors import PictureError
from xaihelpers.show.picture.loading import pictures_in, read_picture

RED = np.zeros((12, 20, 3), np.uint8)
RED[..., 0] = 200
RED[:3, :5] = 255  # a white corner tells which way is up


def written(folder: Path, name: str, image: Image.Image, **options: object) -> Path:
    path = folder / name
    image.save(path, **options)
    return path


def test_a_file_keeps_its_size_and_its_name(tmp_path: Path) -> None:
    picture = read_picture(written(tmp_path, "my cat.png", Image.fromarray(RED)))
    np.testing.assert_array_equal(picture.pixels, RED)
    assert (picture.name, picture.note) == ("my cat", "")


@pytest.mark.parametrize("mode", ["CMYK", "RGBA", "P", "RGB"])
def test_every_colour_mode_becomes_rgb(tmp_path: Path, mode: str) -> None:
    ending = "tif" if mode == "CMYK" else "png"
    converted = Image.fromarray(RED)
    converted = converted.quantize() if mode == "P" else converted.convert(mode)
    path = written(tmp_path, f"x.{ending}", converted)
    pixels = read_picture(path).pixels
    assert pixels.shape == RED.shape
    assert np.abs(pixels.astype(int) - RED).max() <= 1
    assert bool(read_picture(path).note) == (mode in ("CMYK", "RGBA"))


def test_sixteen_bits_keep_their_brightness(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 240).reshape(12, 20).astype(np.uint16)
    picture = read_picture(written(tmp_path, "x.png", Image.fromarray(ramp)))
    np.testing.assert_allclose(picture.pixels[..., 0], ramp / 257.0, atol=0.51)
    assert "16-bit" in picture.note


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(RED, 8 * k, axis=1)) for k in range(3)]
    path = written(tmp_path, "x.gif", frames[0], save_all=True, append_images=frames[1:])
    picture = read_picture(path)
    assert np.abs(picture.pixels.astype(int) - RED).max() <= 1
    assert "first of several frames" in picture.note


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right
    lying = Image.fromarray(np.rot90(RED))
    picture = read_picture(written(tmp_path, "x.png", lying, exif=exif))
    np.testing.assert_array_equal(picture.pixels, RED)


def test_arrays_tensors_and_images_are_the_same_picture() -> None:
    share = RED / 255.0
    for source in (RED, share, torch.from_numpy(RED).permute(2, 0, 1), Image.fromarray(RED)):
        np.testing.assert_array_equal(read_picture(source).pixels, RED)
    grey = read_picture(RED[..., 0])
    assert grey.pixels.shape == RED.shape
    np.testing.assert_array_equal(
        read_picture(torch.from_numpy(share[None, ..., 0])).pixels, grey.pixels
    )


def bytes_of(kind: str) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def huge() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("note.txt", b"no picture", "note.txt is not an image"),
        ("empty.png", b"", "empty.png is empty"),
        ("half.jpg", bytes_of("JPEG")[: len(bytes_of("JPEG")) // 2], "half.jpg is cut off"),
        ("half.png", bytes_of("PNG")[: len(bytes_of("PNG")) // 2], "half.png is cut off"),
        ("huge.png", huge(), "far too many pixels|20000 x 20000"),
    ],
)
def test_a_file_that_is_no_picture_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(PictureError, match=words) as caught:
        read_picture(tmp_path / name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("https://example.org/cat.jpg", "nothing is downloaded"),
        ("no/such/file.png", "there is no file"),
        (np.zeros((0, 0, 3), np.uint8), r"\(0, 0, 3\)"),
        (np.zeros((4, 4, 5), np.uint8), r"\(4, 4, 5\)"),
        (np.full((4, 4, 3), 7.0), "in \\[0, 1\\]"),
        (Image.new("RGB", (0, 5)), "0 x 5 pixels"),
    ],
)
def test_what_is_no_picture_is_refused(source: object, words: str) -> None:
    with pytest.raises(PictureError, match=words):
        read_picture(source)


def test_a_folder_is_refused_where_a_file_is_expected(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)


def test_a_file_that_may_not_be_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "x.png", Image.fromarray(RED))

    def forbidden(self: Path) -> bytes:
        raise PermissionError(13, os.strerror(13), str(self))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    with pytest.raises(PictureError, match="may not be read"):
        read_picture(path)


def test_a_folders_pictures_are_listed_and_one_without_says_so(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"holds no picture; expected files ending in \.png"):
        pictures_in(tmp_path)
    (tmp_path / "inner").mkdir()
    for name in ("b.PNG", "inner/a.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    assert [str(p.relative_to(tmp_path)) for p in pictures_in(tmp_path)] == ["b.PNG", "inner/a.jpg"]
