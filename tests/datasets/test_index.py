from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.datasets.layouts import chest, write, write_aptos
from xaihelpers.datasets import index
from xaihelpers.datasets.real import aptos
from xaihelpers.errors import DataError, StorageError


def test_images_are_decoded_once_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_aptos(tmp_path, per_grade=1, side=32)
    decoded = []
    read = index.read
    monkeypatch.setattr(index, "read", lambda path: decoded.append(path) or read(path))
    first = aptos.index(folder)
    assert len(decoded) == len(first) == 8
    pd.testing.assert_frame_equal(aptos.index(folder), first)
    assert len(decoded) == 8
    changed = folder / "train_images" / "torn1.png"
    changed.write_bytes((folder / "train_images" / "again.png").read_bytes())
    again = aptos.index(folder).set_index("name")["sha256"]
    assert again["torn1"] == again["again"]


def test_a_data_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path, home: Path) -> None:
    folder = write_aptos(tmp_path, per_grade=1, side=32)
    home.mkdir()
    (home / "data").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Check that .* is writable"):
        aptos.index(folder)


def test_the_fingerprint_follows_names_sizes_and_times(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one")
    first = index.fingerprint(tmp_path, [path])
    assert first == index.fingerprint(tmp_path, [path])
    path.write_text("three")
    second = index.fingerprint(tmp_path, [path])
    moved = path.rename(tmp_path / "b")
    assert len({first, second, index.fingerprint(tmp_path, [moved])}) == 3
    assert np.unique([len(first), len(second)]).tolist() == [12]


def row(file: str, mask: str = "") -> dict[str, object]:
    return {"file": file, "mask": mask, "name": file, "label": 0, "problem": ""}


def test_a_row_says_what_its_file_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", chest(0, 0, 80), "grey")
    found, thumbnail = index.inspect(tmp_path, row("a.png"))
    assert (found["width"], found["height"]) == (80, 80)
    assert (found["format"], found["mode"]) == ("PNG", "L")
    assert found["bytes"] == path.stat().st_size
    assert thumbnail.shape == (32, 32, 3)


def test_a_broken_second_mask_makes_an_image_unusable(tmp_path: Path) -> None:
    for name in ("a.png", "one.png"):
        write(tmp_path / name, chest(0, 0, 40))
    (tmp_path / "two.png").write_text("no image")
    found, thumbnail = index.inspect(tmp_path, row("a.png", "one.png|two.png"))
    assert str(found["problem"]).startswith("mask truncated or unreadable")
    assert found["sha256"] == ""
    assert thumbnail.max() == 0


def test_thumbnails_are_kept_in_the_order_of_the_table(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.png", chest(0, n, 32)) for n in range(4)]
    rows = pd.DataFrame([row(path.name) for path in reversed(files)])
    table = index.index("set", tmp_path, files, lambda: rows, near=0)
    again = index.index("set", tmp_path, files, lambda: rows, near=0)
    assert table["file"].tolist() == ["3.png", "2.png", "1.png", "0.png"]
    for place, number in enumerate((3, 2, 1, 0)):
        np.testing.assert_array_equal(index.thumbnails(again)[place], chest(0, number, 32))


def test_a_set_without_images_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="set: there is no image in"):
        index.index("set", tmp_path, [], lambda: pd.DataFrame(columns=["file"]), near=0)


def test_clusters_that_cross_the_publishers_split_are_found() -> None:
    table = pd.DataFrame(
        {"file": list("abcd"), "problem": "", "cluster": [0, 0, 1, 1], "part": list("tvtt")}
    )
    assert index.crossing(table)["file"].tolist() == ["a", "b"]
