"""A resumable table: what is done stays, what is stale goes, and nothing else moves."""

from pathlib import Path

import pandas as pd
import pytest

from xaihelpers import files
from xaihelpers.errors import EvaluationError, StorageError
from xaihelpers.study.table import Parts, ResumableTable, read_table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tables" / "measured.csv"


def rows(keys: list, value: float = 0.5) -> pd.DataFrame:
    return pd.DataFrame({"index": keys, "value": value})


def test_a_finished_row_is_not_made_again(path: Path) -> None:
    table, made = ResumableTable(path, ("index",), {"checkpoint": "abc"}), []

    def make(keys: list) -> pd.DataFrame:
        made.append(keys)
        return rows(keys)

    table.measure(range(5), make, chunk=2)
    before = path.stat().st_mtime_ns
    table.measure([4, 0, 2], make)
    assert made == [[0, 1], [2, 3], [4]]
    assert path.stat().st_mtime_ns == before
    assert table.done() == {0, 1, 2, 3, 4}


def test_ctrl_c_loses_only_the_rows_in_work(path: Path) -> None:
    table = ResumableTable(path, ("index",))

    def make(keys: list) -> pd.DataFrame:
        if 2 in keys:
            raise KeyboardInterrupt
        return rows(keys)

    with pytest.raises(KeyboardInterrupt):
        table.measure(range(4), make)
    assert table.done() == {0, 1}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_rows_of_another_stamp_are_replaced_and_those_of_another_scope_stay(path: Path) -> None:
    scopes = {"setting": "frozen"}, {"setting": "scratch"}
    for scope in scopes:
        ResumableTable(path, ("index",), {"checkpoint": "old"}, scope).append(rows([0, 1]))
    newer = ResumableTable(path, ("index",), {"checkpoint": "new"}, scopes[0])
    assert newer.done() == set()
    assert len(read_table(path)) == 4  # nothing goes before something takes its place
    newer.append(rows([0]))
    whole = read_table(path)
    assert whole["checkpoint"].tolist() == ["old", "old", "new"]
    assert whole["setting"].tolist() == ["scratch", "scratch", "frozen"]


def test_a_row_of_an_equal_key_is_renewed(path: Path) -> None:
    table = ResumableTable(path, ("network", "seed"), order=("network", "seed"))
    for value, seeds in ((0.25, [1, 0]), (0.75, [1])):
        table.append(pd.DataFrame({"network": "vgg", "seed": seeds, "value": value}))
    assert table.rows()["value"].tolist() == [0.25, 0.75]
    assert table.done() == {("vgg", 0), ("vgg", 1)}


def test_stamps_that_look_like_numbers_are_compared_as_text(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("index,hits,checkpoint,data_version\n0,0110,0123e4,2\n")
    for version in (2, "2"):
        stamp = {"checkpoint": "0123e4", "data_version": version}
        assert ResumableTable(path, ("index",), stamp).done() == {0}
    assert read_table(path)["hits"].tolist() == ["0110"]


def test_a_table_without_the_stamps_columns_holds_nothing_that_is_done(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("index,value\n0,0.5\n")
    assert ResumableTable(path, ("index",), {"checkpoint": "abc"}).done() == set()


def test_rows_without_their_key_are_refused(path: Path) -> None:
    with pytest.raises(EvaluationError, match=r"lack the key columns \['index'\]"):
        ResumableTable(path, ("index",)).append(pd.DataFrame({"value": [1]}))
    assert not path.exists()


def test_numbers_are_stored_to_six_digits(path: Path) -> None:
    ResumableTable(path, ("index",)).append(rows([0], 1 / 3))
    assert path.read_text() == "index,value\n0,0.333333\n"


SHIPPED = {
    "c8_marker": (("index",), ("arch", "network", "scheme"), ("checkpoint",)),
    "c13_attacks": (("index",), ("study",), ("checkpoint",)),
    "c15_failures": (("index",), ("study", "network"), ("checkpoint",)),
    "c17_networks": (("network", "seed"), (), ("data_version",)),
    "c18_heads": (("head", "seed"), ("setting",), ("data_version", "checkpoint")),
}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_row_is_recognised_as_done(name: str) -> None:
    path = files.results_dir() / "tables" / f"{name}.csv"
    keys, scope, stamp = SHIPPED[name]
    whole = read_table(path)
    counted = 0
    for _, part in whole.groupby([*scope, *stamp], sort=False):
        first = part.iloc[0]
        columns = ({name: first[name] for name in names} for names in (stamp, scope))
        counted += len(ResumableTable(path, keys, *columns).done())
    assert counted == len(whole) > 0


def test_parts_come_back_as_they_were_made_and_are_made_once(tmp_path: Path) -> None:
    made = pd.DataFrame({"name": ["x", "y"], "energy": [0.1, None], "empty": [True, False]})
    parts = Parts(tmp_path / "new")
    pd.testing.assert_frame_equal(parts.rows(3, lambda: made), made)
    pd.testing.assert_frame_equal(parts.rows(3, lambda: pytest.fail("made again")), made)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        Parts(tmp_path / "file").rows(0, lambda: pd.DataFrame({"a": [1]}))
