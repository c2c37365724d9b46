from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from tests.datasets.stub import Stub, register
from xaihelpers.datasets import DataError, batch, load, registry, to_tensors
from xaihelpers.datasets.cache import CachedDataset


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    return register(monkeypatch)


@pytest.mark.parametrize("name", ["fundus", "chest_xray", "scenes"])
def test_rendered_labels_are_known_before_rendering(name: str) -> None:
    dataset = load(name, "val", size=64, limit=7)
    assert dataset.origin == "rendered"
    assert [dataset[i].label for i in range(7)] == dataset.labels.tolist()
    assert dataset[6].image.shape == (64, 64, 3)
    assert max(dataset.labels) < len(dataset.classes)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("fundus", (3600, 500, 1000)),
        ("chest_xray", (2400, 450, 900)),
        ("scenes", (4000, 400, 1000)),
    ],
)
def test_rendered_splits_have_their_sizes(name: str, counts: tuple[int, ...]) -> None:
    found = tuple(len(load(name, split, cache=False)) for split in ("train", "val", "test"))
    assert found == counts


@pytest.mark.parametrize(("name", "size"), [("fundus", 224), ("scenes", 128)])
def test_each_set_has_its_own_size_by_default(name: str, size: int) -> None:
    assert load(name, "val", limit=1).size == size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "fundos"}, "unknown data set 'fundos'.*Did you mean 'fundus'"),
        ({"name": "stub", "split": "valid"}, "unknown split 'valid'.*Did you mean 'val'"),
        ({"name": "stub", "tune": 1}, "unknown option of stub 'tune'.*Did you mean 'tone'"),
        ({"name": "stub", "label": 1}, "unknown option of stub 'label'"),
        ({"name": "aptos", "skip": True}, "unknown option of aptos 'skip'.*'skip_bad'"),
        ({"name": "stub", "size": 32}, "size=32.*64 to 512"),
        ({"name": "aptos", "size": 0}, "size=0"),
        ({"name": "stub", "limit": 0}, "limit=0.*at least one"),
    ],
)
def test_a_wrong_request_names_what_there_is(
    stub: Stub, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        load(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("aptos", "aptos2019-blindness-detection/rules.*data get aptos.*train_images"),
        ("radiography", "data get radiography.*COVID, Normal, Viral Pneumonia"),
    ],
)
def test_missing_real_data_says_what_to_do(name: str, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=remedy):
        load(name, root=tmp_path)
    with pytest.raises(DataError, match="home"):  # the default root
        load(name, root="")


def test_a_small_limit_is_made_on_demand_and_not_cached(stub: Stub, home: Path) -> None:
    dataset = load("stub", "train", size=64, limit=20)
    assert stub.rendered == []
    assert len(dataset) == 20
    assert dataset[19].name == "stub/train/seed0/00019"
    assert not home.exists()


def test_a_larger_limit_gets_a_cache_that_smaller_ones_share(stub: Stub) -> None:
    assert len(load("stub", "train", size=64, limit=80)) == 80
    assert sorted(stub.rendered) == list(range(80))
    stub.rendered.clear()
    for limit in (70, 5):
        fewer = load("stub", "train", size=64, limit=limit)
        assert isinstance(fewer, CachedDataset)
        assert len(fewer) == len(fewer.images) == len(fewer.names) == limit
        with pytest.raises(IndexError):
            fewer[limit]
    assert stub.rendered == []


def test_a_limit_uses_the_cache_of_the_whole_split(stub: Stub) -> None:
    load("stub", "train", size=64)
    stub.rendered.clear()
    assert isinstance(load("stub", "train", size=64, limit=3), CachedDataset)
    assert stub.rendered == []


def test_a_limit_beyond_the_split_is_the_split(stub: Stub) -> None:
    assert len(load("stub", "test", size=64, limit=1000)) == 5


def test_a_cache_of_another_version_is_not_used(
    stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    load("stub", "val", size=64)
    stub.rendered.clear()
    monkeypatch.setattr(registry.RENDERED["stub"], "VERSION", 2)
    load("stub", "val", size=64)
    assert len(stub.rendered) == 70


@pytest.mark.parametrize("change", [{"seed": 1}, {"size": 72}, {"tone": 0.5}, {"split": "test"}])
def test_each_setting_has_its_own_cache(stub: Stub, change: dict[str, object]) -> None:
    settings: dict[str, object] = {"split": "val", "size": 64}
    first = load("stub", **settings)  # type: ignore[arg-type]
    second = load("stub", **(settings | change))  # type: ignore[arg-type]
    assert isinstance(first, CachedDataset)
    assert isinstance(second, CachedDataset)
    assert first.folder != second.folder


def test_options_reach_the_renderer(stub: Stub) -> None:
    assert load("stub", "test", size=64, tone=0.5)[0].meta["tone"] == 0.5


@pytest.mark.parametrize("limit", [None, 10])
def test_samples_are_uint8_channels_first(stub: Stub, limit: int | None) -> None:
    dataset = load("stub", "val", size=64, limit=limit)
    samples = to_tensors(dataset)
    assert len(samples) == len(dataset)
    image, label = samples[4]
    assert image.dtype == torch.uint8
    assert label == 1
    np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), dataset[4].image)


def test_a_loader_gives_batches_of_a_cached_set(stub: Stub) -> None:
    samples = to_tensors(load("stub", "val", size=64))
    images, labels = next(iter(DataLoader(samples, batch_size=8)))
    assert images.shape == (8, 3, 64, 64)
    assert labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_a_batch_has_images_labels_and_masks_in_the_order_asked(stub: Stub) -> None:
    dataset = load("stub", "val", size=64)
    images, labels, masks = batch(dataset, [5, 0])
    assert images.shape == (2, 3, 64, 64)
    assert images.is_contiguous()
    assert labels.tolist() == [2, 0]
    assert masks.keys() == {"left", "right"}
    assert masks["left"].dtype == torch.bool
    np.testing.assert_array_equal(masks["left"][0].numpy(), dataset[5].masks["left"])


def test_available_lists_the_real_sets_that_are_there(tmp_path: Path) -> None:
    assert registry.available(tmp_path) == ()
    (tmp_path / "aptos2019" / "train_images").mkdir(parents=True)
    assert registry.available(tmp_path) == ("aptos",)
    for name in ("COVID", "Normal"):
        (tmp_path / "archive" / "COVID-19_Radiography_Dataset" / name).mkdir(parents=True)
    assert registry.available(tmp_path) == ("aptos", "radiography")
