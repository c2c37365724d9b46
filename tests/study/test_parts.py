"""What a part of a table rests on is told apart, and what makes no difference is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from torch import nn

from xaihelpers.datasets.records import Record, Source
from xaihelpers.errors import StorageError
from xaihelpers.metrics import agreement, sanity
from xaihelpers.study import parts


def record(index: int) -> Record:
    image = np.full((8, 8, 3), index, dtype=np.uint8)
    return Record(image, index % 2, {"spot": image[..., 0] > 3}, str(index))


def brighter(index: int) -> Record:
    return replace(record(index), image=record(index).image + 1)


DATA = Source(
    *("toy", "rendered", ("a", "b"), "test", 8, 0, np.arange(6) % 2, range(6)),
    make=record,
    version=1,
)


def test_weights_tell_networks_apart() -> None:
    model = nn.Linear(3, 2)
    same = parts.weights_digest(model)
    assert parts.weights_digest(model.train()) == same
    assert parts.weights_digest(sanity.randomised(model, seed=7)) != same


def test_images_are_told_apart_by_name_pixels_labels_and_choice() -> None:
    whole = parts.data_digest(DATA, range(6))
    assert whole == parts.data_digest(DATA, list(range(6)))
    others = [
        parts.data_digest(replace(DATA, make=brighter), range(6)),
        parts.data_digest(replace(DATA, labels=np.zeros(6, int)), range(6)),
        parts.data_digest(replace(DATA, name="other"), range(6)),
        parts.data_digest(DATA, [0, 2]),
    ]
    assert len({whole, *others}) == 5


def test_sources_tell_code_apart() -> None:
    assert parts.code_digest([agreement]) != parts.code_digest([agreement, sanity])
    assert parts.key({"a": 1, "b": 2}) == parts.key({"b": 2, "a": 1}) != parts.key({"a": 1, "b": 3})


def test_a_table_comes_back_as_it_was_written_and_a_bad_folder_is_named(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["x", "y"], "energy": [0.1, np.nan], "empty": [True, False]})
    parts.write(table, tmp_path / "new" / "0.parquet")
    pd.testing.assert_frame_equal(parts.read(tmp_path / "new" / "0.parquet"), table)
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        parts.write(table, tmp_path / "file" / "0.parquet")
