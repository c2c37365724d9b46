"""DICOM files, on those of pydicom's wheel: window, inversion, bits, and no word of a header."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import data_manager

from xaihelpers.errors import PictureError
from xaihelpers.show.picture import dicom
from xaihelpers.show.picture.loading import read_picture

FILES = Path(data_manager.DATA_ROOT) / "test_files"
INVERTED = FILES / "dicomdirtests" / "77654033" / "CR1" / "6154"


def by_hand(data: pydicom.Dataset) -> np.ndarray:
    """Rescaled, then the linear window of DICOM PS3.3, C.11.2.1.2.1; in [0, 1]."""
    values = data.pixel_array * float(data.get("RescaleSlope", 1))
    values = values + float(data.get("RescaleIntercept", 0))
    centre, width = float(data.WindowCenter), float(data.WindowWidth)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


@pytest.mark.parametrize("name", ["MR_small.dcm", "693_J2KI.dcm"])
def test_the_files_window_decides_black_and_white(name: str) -> None:
    expected = by_hand(pydicom.dcmread(FILES / name))
    picture = read_picture(FILES / name)
    np.testing.assert_allclose(picture.pixels[..., 0], 255 * expected, atol=0.51)
    assert "window" in picture.note


def test_monochrome1_is_inverted() -> None:
    data = pydicom.dcmread(INVERTED)
    assert (data.PhotometricInterpretation, data.BitsStored) == ("MONOCHROME1", 12)
    picture = read_picture(INVERTED)
    np.testing.assert_allclose(picture.pixels[..., 0], 255 * (1 - by_hand(data)), atol=0.51)
    assert "inverted" in picture.note


def test_without_a_window_the_whole_range_is_shown() -> None:
    pixels = read_picture(FILES / "CT_small.dcm").pixels
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("SC_rgb_rle_16bit_2frame.dcm", (100, 100)),
        ("examples_ybr_color.dcm", (240, 320)),
        ("examples_palette.dcm", (350, 800)),
        ("SC_rgb_small_odd.dcm", (3, 3)),
        ("liver_1frame.dcm", (512, 512)),
        ("rtdose.dcm", (10, 10)),
    ],
)
def test_colours_palettes_and_several_frames_are_read(name: str, size: tuple[int, int]) -> None:
    picture = read_picture(FILES / name)
    assert picture.pixels.shape == (*size, 3)
    assert np.ptp(picture.pixels) > 100


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("MR_truncated.dcm", "cut off or damaged"),
        ("badVR.dcm", "cut off or damaged"),
        ("rtplan.dcm", "without a picture"),
        ("JPEG-lossy.dcm", "compressed"),
    ],
)
def test_a_file_without_a_usable_picture_is_refused_in_one_sentence(name: str, words: str) -> None:
    with pytest.raises(PictureError, match=words) as caught:
        read_picture(FILES / name)
    assert "\n" not in str(caught.value)


def test_no_word_of_a_header_is_kept_or_said(capfd: pytest.CaptureFixture[str]) -> None:
    for path in [*FILES.glob("*.dcm"), INVERTED]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, force=True)
        secrets = {str(data.get(key, "")) for key in ("PatientName", "PatientID", "StudyDate")}
        try:
            said = repr(vars(read_picture(path)))
        except PictureError as error:
            said = str(error)
        said += "".join(capfd.readouterr())
        assert not [secret for secret in secrets if len(secret) > 3 and secret in said], path.name


def test_without_pydicom_the_message_is_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(PictureError, match=r'needs pydicom: pip install "xaihelpers\[medical\]"'):
        dicom.read("x.dcm", b"")
