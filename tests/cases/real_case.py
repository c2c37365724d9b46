"""A home with the shipped networks and no way to ImageNet's weights; what a chapter shows."""

import shutil
from pathlib import Path

import nbformat
import pytest

from tests.cases.small_setups import offline
from xaihelpers.networks import checkpoints, classifiers


def shipped_home(home: Path, monkeypatch: pytest.MonkeyPatch, setup: str, *archs: str) -> None:
    """Make `home` the home, with the shipped networks of one setup and nothing else."""
    folder = home / "results" / "checkpoints"
    folder.mkdir(parents=True)
    for arch in archs:
        shipped = checkpoints.shipped_path(setup, arch)
        for path in (shipped, checkpoints.card_path(shipped)):
            shutil.copy(path, folder)
    monkeypatch.setenv("XAIHELPERS_HOME", str(home))
    monkeypatch.setattr(classifiers, "_imagenet", offline)


def printed(chapter: Path) -> str:
    """All text that a chapter shows."""
    outputs = [o for cell in nbformat.read(chapter, 4).cells for o in cell.get("outputs", [])]
    return "\n".join(str(o.get("text", o.get("data", {}).get("text/plain", ""))) for o in outputs)
