"""`data get` from public repositories, against a server on this machine with their true layout."""

import http.server
import json
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.datasets.layouts import (
    chest,
    write,
    write_covid_3class,
    write_eyepacs,
    write_lung_boxes,
)
from xaihelpers.datasets import DataError, load
from xaihelpers.datasets.real import download, imagenet_sample, public
from xaihelpers.datasets.real.download import get, get_command
from xaihelpers.errors import StorageError

FULL = "0123456789ab" * 3 + "cdef"


@dataclass
class Server:
    """Archives by address; what was asked for; how many bytes it sends before it hangs up."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    break_after: int = 0
    ranges: bool = True


def handler_of(server: Server) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            server.asked.append((self.path, wanted))
            content = server.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            if start and not server.ranges:
                start = 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            body = content[start:]
            if server.break_after:
                body, server.break_after = body[: server.break_after], 0
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(state))
    state.address = f"http://127.0.0.1:{host.server_port}"
    thread = threading.Thread(target=host.serve_forever, daemon=True)
    thread.start()
    yield state
    host.shutdown()
    host.server_close()
    thread.join()


def pack(archive: public.Archive, parts: dict[str, Path], work: Path, commit: str = "") -> bytes:
    """The archive as the host makes it: one folder, the commit in the header, more files."""
    commit = commit or (archive.commit + FULL)[:40]
    top = f"{archive.repository.rpartition('/')[2]}-{commit}"
    path = work / "packed.tar.gz"
    readme = work / "README.md"
    readme.write_text("not a part of the set")
    with tarfile.open(
        path, "w:gz", format=tarfile.PAX_FORMAT, pax_headers={"comment": commit}
    ) as t:
        t.add(readme, f"{top}/README.md")
        for place, source in parts.items():
            t.add(source, f"{top}/{place}")
    return path.read_bytes()


def serve(server: Server, name: str, parts: list[dict[str, Path]], work: Path) -> None:
    for archive, files in zip(public.SETS[name].archives, parts, strict=True):
        server.files[f"/{archive.path}"] = pack(archive, files, work)


def sources(name: str, work: Path) -> list[dict[str, Path]]:
    """What each archive of a set holds of it, under the paths of its repository."""
    if name == "covid_3class":
        return [{"Covid19-dataset": write_covid_3class(work)}]
    if name == "covid_lung_boxes":
        folder = write_lung_boxes(work)
        return [{"images": folder / "images", "annotations": folder / "annotations"}]
    folder = write_eyepacs(work)
    whole = work / "trainLabels.csv"
    text = (folder / "labels.csv").read_text() + "9999_left,3\n"  # grades of the whole set
    whole.write_text(text)
    return [{"dataset/diabetic_retinopathy": folder / "images"}, {"trainLabels.csv": whole}]


@pytest.mark.parametrize("name", ["eyepacs_part", "covid_3class", "covid_lung_boxes"])
def test_a_fetched_set_can_be_loaded_at_once(
    name: str, server: Server, tmp_path: Path, home: Path
) -> None:
    serve(server, name, sources(name, tmp_path / "made"), tmp_path)
    folder = get(name, server.address)
    assert folder == home / "data" / name
    assert len(load(name, "all", size=32, cache=False)) > 5
    assert not list(folder.rglob("README.md"))
    asked = len(server.asked)
    assert get(name, server.address) == load_folder(name, home)
    assert len(server.asked) == asked  # a second call fetches nothing


def load_folder(name: str, home: Path) -> Path:
    below = "Covid19-dataset" if name == "covid_3class" else ""
    return home / "data" / name / below


def test_photographs_are_told_from_the_other_files_by_their_names(
    server: Server, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imagenet_sample, "COUNT", 2)
    names = ("n01440764_tench.JPEG", "n01443537_goldfish.JPEG", "gallery.jpg")
    files = {name: write(tmp_path / "made" / name, chest(0, 0, 32)) for name in names}
    serve(server, "imagenet_sample", [files], tmp_path)
    folder = get("imagenet_sample", server.address)
    assert folder == home / "data" / "imagenet_sample"
    assert [path.name for path in imagenet_sample.files(folder)] == list(names[:2])
    assert not (folder / "gallery.jpg").exists()


def test_grades_are_those_of_the_photographs_that_are_there(server: Server, tmp_path: Path) -> None:
    serve(server, "eyepacs_part", sources("eyepacs_part", tmp_path / "made"), tmp_path)
    folder = get("eyepacs_part", server.address)
    assert "9999_left" not in (folder / "labels.csv").read_text()
    assert not (folder / "trainLabels.csv").exists()


def test_the_origin_is_written_beside_the_set(server: Server, tmp_path: Path) -> None:
    serve(server, "covid_3class", sources("covid_3class", tmp_path / "made"), tmp_path)
    note = json.loads((get("covid_3class", server.address) / public.ORIGIN).read_text())
    (origin,) = note["archives"]
    assert origin["commit"] == "f41f7dfa03c8"
    assert len(origin["archive_sha256"]) == 64


@pytest.mark.parametrize("ranges", [True, False], ids=["resumes", "begins again"])
def test_an_interrupted_download_goes_on(server: Server, tmp_path: Path, ranges: bool) -> None:
    folder = write_covid_3class(tmp_path / "made", side=256)
    serve(server, "covid_3class", [{"Covid19-dataset": folder}], tmp_path)
    server.break_after, server.ranges = 40_000, ranges
    with pytest.raises(DataError, match="goes on where it stopped"):
        get("covid_3class", server.address)
    get("covid_3class", server.address)
    assert [wanted for _, wanted in server.asked] == ["", f"bytes={2 * public.BLOCK}-"]
    assert len(load("covid_3class", "all", size=32, cache=False)) == 20


def test_the_archive_of_another_commit_is_refused(
    server: Server, tmp_path: Path, home: Path
) -> None:
    (archive,) = public.SETS["covid_3class"].archives
    parts = sources("covid_3class", tmp_path / "made")[0]
    server.files[f"/{archive.path}"] = pack(archive, parts, tmp_path, commit="f" * 40)
    with pytest.raises(DataError, match="is the archive of commit ffff.*not of f41f7dfa03c8"):
        get("covid_3class", server.address)
    assert not (home / "data" / "covid_3class").exists()


def test_a_file_that_is_no_archive_is_refused(server: Server, home: Path) -> None:
    (archive,) = public.SETS["covid_3class"].archives
    server.files[f"/{archive.path}"] = b"<html>sign in first</html>"
    with pytest.raises(DataError, match="is not a whole archive"):
        get("covid_3class", server.address)
    assert not (home / "data" / "covid_3class").exists()


def test_a_repository_that_lacks_a_class_is_named(server: Server, tmp_path: Path) -> None:
    parts = sources("covid_3class", tmp_path / "made")
    for path in (parts[0]["Covid19-dataset"] / "val" / "Normal").iterdir():
        path.unlink()
    serve(server, "covid_3class", parts, tmp_path)
    with pytest.raises(DataError, match="lacks val/Normal/: the repository is not in the layout"):
        get("covid_3class", server.address)


def test_a_missing_address_says_what_to_do_without_a_connection(server: Server) -> None:
    with pytest.raises(DataError, match="404.*Without a connection, give a folder.*--from"):
        get("covid_3class", server.address)


@pytest.mark.parametrize("short", [True, False])
def test_a_folder_serves_as_a_mirror(tmp_path: Path, home: Path, short: bool) -> None:
    (archive,) = public.SETS["covid_3class"].archives
    content = pack(archive, sources("covid_3class", tmp_path / "made")[0], tmp_path)
    name = f"covid19_image_classification-{archive.commit}.tar.gz" if short else archive.path
    path = tmp_path / "mirror" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    get("covid_3class", str(tmp_path / "mirror"))
    assert not (home / "data" / "downloads").exists()
    assert len(load("covid_3class", "all", size=32, cache=False)) == 20


def test_a_mirror_without_the_archive_names_the_paths_it_wants(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither .*/archive/f41f7dfa03c8.tar.gz nor .*"):
        get("covid_3class", str(tmp_path))


def test_an_incomplete_set_is_not_taken_for_fetched(home: Path) -> None:
    write_covid_3class(home / "data")
    for path in (home / "data/covid_3class/Covid19-dataset/train/Normal").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="is there but lacks train/Normal/. Remove that folder"):
        get("covid_3class")


def test_a_data_folder_that_cannot_be_written_is_a_clear_error(home: Path) -> None:
    home.mkdir()
    (home / "data").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="cannot put covid_3class into"):
        get("covid_3class")


def test_licence_and_terms_are_stated_before_anything_is_fetched(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fetch(name: str, mirror: str) -> Path:
        raise DataError("no connection")

    monkeypatch.setattr(download.public, "fetch", fetch)
    assert get_command("eyepacs_part") == 1
    printed = capsys.readouterr()
    assert "licence: none stated" in printed.out
    assert "terms: photographs and grades are those of Kaggle's" in printed.out
    assert "370818d6a688" in printed.out
    assert printed.err == "no connection\n"
