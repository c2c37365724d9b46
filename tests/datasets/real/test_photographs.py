"""The photographs are those of the installed packages, with their terms, and no download."""

import socket

import numpy as np
import pytest
import skimage
import sklearn.datasets
from PIL import Image
from torchvision.transforms import v2

from xaihelpers.datasets.real import photographs
from xaihelpers.errors import DataError

NAMES = list(photographs.PHOTOGRAPHS)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a photograph was asked for over the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.mark.parametrize("name", NAMES)
def test_every_photograph_is_the_known_file_of_its_package(name: str) -> None:
    image = photographs.read(name)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3


def test_the_pixels_are_those_that_the_packages_give() -> None:
    assert np.array_equal(photographs.read("chelsea"), skimage.data.chelsea())
    assert np.array_equal(photographs.read("rocket"), skimage.data.rocket())
    flower = sklearn.datasets.load_sample_image("flower.jpg")
    assert np.array_equal(photographs.read("flower"), flower)


@pytest.mark.parametrize("name", NAMES)
def test_every_photograph_states_its_terms(name: str) -> None:
    about = photographs.PHOTOGRAPHS[name]
    assert about.licence in ("CC0", "public domain", "CC BY 2.0", photographs.NO_STATEMENT)
    assert about.credit
    assert about.source


def test_free_ones_come_first_and_the_one_without_a_statement_last() -> None:
    licences = [about.licence for about in photographs.PHOTOGRAPHS.values()]
    order = ["CC0", "public domain", "CC BY 2.0", photographs.NO_STATEMENT]
    ranks = [max(1, order.index(licence)) for licence in licences]
    assert ranks == sorted(ranks)
    assert licences.count(photographs.NO_STATEMENT) == 1


def test_the_set_has_the_record_interface() -> None:
    data = photographs.source(["coffee", "rocket"], size=96)
    record = data[0]
    assert (len(data), data.origin, data.size) == (2, "photographs", 96)
    assert record.image.shape == (96, 96, 3)
    assert data.classes[record.label] == "cup of coffee"
    assert data.labels.tolist() == [record.label, data[1].label]
    assert record.meta["licence"] == "CC0"
    assert record.meta["imagenet"] == "espresso"


def test_all_photographs_make_the_whole_set() -> None:
    assert [record.name for record in map(photographs.source().__getitem__, range(10))] == NAMES


@pytest.mark.parametrize("shape", [(300, 451), (427, 300), (256, 256), (40, 61)])
@pytest.mark.parametrize("size", [224, 112])
def test_the_central_crop_is_torchvision_s(shape: tuple[int, int], size: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    bicubic = v2.InterpolationMode.BICUBIC
    theirs = v2.Compose([v2.Resize(int(size / 0.875), interpolation=bicubic), v2.CenterCrop(size)])
    expected = np.asarray(theirs(Image.fromarray(image)))
    assert np.array_equal(photographs.central_crop(image, size), expected)


def test_a_grid_puts_each_photograph_in_its_quarter() -> None:
    names = ["chelsea", "coffee", "rocket", "motorcycle"]
    four = photographs.grid(names, size=64)
    assert four.image.shape == (128, 128, 3)
    for name in names:
        expected = photographs.central_crop(photographs.read(name), 64)
        assert np.array_equal(four.image[four.masks[name]].reshape(64, 64, 3), expected)
    assert four.masks["coffee"][:64, 64:].all()
    assert sum(mask.sum() for mask in four.masks.values()) == 128 * 128


def test_nine_photographs_make_a_grid_of_three_by_three() -> None:
    nine = photographs.grid(NAMES[:9], size=32)
    assert nine.image.shape == (96, 96, 3)
    assert nine.masks[NAMES[5]][32:64, 64:].all()


@pytest.mark.parametrize("names", [[], ["chelsea"] * 4, ["chelsea", "coffee"]])
def test_what_fills_no_grid_is_refused(names: list[str]) -> None:
    with pytest.raises(DataError, match="1, 4, 9"):
        photographs.grid(names)


def test_an_unknown_photograph_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="Did you mean 'chelsea'"):
        photographs.read("chelsae")


def test_a_missing_package_is_named_with_its_pip_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "find_spec", lambda _name: None)
    with pytest.raises(DataError, match="pip install scikit-image"):
        photographs.source()


def test_another_file_under_the_same_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "sha256", lambda _path: "0" * 64)
    with pytest.raises(DataError, match="not the photograph that this version knows"):
        photographs.read("chelsea")
