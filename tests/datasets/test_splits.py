from pathlib import Path

import pandas as pd
import pytest

from tests.datasets.layouts import write_aptos
from xaihelpers.datasets import load
from xaihelpers.datasets.splits import CONFLICT, divide, summary


def table(labels: list[int], contents: list[str] | None = None) -> pd.DataFrame:
    contents = contents or [f"picture {i}" for i in range(len(labels))]
    rows = pd.DataFrame({"file": [f"{i:04d}.png" for i in range(len(labels))], "label": labels})
    clusters = pd.factorize(pd.Series(contents))[0]
    return rows.assign(sha256=contents, problem="", cluster=clusters)


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


def test_a_cluster_never_straddles_splits_whatever_its_labels() -> None:
    rows = table([0, 1] * 40).assign(cluster=[i // 4 for i in range(80)])
    divided = divide(rows, seed=0)
    assert (divided.groupby("cluster")["split"].nunique() == 1).all()
    assert set(divided["split"]) == {"train", "val", "test"}


def test_large_clusters_leave_the_parts_their_shares() -> None:
    sizes = [1] * 100 + [10] * 10
    clusters = [number for number, size in enumerate(sizes) for _ in range(size)]
    divided = divide(table([0] * 200).assign(cluster=clusters), seed=0)
    shares = divided["split"].value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.7, abs=0.06)
    assert shares["test"] == pytest.approx(0.2, abs=0.06)
