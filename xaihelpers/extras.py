"""The optional parts of an installation; where one is missing, the message is the line to type.

`pip install xaihelpers` brings torch, numpy and pillow, enough for `explain`. Everything else is an
extra of `pyproject.toml`, which stays the one list of what belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata

from xaihelpers.errors import MissingExtraError

#: Distributions that bring the same module as the one that an extra names.
SAME = {"opencv-python-headless": ("opencv-python", "opencv-contrib-python-headless")}
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?.*;.*extra == [\"']([\w-]+)[\"']")
FEW = 3  # names in a message


@cache
def require(extra: str) -> None:
    """Check that everything of an extra is installed.

    Args:
        extra: a name under `[project.optional-dependencies]`, for example "study".

    Raises:
        MissingExtraError: something is not installed; the message names it and the pip line.
    """
    absent = [name for name in requirements(extra) if not _installed(name)]
    if absent:
        more = f" and {len(absent) - FEW} more packages" if len(absent) > FEW else ""
        raise MissingExtraError(
            f"this part of xaihelpers needs {', '.join(absent[:FEW])}{more}, not installed here. "
            f'Install it: pip install "xaihelpers[{extra}]"'
        )


def requirements(extra: str) -> Iterator[str]:
    """The distributions of an extra, and of the extras that it contains; none if not installed."""
    try:
        lines = metadata.requires("xaihelpers") or []
    except metadata.PackageNotFoundError:  # run from a clone that was never installed
        return
    for line in lines:
        match = REQUIREMENT.match(line)
        if match is None or match[3] != extra:
            continue
        if match[1] == "xaihelpers" and match[2]:
            for contained in match[2].split(","):
                yield from requirements(contained)
        else:
            yield match[1]


def _installed(name: str) -> bool:
    for distribution in (name, *SAME.get(name, ())):
        try:
            metadata.version(distribution)
            return True
        except metadata.PackageNotFoundError:
            continue
    return False
