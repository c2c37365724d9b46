from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.datasets.layouts import write_aptos
from xaihelpers.datasets import load, splits
from xaihelpers.datasets.real import aptos
from xaihelpers.datasets.splits import CONFLICT, divide, summary
from xaihelpers.errors import StorageError


def table(labels: list[int], contents: list[str] | None = None) -> pd.DataFrame:
    contents = contents or [f"picture {i}" for i in range(len(labels))]
    rows = pd.DataFrame({"file": [f"{i:04d}.png" for i in range(len(labels))], "label": labels})
    return rows.assign(sha256=contents, problem="")


def test_splits_are_disjoint_complete_and_stratified() -> None:
    divided = divide(table([0] * 100 + [1] * 50 + [2] * 10), seed=0)
    counts = pd.crosstab(divided["label"], divided["split"])
    assert counts["train"].tolist() == [70, 35, 7]
    assert counts["val"].tolist() == [10, 5, 1]
    assert counts["test"].tolist() == [20, 10, 2]


def test_the_same_pictures_give_the_same_split_in_any_order() -> None:
    rows = table([0, 1] * 20)
    first = divide(rows, seed=0).set_index("file")["split"]
    shuffled = rows.sample(frac=1, random_state=1).reset_index(drop=True)
    second = divide(shuffled, seed=0).set_index("file")["split"]
    pd.testing.assert_series_equal(first, second)


def test_another_seed_gives_another_split() -> None:
    rows = table([0] * 100)
    first, second = (divide(rows, seed).set_index("file")["split"] for seed in (0, 1))
    assert (first.sort_index() != second.sort_index()).mean() > 0.2


def test_renaming_a_file_does_not_move_it() -> None:
    rows = table([0] * 40)
    first = divide(rows, seed=0).set_index("sha256")["split"]
    second = divide(rows.assign(file="z" + rows["file"]), seed=0).set_index("sha256")["split"]
    pd.testing.assert_series_equal(first, second, check_like=True)


def test_duplicates_never_straddle_splits() -> None:
    divided = divide(table([0] * 60, [f"picture {i // 3}" for i in range(60)]), seed=0)
    assert (divided.groupby("sha256")["split"].nunique() == 1).all()
    assert set(divided["split"]) == {"train", "val", "test"}


def test_conflicting_duplicates_are_left_out_and_counted() -> None:
    rows = table([0, 0, 1, 1], ["same", "a", "same", "b"])
    divided = divide(rows, seed=0).set_index("file")
    assert divided.loc[["0000.png", "0002.png"], "split"].tolist() == ["", ""]
    assert (divided.loc[["0000.png", "0002.png"], "problem"] == CONFLICT).all()
    assert (divided.loc[["0001.png", "0003.png"], "split"] != "").all()
    assert summary("set", divided) == "set: 2 of 4 images left out: 2 conflict."


def test_unusable_images_are_in_no_split() -> None:
    rows = table([0] * 5 + [1] * 5)
    rows.loc[3, ["problem", "sha256"]] = ["missing file. Restore it.", ""]
    divided = divide(rows, seed=0).set_index("file")
    assert divided.loc["0003.png", "split"] == ""
    assert (divided["split"] != "").sum() == 9


def test_a_set_of_nothing_usable_divides_into_nothing() -> None:
    rows = table([0, 1]).assign(problem="missing file.")
    assert (divide(rows, seed=0)["split"] == "").all()


def test_the_first_records_of_a_split_hold_every_label() -> None:
    divided = divide(table([0] * 500 + [1] * 100), seed=0)
    first = divided[divided["split"] == "train"].head(30)
    assert 3 <= (first["label"] == 1).sum() <= 7


def test_five_pictures_of_a_label_reach_all_three_splits() -> None:
    assert set(divide(table([0] * 5), seed=3)["split"]) == {"train", "val", "test"}


def test_the_split_is_written_to_a_file(tmp_path: Path, home: Path) -> None:
    write_aptos(tmp_path)
    test = load("aptos", "test", size=32, root=tmp_path, limit=2, seed=4)
    (path,) = (home / "data/splits").glob("aptos-seed4-*.csv")
    written = pd.read_csv(path, keep_default_na=False)
    assert {"file", "label", "sha256", "width", "height", "split", "problem"} <= set(written)
    held = written.loc[written["split"] == "test", "name"].astype(str).tolist()
    assert [test[i].name for i in range(2)] == held[:2]


def test_images_are_decoded_once_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_aptos(tmp_path, per_grade=1, side=32)
    decoded = []
    look = splits._look
    monkeypatch.setattr(splits, "_look", lambda *args: decoded.append(args) or look(*args))
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
    first = splits.fingerprint(tmp_path, [path])
    assert first == splits.fingerprint(tmp_path, [path])
    path.write_text("three")
    second = splits.fingerprint(tmp_path, [path])
    moved = path.rename(tmp_path / "b")
    assert len({first, second, splits.fingerprint(tmp_path, [moved])}) == 3
    assert np.unique([len(first), len(second)]).tolist() == [12]
