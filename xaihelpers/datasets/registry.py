"""One door to every data set: a name and a split give the same kind of record, rendered or real."""

import inspect
import json
from collections.abc import Iterable
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np

from xaihelpers.datasets.cache import CachedDataset, cache_folder, cached, is_complete
from xaihelpers.datasets.real import (
    aptos,
    covid_3class,
    covid_lung_boxes,
    eyepacs,
    idrid,
    radiography,
)
from xaihelpers.datasets.real.reader import Reader
from xaihelpers.datasets.records import SPLITS, ImageDataset, Source
from xaihelpers.datasets.rendered import Renderer, chest, fundus, scenes
from xaihelpers.datasets.rendered.renderer import SIDES
from xaihelpers.datasets.splits import ALL
from xaihelpers.errors import DataError
from xaihelpers.files import data_dir

SIZE = 224  # side in pixels, where a set has no other of its own
SMALL = 64  # a limit up to here is made on demand rather than cached


RENDERED: dict[str, Renderer] = {"fundus": fundus, "chest_xray": chest, "scenes": scenes}
REAL: dict[str, Reader] = {
    "aptos": aptos,
    "radiography": radiography,
    "eyepacs_part": eyepacs,
    "idrid": idrid,
    "covid_3class": covid_3class,
    "covid_lung_boxes": covid_lung_boxes,
}
# Set by load(), or made for one image: never options of a set.
FIXED = {"split", "index", "seed", "size", "label", "without"}


def _one_of(word: object, words: Iterable[str], what: str) -> None:
    """Raise a DataError naming the nearest of `words` unless `word` is one of them."""
    words = list(words)
    if word in words:
        return
    near = get_close_matches(str(word), words, n=1, cutoff=0.4)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise DataError(f"unknown {what} {word!r}; there are {', '.join(words) or 'none'}.{hint}")


def _rendered(name: str, split: str, size: int, seed: int, options: dict[str, object]) -> Source:
    if not SIDES[0] <= size <= SIDES[1]:
        raise DataError(f"size={size}: rendered images have a side of {SIDES[0]} to {SIDES[1]} px.")
    renderer = RENDERED[name]
    known = [key for key in inspect.signature(renderer.render).parameters if key not in FIXED]
    for option in options:
        _one_of(option, known, f"option of {name}")
    indices = range(renderer.COUNTS[split])
    return Source(
        name=name,
        origin="rendered",
        classes=renderer.CLASSES,
        split=split,
        size=size,
        seed=seed,
        labels=np.arange(len(indices), dtype=np.int64) % len(renderer.CLASSES),
        items=indices,
        make=partial(renderer.render, split, seed=seed, size=size, **options),
        version=renderer.VERSION,
        options=json.dumps(options, sort_keys=True) if options else "",
    )


def _limited(source: Source, limit: int, workers: int | None) -> ImageDataset:
    """The first `limit` records: of a cache that holds them, else on demand or cached alone."""
    folder = cache_folder(source)
    larger = [
        path
        for path in folder.parent.glob(f"{folder.name}-first*")
        if path.name.removeprefix(f"{folder.name}-first").isdigit()
        and int(path.name.removeprefix(f"{folder.name}-first")) >= limit
    ]
    for path in [folder, *larger]:
        if is_complete(path):
            return CachedDataset(path, limit, source.report)
    if limit <= SMALL:
        return source.first(limit)
    return cached(source.first(limit), folder.with_name(f"{folder.name}-first{limit}"), workers)


def load(
    name: str,
    split: str = "test",
    size: int | None = None,
    seed: int = 0,
    root: Path | str | None = None,
    limit: int | None = None,
    cache: bool = True,
    workers: int | None = None,
    **options: object,
) -> ImageDataset:
    """One split of a data set.

    Args:
        name: "fundus", "chest_xray", "scenes" (rendered); "aptos", "radiography", "eyepacs_part",
            "idrid", "covid_3class", "covid_lung_boxes" (real: see `datasets.real`).
        split: "train", "val" or "test"; of a real set also "all".
        size: side of the square images in pixels; by default 224, of scenes 128.
        seed: of the rendered images, of the division of the real ones.
        root: folder that holds the real sets' own folders; None or "" for `data_dir()`.
        limit: the first so many records. They come from the whole split's cache if there is one;
            else up to 64 are made on demand and more get a cache of their own.
        cache: keep the pixels under `data_dir()/cache`; False makes each record when it is asked
            for.
        workers: processes that fill the cache; by default one per core.
        options: of chest_xray marker_correlation, marker and hidden. Of all real sets skip_bad=True
            leaves unusable files out and counts them in the report of the data set. Of
            radiography classes=3 or 4. Of eyepacs_part classes=5, or 2 for referable or not. Of
            covid_lung_boxes apart_from="covid_3class" leaves copies of its pictures out.

    Returns:
        A map-style data set of records.

    Raises:
        DataError: unknown name, split or option; real data missing, incomplete or unusable.
        StorageError: the cache cannot be written.

    >>> eyes = load("fundus", "test", size=64, limit=3)
    >>> len(eyes), eyes.classes[eyes[2].label]
    (3, 'Moderate')
    """
    _one_of(name, [*RENDERED, *REAL], "data set")
    _one_of(split, (*SPLITS, ALL) if name in REAL else SPLITS, "split")
    if limit is not None and limit < 1:
        raise DataError(f"limit={limit}: ask for at least one image, or None for all.")
    if size is None:
        size = RENDERED[name].SIZE if name in RENDERED else SIZE
    if size < 1:
        raise DataError(f"size={size}: the side of the images must be at least 1 px.")
    if name in RENDERED:
        source = _rendered(name, split, size, seed, options)
    else:
        known = list(inspect.signature(REAL[name].source).parameters)[4:]
        for option in options:
            _one_of(option, known, f"option of {name}")
        source = REAL[name].source(Path(root or data_dir()), split, size, seed, **options)
    if not cache:
        return source if limit is None else source.first(limit)
    if limit is not None and limit < len(source):
        return _limited(source, limit, workers)
    return cached(source, cache_folder(source), workers)


def available(root: Path | str | None = None) -> tuple[str, ...]:
    """The real sets found under `root` (None or "" for `data_dir()`)."""
    folder = Path(root or data_dir())
    return tuple(name for name, reader in REAL.items() if reader.find(folder) is not None)
