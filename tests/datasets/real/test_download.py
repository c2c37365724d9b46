import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.datasets.layouts import write_aptos, write_idrid, write_radiography
from xaihelpers.datasets import DataError, load
from xaihelpers.datasets.real import download
from xaihelpers.datasets.real.download import get, get_command
from xaihelpers.errors import StorageError


def provide(monkeypatch: pytest.MonkeyPatch, fetch: Callable[[str], str]) -> None:
    hub = SimpleNamespace(competition_download=fetch, dataset_download=fetch)
    monkeypatch.setitem(sys.modules, "kagglehub", hub)


def refuse(handle: str) -> str:
    raise RuntimeError(f"403 Client Error: you must accept the rules of {handle}")


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        ("aptos", "aptos2019-blindness-detection"),
        ("radiography", "tawsifurrahman/covid19-radiography-database"),
    ],
)
def test_a_fetched_set_can_be_loaded_at_once(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, name: str, handle: str
) -> None:
    versions = tmp_path / "kagglehub" / "versions" / "5"
    writer = write_aptos if name == "aptos" else write_radiography
    folder = writer(versions)
    asked: list[str] = []
    provide(monkeypatch, lambda handle: asked.append(handle) or str(versions))  # type: ignore[func-returns-value]
    assert get(name).parent == home / "data"
    assert asked == [handle]
    assert folder.exists()  # linked, not moved
    assert len(load(name, "train", size=64)) > 0
    get(name)
    assert len(asked) == 1  # a second call fetches nothing


def test_where_links_are_not_allowed_the_files_are_moved(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_aptos(tmp_path / "versions", per_grade=1, side=32)
    provide(monkeypatch, lambda handle: str(folder.parent))

    def no_links(*args: object, **options: object) -> None:
        raise OSError("a required privilege is not held by the client")

    monkeypatch.setattr(os, "symlink", no_links)
    assert get("aptos") == home / "data" / "aptos2019"
    assert (home / "data" / "aptos2019" / "train.csv").is_file()
    assert not folder.exists()


def test_refused_access_lists_the_steps_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, refuse)
    with pytest.raises(DataError) as caught:
        get("aptos")
    for words in (
        "you must accept the rules",
        "https://www.kaggle.com/competitions/aptos2019-blindness-detection/rules",
        "https://www.kaggle.com/settings",
        "python -m xaihelpers data get aptos",
        "by hand",
    ):
        assert words in str(caught.value)


def test_without_kagglehub_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match="pip install kagglehub"):
        get("radiography")


def test_an_unknown_layout_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    provide(monkeypatch, lambda handle: str(tmp_path))
    with pytest.raises(DataError, match="not in a known layout.*data check"):
        get("radiography")


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(DataError, match="unknown data set 'aptoss'.*Did you mean 'aptos'"):
        get("aptoss")


def test_a_data_folder_that_cannot_be_written_is_a_clear_error(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_aptos(tmp_path / "versions", per_grade=1, side=32)
    provide(monkeypatch, lambda handle: str(folder.parent))
    home.mkdir()
    (home / "data").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot put aptos into"):
        get("aptos")


def test_the_command_returns_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    provide(monkeypatch, refuse)
    assert get_command("aptos") == 1
    assert "/rules" in capsys.readouterr().err
    monkeypatch.setattr(download, "get", lambda name, mirror: Path("/data/aptos2019"))
    assert get_command("aptos") == 0
    assert "aptos is in /data/aptos2019" in capsys.readouterr().out


def test_idrid_is_unpacked_from_the_file_that_its_owner_gives(tmp_path: Path, home: Path) -> None:
    folder = write_idrid(tmp_path / "made")
    packed = shutil.make_archive(str(tmp_path / "A. Segmentation"), "zip", folder.parent)
    assert get("idrid", packed) == home / "data" / "idrid"
    assert len(load("idrid", "all", size=32, cache=False)) == 6


def test_idrid_without_a_file_says_where_to_get_it() -> None:
    with pytest.raises(DataError, match="account.*ieee-dataport.*--from"):
        get("idrid")


def test_a_zip_that_is_cut_off_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "half.zip").write_bytes(b"PK no more")
    with pytest.raises(DataError, match="not a whole zip file"):
        get("idrid", str(tmp_path / "half.zip"))
