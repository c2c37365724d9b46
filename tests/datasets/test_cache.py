import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.datasets.stub import Stub, register
from xaihelpers.datasets import cache, load
from xaihelpers.datasets.cache import CachedDataset, cached
from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import StorageError


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    return register(monkeypatch)


def full_disk(*args: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_cached_record_equals_the_rendered_one(stub: Stub) -> None:
    made = load("stub", "train", size=65, cache=False)[37]  # 65 * 65 is not a multiple of 8
    kept = load("stub", "train", size=65)[37]
    np.testing.assert_array_equal(kept.image, made.image)
    assert kept.masks.keys() == made.masks.keys()
    for name, mask in made.masks.items():
        assert kept.masks[name].dtype == bool
        np.testing.assert_array_equal(kept.masks[name], mask)
    assert (kept.label, kept.name) == (made.label, made.name)
    assert kept.meta == {"tone": 0.0, "corner": [1, 2], "flag": True}


def test_a_second_load_renders_nothing(stub: Stub) -> None:
    load("stub", "train", size=64)
    stub.rendered.clear()
    again = load("stub", "train", size=64)
    assert stub.rendered == []
    assert len(again) == 100
    np.testing.assert_array_equal(again.labels, np.arange(100) % 3)


def test_an_interrupted_cache_goes_on_where_it_stopped(stub: Stub, home: Path) -> None:
    stub.fail_at = 70
    with pytest.raises(KeyboardInterrupt):
        load("stub", "train", size=64)
    assert [path.name for path in (home / "data/cache").iterdir() if path.is_dir()] == [
        "stub-v1-train-seed0-64px.partial"
    ]
    stub.fail_at = None
    stub.rendered.clear()
    kept = load("stub", "train", size=64)
    assert stub.rendered == list(range(64, 100))  # two whole chunks of 32 were kept
    made = load("stub", "train", size=64, cache=False)
    for i in (0, 63, 64, 99):
        np.testing.assert_array_equal(kept[i].image, made[i].image)
        np.testing.assert_array_equal(kept[i].masks["left"], made[i].masks["left"])


def test_bytes_written_after_the_last_counted_record_are_dropped(stub: Stub, home: Path) -> None:
    stub.fail_at = 40
    with pytest.raises(KeyboardInterrupt):
        load("stub", "train", size=64)
    partial = home / "data/cache/stub-v1-train-seed0-64px.partial"
    for name in ("images.npy", "mask-left.npy", "records.jsonl"):
        with open(partial / name, "ab") as file:
            file.write(b"half a record")
    stub.fail_at = None
    kept = load("stub", "train", size=64)
    made = load("stub", "train", size=64, cache=False)
    np.testing.assert_array_equal(kept[32].image, made[32].image)
    np.testing.assert_array_equal(kept[99].masks["left"], made[99].masks["left"])


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(
    stub: Stub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_append", full_disk)
    with pytest.raises(StorageError, match=r"No space left.*Free about .* GB.*XAIHELPERS_HOME"):
        load("stub", "train", size=64)
    assert [path for path in (home / "data/cache").iterdir() if path.is_dir()] == []


def test_a_disk_that_fills_up_at_the_end_leaves_nothing(
    stub: Stub, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_finish", full_disk)
    with pytest.raises(StorageError, match="No space left"):
        load("stub", "train", size=64)
    assert [path for path in (home / "data/cache").iterdir() if path.is_dir()] == []


def test_a_folder_that_cannot_be_written_is_a_clear_error(stub: Stub, home: Path) -> None:
    home.mkdir()
    (home / "data").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match=r"cannot cache stub train.*load with cache=False"):
        load("stub", "train", size=64)


def test_a_complete_cache_is_read_without_writing(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("stub", "train", size=64)
    monkeypatch.setattr(Path, "mkdir", full_disk)
    monkeypatch.setattr(cache, "FileLock", full_disk)
    assert len(load("stub", "train", size=64)) == 100


def test_a_cache_cut_off_afterwards_is_made_again(stub: Stub, home: Path) -> None:
    load("stub", "train", size=64)
    images = home / "data/cache/stub-v1-train-seed0-64px/images.npy"
    images.write_bytes(images.read_bytes()[:1000])
    stub.rendered.clear()
    load("stub", "train", size=64)
    assert len(stub.rendered) == 100


def test_two_at_once_render_each_record_once(stub: Stub) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: load("stub", "train", size=64), range(2)))
    assert sorted(stub.rendered) == list(range(100))
    np.testing.assert_array_equal(both[0][99].image, both[1][99].image)


def test_a_loader_process_is_given_the_path_not_the_pixels(stub: Stub) -> None:
    load("stub", "train", size=64)
    kept = load("stub", "train", size=64, limit=80)
    assert isinstance(kept, CachedDataset)
    make, arguments = kept.__reduce__()
    assert arguments == (kept.folder, 80, "")
    np.testing.assert_array_equal(make(*arguments)[79].image, kept[79].image)


def test_indexing_ends_at_the_last_record(stub: Stub) -> None:
    kept = load("stub", "train", size=64)
    assert kept[-1].name == kept[99].name
    with pytest.raises(IndexError):
        kept[100]


def test_records_with_different_masks_are_refused(tmp_path: Path) -> None:
    def make(index: int) -> Record:
        masks = {"lung": np.zeros((64, 64), bool)} if index else {}
        return Record(np.zeros((64, 64, 3), np.uint8), 0, masks, f"image {index}")

    labels = np.zeros(2, np.int64)
    source = Source("odd", "real", ("a",), "test", 64, 0, labels, range(2), make, 1)
    with pytest.raises(ValueError, match="image 1: its masks differ from those of image 0"):
        cached(source, tmp_path / "odd")


def test_several_processes_make_the_same_bytes_as_one() -> None:
    many = load("chest_xray", "val", size=64, limit=70, workers=2)
    assert isinstance(many, CachedDataset)
    one = load("chest_xray", "val", size=64, limit=70, cache=False)
    for i in (0, 31, 32, 69):
        np.testing.assert_array_equal(many[i].image, one[i].image)
        np.testing.assert_array_equal(many[i].masks["opacity"], one[i].masks["opacity"])
    np.testing.assert_array_equal(many.labels, one.labels)
