"""The sets at Kaggle, fetched with kagglehub under the user's own account."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from xaihelpers.datasets.real import aptos, radiography
from xaihelpers.datasets.real.reader import Reader
from xaihelpers.errors import DataError, StorageError
from xaihelpers.files import data_dir


@dataclass(frozen=True)
class KaggleSet:
    """A set at Kaggle.

    function: kagglehub's, that fetches it.
    handle: the set's name at Kaggle.
    page: address of the set's page.
    terms: what to do before the first download.
    folder: where it goes, below the data folder.
    reader: the module that reads it.
    """

    function: str
    handle: str
    page: str
    terms: str
    folder: str
    reader: Reader


SETS = {
    "aptos": KaggleSet(
        "competition_download",
        "aptos2019-blindness-detection",
        "https://www.kaggle.com/competitions/aptos2019-blindness-detection/data",
        "accept the rules at "
        "https://www.kaggle.com/competitions/aptos2019-blindness-detection/rules",
        "aptos2019",
        aptos,
    ),
    "radiography": KaggleSet(
        "dataset_download",
        "tawsifurrahman/covid19-radiography-database",
        "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
        "read the terms on "
        "https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database",
        "COVID-19_Radiography_Dataset",
        radiography,
    ),
}


def statement(name: str) -> str:
    """Where the set comes from and under what terms."""
    return f"{name}: from {SETS[name].page}, under Kaggle's terms: {SETS[name].terms}."


def _download(name: str, remote: KaggleSet) -> Path:
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


def fetch(name: str) -> Path:
    """Download a set and link it into `data_dir()`; where links are not allowed it is moved.

    Raises:
        DataError: kagglehub is missing; no credentials, terms or connection; unknown layout.
        StorageError: `data_dir()` cannot be written.
    """
    remote = SETS[name]
    fetched = _download(name, remote)
    found = remote.reader.find(fetched)
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
