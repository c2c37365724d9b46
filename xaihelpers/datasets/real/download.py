"""Fetch a real set: `data get NAME`."""

from __future__ import annotations

import sys
import zipfile
from difflib import get_close_matches
from pathlib import Path

from xaihelpers.datasets.real import imagenet_sample, kaggle, public
from xaihelpers.datasets.registry import REAL
from xaihelpers.errors import DataError, StorageError
from xaihelpers.files import data_dir

NAMES = (*kaggle.SETS, *public.SETS, "idrid")
IDRID = (
    "idrid: from https://ieee-dataport.org/open-access/"
    "indian-diabetic-retinopathy-image-dataset-idrid\nlicence: CC BY 4.0\n"
    "terms: a free account is needed there; cite Porwal et al. 2018"
)


def statement(name: str) -> str:
    """Where a set comes from, its licence and its terms."""
    if name in kaggle.SETS:
        return kaggle.statement(name)
    return public.statement(name) if name in public.SETS else IDRID


def get(name: str, mirror: str = "") -> Path:
    """Fetch a set into `data_dir()` and return its folder; does nothing if it is there already.

    Args:
        name: "aptos" (9.5 GB), "radiography" (0.8 GB) from Kaggle with your account;
            "eyepacs_part", "covid_3class", "covid_lung_boxes", "imagenet_sample" from public
            repositories; "idrid".
        mirror: where to fetch it from instead (see `public.fetch`); of idrid, the downloaded
            `A. Segmentation.zip`.

    Raises:
        DataError: unknown name; no connection, credentials or terms; what came is not the set.
        StorageError: `data_dir()` cannot be written.
    """
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(f"unknown data set {name!r}; there are {', '.join(NAMES)}.{hint}")
    reader = imagenet_sample if name == "imagenet_sample" else REAL[name]
    present = reader.find(data_dir())
    if present is not None:
        if missing := reader.missing(present):
            raise DataError(
                f"{present} is there but lacks {', '.join(missing)}. Remove that folder, then run "
                "the command again."
            )
        return present
    if name in kaggle.SETS:
        return kaggle.fetch(name)
    folder = public.fetch(name, mirror) if name in public.SETS else _unpack_idrid(mirror)
    if missing := reader.missing(reader.find(folder) or folder):
        raise DataError(
            f"what was fetched for {name}, in {folder}, lacks {', '.join(missing)}: the repository "
            "is not in the layout expected."
        )
    return folder


def _unpack_idrid(path: str) -> Path:
    target = data_dir() / "idrid"
    if not path:
        raise DataError(
            "IDRiD cannot be fetched without an account. Download `A. Segmentation.zip` from "
            "https://ieee-dataport.org/open-access/indian-diabetic-retinopathy-image-dataset-idrid "
            "and run `python -m xaihelpers data get idrid --from 'A. Segmentation.zip'`, or unpack "
            f"it as {target}."
        )
    try:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(target)
    except (zipfile.BadZipFile, FileNotFoundError) as error:
        raise DataError(f"{path} is not a whole zip file ({error}). Download it again.") from error
    except OSError as error:
        raise StorageError(
            f"cannot unpack {path} into {target}: {error.strerror or error}. Free space there."
        ) from error
    return target


def get_command(name: str, mirror: str = "") -> int:
    """Fetch a set and say where it is; exit code 0, or 1 with what to do on standard error."""
    try:
        if name in NAMES:
            print(statement(name), flush=True)
        folder = get(name, mirror)
    except (DataError, StorageError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{name} is in {folder}. Look it over: python -m xaihelpers data check {folder}")
    return 0
