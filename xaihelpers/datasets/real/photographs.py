"""Photographs that two dependencies carry inside their wheels: real, embedded, nothing downloaded.

From scikit-image come a cat, a cup, a photographer with his tripod, a rocket, an astronaut, a
retina, a detail of a diseased one and a motorcycle; from scikit-learn a flower and a temple.
Licences, credits and sources are those that the two packages state in their documentation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from xaihelpers.datasets.images import read_rgb
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError
from xaihelpers.files import sha256

VERSION = 1  # bump when the pixels change
SHARE = 0.875  # of the shorter side, which a central crop keeps: the usual test crop of ImageNet
SKIMAGE, SKLEARN = (
    ("scikit-image", "skimage", "data"),
    ("scikit-learn", "sklearn", "datasets/images"),
)
NO_STATEMENT = "none stated"


@dataclass(frozen=True)
class Photograph:
    """One photograph: where it lies, what it shows, and on what terms it may be used.

    Attributes:
        shows: what is in it, in plain words.
        imagenet: the ImageNet class to ask a network for; "" if ImageNet has none for it.
        home: the distribution, the module and the folder in it.
        file: path below that folder.
        sha256: of the file.
        licence: as the package states it; `NO_STATEMENT` where it states none.
        credit: who made it.
        source: where the package has it from.
    """

    shows: str
    imagenet: str
    home: tuple[str, str, str]
    file: str
    sha256: str
    licence: str
    credit: str
    source: str


#: Public domain and CC0 first, then CC BY, then the one without a statement.
PHOTOGRAPHS: dict[str, Photograph] = {
    "chelsea": Photograph(
        shows="cat",
        imagenet="tabby",
        home=SKIMAGE,
        file="chelsea.png",
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
        licence="CC0",
        credit="Stefan van der Walt",
        source="scikit-image, skimage.data.chelsea",
    ),
    "coffee": Photograph(
        shows="cup of coffee",
        imagenet="espresso",
        home=SKIMAGE,
        file="coffee.png",
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
        licence="CC0",
        credit="Rachel Michetti, courtesy of Pikolo Espresso Bar",
        source="scikit-image, skimage.data.coffee",
    ),
    "camera": Photograph(
        shows="photographer (grey)",
        imagenet="tripod",
        home=SKIMAGE,
        file="camera.png",
        sha256="b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
        licence="CC0",
        credit="Lav Varshney",
        source="scikit-image, skimage.data.camera",
    ),
    "rocket": Photograph(
        shows="rocket",
        imagenet="missile",
        home=SKIMAGE,
        file="rocket.jpg",
        sha256="c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
        licence="public domain",
        credit="SpaceX",
        source="https://www.flickr.com/photos/spacexphotos/16511594820",
    ),
    "astronaut": Photograph(
        shows="astronaut",
        imagenet="",
        home=SKIMAGE,
        file="astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
        licence="public domain",
        credit="NASA",
        source="https://flic.kr/p/r9qvLn",
    ),
    "retina": Photograph(
        shows="retina",
        imagenet="",
        home=SKIMAGE,
        file="retina.jpg",
        sha256="38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
        licence="CC0",
        credit="Mikael Häggström, doi 10.15347/wjm/2014.008",
        source="https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg",
    ),
    "microaneurysms": Photograph(
        shows="microaneurysms",
        imagenet="",
        home=SKIMAGE,
        file="microaneurysms.png",
        sha256="a1e1be59aa447f8ce082f7fa809997ab369a2b137cb6c4202abc647c7ccf6456",
        licence="CC0",
        credit="Andreas Maier, HRF database, doi 10.1155/2013/154860",
        source="https://www5.cs.fau.de/research/data/fundus-images/",
    ),
    "china": Photograph(
        shows="temple",
        imagenet="palace",
        home=SKLEARN,
        file="china.jpg",
        sha256="8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
        licence="CC BY 2.0",
        credit="danielbuechele",
        source="https://www.flickr.com/photos/danielbuechele/6061409035",
    ),
    "flower": Photograph(
        shows="flower",
        imagenet="daisy",
        home=SKLEARN,
        file="flower.jpg",
        sha256="a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        licence="CC BY 2.0",
        credit="vultilion (by its address; scikit-learn's text names danielbuechele)",
        source="https://www.flickr.com/photos/vultilion/6056698931",
    ),
    "motorcycle": Photograph(
        shows="motorcycle",
        imagenet="moped",
        home=SKIMAGE,
        file="motorcycle_left.png",
        sha256="db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
        licence=NO_STATEMENT,
        credit="Scharstein et al. 2014, Middlebury stereo benchmark",
        source="http://vision.middlebury.edu/stereo/data/scenes2014/",
    ),
}


def path_of(name: str) -> Path:
    """Where the installed package keeps a photograph.

    Raises:
        DataError: unknown name, or the package (named, with its pip line) is not installed.
    """
    if name not in PHOTOGRAPHS:
        near = get_close_matches(name, PHOTOGRAPHS, n=1, cutoff=0.4)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown photograph {name!r}; there are {', '.join(PHOTOGRAPHS)}.{hint}")
    distribution, module, folder = PHOTOGRAPHS[name].home
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise DataError(
            f"the photograph {name!r} comes with {distribution}, which is not installed: "
            f"run `pip install {distribution}`"
        )
    return Path(spec.origin).parent / folder / PHOTOGRAPHS[name].file


def read(name: str) -> np.ndarray:
    """A photograph at its own size, (H, W, 3) uint8 RGB.

    Args:
        name: a key of `PHOTOGRAPHS`.

    Raises:
        DataError: unknown name, package not installed, or a file other than the known one.

    Example:
        >>> read("chelsea").shape
        (300, 451, 3)
    """
    path = path_of(name)
    image = read_rgb(path)
    if sha256(path) != PHOTOGRAPHS[name].sha256:
        raise DataError(
            f"{path} is not the photograph that this version knows; install the pinned "
            f"{PHOTOGRAPHS[name].home[0]} (requirements.txt)"
        )
    return image


def central_crop(image: np.ndarray, size: int) -> np.ndarray:
    """The central square of a picture, (H, W, 3) uint8 -> (size, size, 3) uint8.

    The shorter side becomes size / 0.875 px (bicubic, antialiased), then the centre is cut out, as
    torchvision's and timm's test transforms do.
    """
    height, width = image.shape[:2]
    short = int(size / SHARE)
    if height < width:
        new_height, new_width = short, int(short * width / height)
    else:
        new_height, new_width = int(short * height / width), short
    picture = Image.fromarray(image)
    if (new_width, new_height) != picture.size:
        picture = picture.resize((new_width, new_height), Image.Resampling.BICUBIC)
    left, top = round((new_width - size) / 2), round((new_height - size) / 2)
    return np.asarray(picture.crop((left, top, left + size, top + size)))


def _record(size: int, name: str) -> Record:
    about = PHOTOGRAPHS[name]
    image = read(name)
    meta: dict[str, object] = {"height": image.shape[0], "width": image.shape[1]}
    meta |= {"imagenet": about.imagenet, "licence": about.licence, "credit": about.credit}
    meta |= {"source": about.source, "sha256": about.sha256}
    return Record(central_crop(image, size), list(PHOTOGRAPHS).index(name), {}, name, meta)


def source(names: Sequence[str] = (), size: int = 224) -> Source:
    """The photographs as a data set of records, cut to their central squares.

    Args:
        names: keys of `PHOTOGRAPHS`; empty for all.
        size: side of the images in px.

    Returns:
        A set with one class per photograph, named by what it shows; `meta` has imagenet (the class
        to ask for), licence, credit, source, sha256, height and width.

    Raises:
        DataError: unknown name, or a package is not installed.
    """
    chosen = tuple(names) or tuple(PHOTOGRAPHS)
    for name in chosen:
        path_of(name)
    return Source(
        name="photographs",
        origin="photographs",
        classes=tuple(about.shows for about in PHOTOGRAPHS.values()),
        split="test",
        size=size,
        seed=0,
        labels=np.array([list(PHOTOGRAPHS).index(name) for name in chosen], dtype=np.int64),
        items=chosen,
        make=partial(_record, size),
        version=VERSION,
    )


@dataclass(frozen=True)
class PhotoGrid:
    """Several photographs as one picture.

    Attributes:
        image: (n * size, n * size, 3) uint8 RGB, the photographs in reading order.
        masks: name of a photograph -> (n * size, n * size) bool, where it stands.
    """

    image: np.ndarray
    masks: dict[str, np.ndarray]


def grid(names: Sequence[str], size: int = 224) -> PhotoGrid:
    """Put n x n photographs into one picture.

    Args:
        names: 1, 4, 9 ... keys of `PHOTOGRAPHS`, in reading order, each once.
        size: side of one photograph in px; the picture is n times as large.

    Raises:
        DataError: another number of names, a name twice or unknown, or a package not installed.

    Example:
        >>> four = grid(["chelsea", "coffee", "rocket", "motorcycle"])
        >>> four.image.shape, four.masks["coffee"][0, 224]
        ((448, 448, 3), np.True_)
    """
    n = math.isqrt(len(names))
    if n == 0 or n * n != len(names) or len(set(names)) != len(names):
        raise DataError(
            f"a grid takes 1, 4, 9 ... different photographs, not {len(names)}: {', '.join(names)}"
        )
    image = np.zeros((n * size, n * size, 3), np.uint8)
    masks = {}
    for place, name in enumerate(names):
        top, left = size * (place // n), size * (place % n)
        image[top : top + size, left : left + size] = central_crop(read(name), size)
        masks[name] = np.zeros(image.shape[:2], dtype=bool)
        masks[name][top : top + size, left : left + size] = True
    return PhotoGrid(image, masks)
