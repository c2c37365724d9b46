"""A record cannot be changed: neither its fields nor the pixels in them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from xaihelpers.datasets import load
from xaihelpers.datasets.records import Record
from xaihelpers.datasets.rendered import chest
from xaihelpers.datasets.tensors import stack


def made() -> Record:
    return Record(np.zeros((4, 4, 3), np.uint8), 0, {"all": np.ones((4, 4), bool)})


def cached() -> Record:
    return load("chest_xray", "test", size=64, limit=70)[0]


MAKERS = pytest.mark.parametrize(
    "make",
    [made, cached, lambda: chest.render("test", 0, size=64)],
    ids=["made", "cached", "drawn"],
)


@MAKERS
def test_pixels_and_masks_of_a_record_cannot_be_written(make: Callable[[], Record]) -> None:
    record = make()
    with pytest.raises(ValueError, match="read-only"):
        record.image[0, 0] = 1
    for mask in record.masks.values():
        with pytest.raises(ValueError, match="read-only"):
            mask[0, 0] = True


def test_a_changed_copy_leaves_the_record_as_it_was() -> None:
    record = made()
    changed = record.image.copy()
    changed[:] = 255
    other = replace(record, image=changed)
    assert record.image.max() == 0
    assert other.image.min() == 255


def test_a_stack_of_records_is_a_copy() -> None:
    record = made()
    images, _, masks = stack([record])
    images += 1
    masks["all"][:] = False
    assert record.image.max() == 0
    assert record.masks["all"].all()
