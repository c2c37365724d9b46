"""Fetch a real set with kagglehub: `data get aptos | radiography`."""

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from xaihelpers.datasets.real import aptos, radiography
from xaihelpers.errors import DataError, StorageError
from xaihelpers.files import data_dir


@dataclass(frozen=True)
class Remote:
    """A set at Kaggle: kagglehub's function and handle, its page, what to accept, where it goes."""

    function: str
    handle: str
    page: str
    terms: str
    folder: str
    find: Callable[[Path], Path | None]


REMOTES = {
    "aptos": Remote(
        "competition_download",
        "aptos2019-blindness-detection",
        "https://www.kaggle.com/competitions/aptos2019-blindness-detection/data",
        "accept the rules at "
        "https://www.kaggle.com/competitions/aptos2019-blindness-detection/rules",
        "aptos2019",
        aptos.find,
    ),
    "radiography": Remote(
        "dataset_download",
        "tawsifurrahman/covid19-radiography-database",
        "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
        "read the terms on "
        "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
        "COVID-19_Radiography_Dataset",
        radiography.find,
    ),
}


def _download(name: str, remote: Remote) -> Path:
    try:
        import kagglehub
    except ImportError as error:
        raise DataError(
            f"kagglehub, which fetches {name}, is not installed: `pip install kagglehub`."
        ) from error
    try:
        return Path(getattr(kagglehub, remote.function)(remote.handle))
    except Exception as error:  # kagglehub lets through errors of its own, of requests and of disk
        raise DataError(
            f"Kaggle did not give {name} ({type(error).__name__}: {error}). What to do:\n"
            f"  1. sign in at https://www.kaggle.com and {remote.terms}\n"
            "  2. make a token at https://www.kaggle.com/settings (API) and either put it where "
            "Kaggle says there or call kagglehub.login() once\n"
            f"  3. run `python -m xaihelpers data get {name}` again\n"
            f"  or download it by hand from {remote.page} and unpack it as "
            f"{data_dir() / remote.folder}"
        ) from error


def get(name: str) -> Path:
    """Download the set "aptos" or "radiography" (9.5 GB, 0.8 GB) and put it in `data_dir()`.

    The files stay in kagglehub's own cache, with a link to them in `data_dir()`; where links are
    not allowed they are moved. Returns the set's folder; does nothing if it is there already.

    Raises:
        DataError: unknown name; kagglehub is missing; no credentials, terms or connection.
        StorageError: `data_dir()` cannot be written.
    """
    if name not in REMOTES:
        near = get_close_matches(name, REMOTES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown data set {name!r}; there are {', '.join(REMOTES)}.{hint}")
    remote = REMOTES[name]
    if (present := remote.find(data_dir())) is not None:
        return present
    fetched = _download(name, remote)
    found = remote.find(fetched)
    if found is None:
        raise DataError(
            f"what Kaggle gave for {name}, in {fetched}, is not in a known layout; "
            f"`python -m xaihelpers data check {fetched}` says what is expected."
        )
    target = data_dir() / remote.folder
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.symlink(found, target, target_is_directory=True)
        except (OSError, NotImplementedError):  # Windows without the right to make links
            shutil.move(found, target)
    except OSError as error:
        raise StorageError(
            f"cannot put {name} into {target}: {error.strerror or error}. Free space, remove what "
            f"stands there, or pass DATA_ROOT={found.parent}."
        ) from error
    return target


def get_command(name: str) -> int:
    """Fetch a set and say where it is; exit code 0, or 1 with what to do on standard error."""
    try:
        folder = get(name)
    except (DataError, StorageError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{name} is in {folder}. Look it over: python -m xaihelpers data check {folder}")
    return 0
