"""Records rendered or decoded once, kept on disk as memory-mapped arrays.

A cache is a folder `<name>-v<version>-<split>-seed<seed>-<size>px[-<options>]` of
    images.npy        (N, H, W, 3) uint8
    mask-<name>.npy   (N, ceil(H*W/8)) uint8, masks packed eight pixels to a byte
    labels.npy        (N,) int64
    records.jsonl     name, label and meta of each record, one line each
    index.json        what the set is; written last
It grows in `<folder>.partial`, in order, by plain appends (a full disk is then an error that can be
caught, which a write into a memory map is not); a record counts once its line is in records.jsonl,
so an interrupted run goes on where it stopped. When complete, the folder is renamed.
"""

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from xaihelpers.datasets.parallel import in_order, workers_for
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import DataError, StorageError
from xaihelpers.files import data_dir

CHUNK = 32


class CachedDataset:
    """An `ImageDataset` over a cache folder; `images` is the fast path for batches.

    images: (N, H, W, 3) uint8 memory map. metas: one dict per record, read without decoding.
    Pickled by its path, so that loader processes map the same file instead of copying it.
    """

    origin: str
    classes: tuple[str, ...]

    def __init__(self, folder: Path, limit: int | None = None, report: str = "") -> None:
        self.folder, self.limit, self.report = folder, limit, report
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        self.name: str = index["name"]
        self.origin = index["origin"]
        self.classes = tuple(index["classes"])
        self.split: str = index["split"]
        self.size: int = index["size"]
        self.seed: int = index["seed"]
        self.images = np.load(folder / "images.npy", mmap_mode="r")[:limit]
        self.labels = np.load(folder / "labels.npy")[:limit]
        self._packed = {
            name: np.load(folder / f"mask-{name}.npy", mmap_mode="r") for name in index["masks"]
        }
        lines = (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()[:limit]
        rows = [json.loads(line) for line in lines]
        self.names: list[str] = [row["name"] for row in rows]
        self.metas: list[dict[str, object]] = [row["meta"] for row in rows]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, i: int) -> Record:
        i = range(len(self))[i]
        shape = (self.size, self.size)
        masks = {
            name: np.unpackbits(packed[i], count=self.size**2).reshape(shape).astype(bool)
            for name, packed in self._packed.items()
        }
        image = np.array(self.images[i])
        return Record(image, int(self.labels[i]), masks, self.names[i], dict(self.metas[i]))

    def __reduce__(self) -> tuple[type, tuple[Path, int | None, str]]:
        return type(self), (self.folder, self.limit, self.report)


@dataclass(frozen=True)
class _Chunk:
    """Consecutive records, as they are appended: arrays by file name, and one json line each."""

    arrays: dict[str, np.ndarray]
    lines: list[str]


def _make_chunk(make: Callable[[Any], Record], items: Sequence[Any]) -> _Chunk:
    records = [make(item) for item in items]
    names = sorted(records[0].masks)
    if odd := [record.name for record in records if sorted(record.masks) != names]:
        raise DataError(
            f"{odd[0]}: its masks differ from those of {records[0].name} ({', '.join(names)}); "
            "all records of a set must carry the same masks."
        )
    arrays = {
        f"mask-{name}.npy": np.stack([np.packbits(record.masks[name]) for record in records])
        for name in names
    }
    arrays["images.npy"] = np.stack([record.image for record in records])
    lines = [
        json.dumps(
            {"name": record.name, "label": int(record.label), "meta": record.meta},
            default=lambda value: value.tolist(),  # numpy scalars and arrays
        )
        for record in records
    ]
    return _Chunk(arrays, lines)


def _header(shape: tuple[int, ...]) -> bytes:
    """The bytes that stand before the data of a uint8 .npy file of this shape."""
    buffer = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def _append(grown: Path, chunk: _Chunk, total: int) -> None:
    for name, array in chunk.arrays.items():
        with open(grown / name, "ab") as file:
            if file.tell() == 0:
                file.write(_header((total, *array.shape[1:])))
            file.write(array.tobytes())
    with open(grown / "records.jsonl", "ab") as file:
        file.write("".join(line + "\n" for line in chunk.lines).encode())


def _resume(grown: Path, source: Source) -> int:
    """Number of whole records that an interrupted run left; cuts off what came after them."""
    log = grown / "records.jsonl"
    text = log.read_bytes() if log.exists() else b""
    done = text.count(b"\n")
    if done == 0:
        shutil.rmtree(grown, ignore_errors=True)
        grown.mkdir(parents=True)
        return 0
    log.write_bytes(text[: text.rindex(b"\n") + 1])
    packed = -(-(source.size**2) // 8)
    for path in [grown / "images.npy", *grown.glob("mask-*.npy")]:
        item = (source.size, source.size, 3) if path.name == "images.npy" else (packed,)
        end = len(_header((len(source), *item))) + done * int(np.prod(item))
        with open(path, "r+b") as file:
            file.truncate(end)
    return done


def _finish(grown: Path, source: Source) -> None:
    rows = (grown / "records.jsonl").read_text(encoding="utf-8").splitlines()
    labels = np.array([json.loads(row)["label"] for row in rows], dtype=np.int64)
    np.save(grown / "labels.npy", labels)
    index = {
        "name": source.name,
        "origin": source.origin,
        "classes": source.classes,
        "split": source.split,
        "size": source.size,
        "seed": source.seed,
        "version": source.version,
        "options": source.options,
        "count": len(labels),
        "masks": sorted(path.stem.removeprefix("mask-") for path in grown.glob("mask-*.npy")),
    }
    (grown / "index.json").write_text(json.dumps(index, indent=1), encoding="utf-8")


def cache_folder(source: Source) -> Path:
    """Where the complete cache of this source stands, made or not."""
    key = f"{source.name}-v{source.version}-{source.split}-seed{source.seed}-{source.size}px"
    if source.options:
        key += "-" + hashlib.sha256(source.options.encode()).hexdigest()[:8]
    return data_dir() / "cache" / key


def is_complete(folder: Path) -> bool:
    """Whether `folder` is a finished cache whose image file has its full length."""
    if not (folder / "index.json").exists():
        return False
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    shape = (index["count"], index["size"], index["size"], 3)
    return (folder / "images.npy").stat().st_size == len(_header(shape)) + int(np.prod(shape))


def _build(source: Source, folder: Path, grown: Path, workers: int) -> None:
    done = _resume(grown, source)
    title = f"{source.name} {source.split}, {source.size} px"
    with tqdm(total=len(source), initial=done, desc=title, unit="image", disable=None) as bar:
        make = partial(_make_chunk, source.make)
        for chunk in in_order(make, source.items[done:], CHUNK, workers):
            _append(grown, chunk, len(source))
            bar.update(len(chunk.lines))
    _finish(grown, source)
    shutil.rmtree(folder, ignore_errors=True)
    grown.replace(folder)


def cached(source: Source, folder: Path, workers: int | None = None) -> CachedDataset:
    """The data set of `source` from `folder`, which is made first if it is not complete.

    Safe to call from several processes at once: one makes the folder, the others wait for it.
    workers: processes that make the records; by default one per core.

    Raises:
        StorageError: the folder cannot be written or the disk is full; nothing is left behind.
        DataError: a record cannot be made; what was made before it is kept for the next run.
    """
    grown = folder.with_name(folder.name + ".partial")
    try:
        if not is_complete(folder):
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f".{folder.name}.lock")):
                if not is_complete(folder):
                    _build(source, folder, grown, workers_for(len(source), workers))
    except OSError as error:
        shutil.rmtree(grown, ignore_errors=True)
        need = len(source) * source.size**2 * 4 / 1e9
        raise StorageError(
            f"cannot cache {source.name} {source.split} in {folder}: {error.strerror or error}. "
            f"Free about {need:.1f} GB there, set XAIHELPERS_HOME to a writable folder with that "
            "much space, or load with cache=False."
        ) from error
    return CachedDataset(folder, report=source.report)
