"""Sets in public repositories, fetched as archives of pinned commits.

An archive is downloaded with pooch, resumes where it stopped if the server can, and is unpacked
beside its place and renamed, so that a set is there whole or not at all. It is checked that the
archive names the pinned commit as its own, and that nothing of the set is missing; its SHA-256 goes
into `origin.json` in the set's folder.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from xaihelpers.datasets.index import image_files
from xaihelpers.datasets.real.reader import read_table
from xaihelpers.errors import DataError, StorageError
from xaihelpers.extras import require
from xaihelpers.files import data_dir, sha256

HOST = "https://github.com"
ORIGIN = "origin.json"
BLOCK = 1 << 14  # bytes; what is cut off within a block is fetched again


@dataclass(frozen=True)
class Archive:
    """A repository at a commit, and what of it belongs to a set.

    repository: "owner/name".
    commit: at least 12 hexadecimal digits.
    keep: what belongs to the set -> where it goes in the set's folder. A key is a file, a folder
        (with "/" at its end) or a pattern for file names.
    """

    repository: str
    commit: str
    keep: dict[str, str]

    @property
    def path(self) -> str:
        """The archive's address below a host."""
        return f"{self.repository}/archive/{self.commit}.tar.gz"


@dataclass(frozen=True)
class PublicSet:
    """A set in public repositories.

    licence: as stated there.
    terms: what else to know before using it.
    archives: what to fetch.
    finish: done in the new folder before it is put in its place.
    """

    licence: str
    terms: str
    archives: tuple[Archive, ...]
    finish: Callable[[Path], None] | None = None


def _keep_grades(folder: Path) -> None:
    """Write `labels.csv` of the photographs that are there, from the grades of the whole set."""
    table = read_table(folder / "trainLabels.csv", ("image", "level"), "Run `data get` again.")
    stems = {path.stem for path in image_files(folder / "images")}
    kept: pd.DataFrame = table.loc[table["image"].isin(stems), ["image", "level"]]
    kept.to_csv(folder / "labels.csv", index=False)
    (folder / "trainLabels.csv").unlink()


SETS = {
    "eyepacs_part": PublicSet(
        "none stated by the repositories",
        "photographs and grades are those of Kaggle's Diabetic Retinopathy Detection (2015): read "
        "its rules at https://www.kaggle.com/competitions/diabetic-retinopathy-detection/rules",
        (
            Archive(
                "aliiakbarkhan/eye-disease-detection-DL",
                "370818d6a688",
                {"dataset/diabetic_retinopathy/": "images/"},
            ),
            Archive(
                "niralalmeida/diabeticretinopathy",
                "a786a39633d99427a16f94623106dbb19035b7ab",
                {"trainLabels.csv": "trainLabels.csv"},
            ),
        ),
        _keep_grades,
    ),
    "covid_3class": PublicSet(
        "none stated by the repository",
        "the repository names Kaggle as its source; for study only",
        (
            Archive(
                "Dilara-Benli/covid19_image_classification",
                "f41f7dfa03c8",
                {"Covid19-dataset/": "Covid19-dataset/"},
            ),
        ),
    ),
    "covid_lung_boxes": PublicSet(
        "boxes CC BY 4.0; each picture under its own, named in the annotations",
        "pictures are those of https://github.com/ieee8023/covid-chestxray-dataset",
        (
            Archive(
                "GeneralBlockchain/covid-19-chest-xray-lung-bounding-boxes-dataset",
                "103688cbcdd1bada8900b9a9b17fafa45c7ea368",
                {
                    "images/": "images/",
                    "annotations/": "annotations/",
                    "annotations.json": "annotations.json",
                    "metadata.csv": "metadata.csv",
                },
            ),
        ),
    ),
    "imagenet_sample": PublicSet(
        "none stated by the repository",
        "photographs of ImageNet, each of its owner; for study only",
        (
            Archive(
                "EliSchwartz/imagenet-sample-images",
                "bc69043e2862758a1906c6a24a792bb28c6bb2ff",
                {"n*.JPEG": ""},
            ),
        ),
    ),
}


def statement(name: str) -> str:
    """Where a set comes from, its licence and its terms."""
    chosen = SETS[name]
    origins = ", ".join(f"{HOST}/{a.repository} at {a.commit[:12]}" for a in chosen.archives)
    return f"{name}: from {origins}\nlicence: {chosen.licence}\nterms: {chosen.terms}"


def fetch(name: str, mirror: str = "") -> Path:
    """Fetch a set into `data_dir()` and return its folder.

    Args:
        name: a key of `SETS`.
        mirror: another host's address, or a folder in which an archive stands as
            `<owner>/<name>/archive/<commit>.tar.gz` or as `<name>-<commit>.tar.gz`.

    Raises:
        DataError: an archive cannot be had, or is not that of the pinned commit.
        StorageError: `data_dir()` cannot be written.
    """
    target = data_dir() / name
    grown = target.with_name(f"{name}.partial")
    shutil.rmtree(grown, ignore_errors=True)
    origins = []
    try:
        grown.mkdir(parents=True)
        for archive in SETS[name].archives:
            path = _archive(archive, mirror)
            _unpack(archive, path, grown)
            origin = {"repository": archive.repository, "commit": archive.commit}
            origins.append(origin | {"archive_sha256": sha256(path)})
        finish = SETS[name].finish
        if finish is not None:
            finish(grown)
        note = {"set": name, "licence": SETS[name].licence, "archives": origins}
        (grown / ORIGIN).write_text(json.dumps(note, indent=1), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        grown.replace(target)
    except (DataError, StorageError):
        raise
    except OSError as error:
        raise StorageError(
            f"cannot put {name} into {target}: {error.strerror or error}. Free space there, or set "
            "XAIHELPERS_HOME to a folder that has it."
        ) from error
    finally:
        shutil.rmtree(grown, ignore_errors=True)
    return target


def _archive(archive: Archive, mirror: str) -> Path:
    """The archive's file: from a mirror's folder, or downloaded and kept."""
    if mirror and not mirror.startswith(("http://", "https://")):
        short = f"{archive.repository.rpartition('/')[2]}-{archive.commit}.tar.gz"
        paths = [Path(mirror) / archive.path, Path(mirror) / short]
        found = next((path for path in paths if path.is_file()), None)
        if found is None:
            raise DataError(f"the mirror has neither {paths[0]} nor {paths[1]}.")
        return found
    return _download(f"{(mirror or HOST).rstrip('/')}/{archive.path}", archive)


def _download(url: str, archive: Archive) -> Path:
    require("real")
    import pooch
    import requests

    folder = data_dir() / "downloads"
    name = f"{archive.repository.replace('/', '--')}-{archive.commit}.tar.gz"
    pooch.get_logger().setLevel("WARNING")
    try:
        path = pooch.retrieve(
            url,
            known_hash=None,  # none is published; the commit inside is checked instead
            fname=name,
            path=folder,
            downloader=partial(_resume, folder / f"{name}.part"),
        )
    except requests.RequestException as error:
        raise DataError(
            f"{url} was not fetched ({type(error).__name__}: {error}). Run the command again: it "
            "goes on where it stopped. Without a connection, give a folder that holds "
            f"{archive.path} with --from FOLDER."
        ) from error
    return Path(path)


def _resume(part: Path, url: str, output_file: str, pooch: Any) -> None:
    """Download to `output_file`, going on with what an interrupted run left in `part`."""
    import requests

    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        if response.status_code == 416:  # nothing beyond what is there: begin again
            part.unlink()
            return _resume(part, url, output_file, pooch)
        response.raise_for_status()
        resumed = response.status_code == 206
        length = int(response.headers.get("Content-Length", 0))
        start = have if resumed else 0
        bar = tqdm(
            total=length + start or None,
            initial=start,
            desc=part.name.removesuffix(".part"),
            unit="B",
            unit_scale=True,
            disable=None,
        )
        with bar, part.open("ab" if resumed else "wb") as file:
            for block in response.iter_content(BLOCK):
                file.write(block)
                bar.update(len(block))
    shutil.move(part, output_file)


def _unpack(archive: Archive, path: Path, target: Path) -> None:
    """Unpack what an archive has to keep, once it has shown to be that of the pinned commit."""
    try:
        with tarfile.open(path) as content:
            for member in content:
                commit = content.pax_headers.get("comment", "")
                if not commit.startswith(archive.commit):
                    raise DataError(
                        f"{path} is the archive of commit {commit or 'unknown'}, not of "
                        f"{archive.commit}. Remove it and run the command again."
                    )
                place = _place(archive, member)
                if place:
                    content.extract(member.replace(name=place), target, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, DataError):
            raise
        if not isinstance(error, tarfile.TarError | EOFError) and error.errno is not None:
            raise  # the disk's, not the archive's
        raise DataError(
            f"{path} is not a whole archive ({error}). Remove it and run the command again."
        ) from error


def _place(archive: Archive, member: tarfile.TarInfo) -> str:
    """Where a file of the archive goes in the set's folder; "" for what is not kept."""
    inside = member.name.partition("/")[2]  # below the folder named after repository and commit
    if not member.isfile():
        return ""
    for start, instead in archive.keep.items():
        if inside == start or (start.endswith("/") and inside.startswith(start)):
            return instead + inside.removeprefix(start)
        if fnmatchcase(inside, start):
            return instead + inside
    return ""
