"""Results of many pictures in a folder: overlays, raw maps and one JSON file, resumable."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from xaihelpers.files import atomic_path
from xaihelpers.show.picture.result import ExplainedImage

NAME = "explanations.json"
SECONDS = 5.0  # between two writings of the JSON file


class Report:
    """What was explained, and what could not be; written on leaving the `with` block, too.

    Args:
        folder: of the results.
        settings: what decides the maps; with others, everything is explained anew.

    Attributes:
        pictures: name of the results -> what the JSON file says of a picture.
        resumed: how many were there before.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings
        self.pictures = self._stored()
        self.resumed = 0
        self._written = time.monotonic()

    def _stored(self) -> dict[str, dict[str, Any]]:
        try:
            stored = json.loads((self.folder / NAME).read_text(encoding="utf-8"))
            same = stored["settings"] == json.loads(json.dumps(self.settings))
            return dict(stored["pictures"]) if same else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.pictures:
            self.write()

    def has(self, stem: str, digest: str) -> bool:
        """Whether the same file was explained before and its results are still there."""
        entry = self.pictures.get(stem, {})
        done = entry.get("sha256") == digest and "error" not in entry
        there = done and all((self.folder / name).exists() for name in entry["files"])
        self.resumed += there
        return there

    def add(self, stem: str, source: Path, digest: str, shown: ExplainedImage) -> None:
        """Write a picture's overlay and raw maps.

        Raises:
            StorageError: a file cannot be written.
        """
        overlay = f"{stem}.png"
        shown.save(self.folder / overlay)
        rows, raw = shown.rows(), raw_maps(shown)
        for row, (suffix, values) in zip(rows, raw, strict=True):
            row["raw"] = f"{stem}_{suffix}.npy"
            with atomic_path(self.folder / row["raw"]) as partial:
                np.save(partial, values)
        self.pictures[stem] = {
            "source": str(source),
            "sha256": digest,
            "note": shown.picture.note,
            "size": list(shown.picture.pixels.shape[:2]),
            "seen": list(shown.geometry.seen()),
            "files": [overlay, *(row["raw"] for row in rows)],
            "maps": rows,
        }
        self._write_now_and_then()

    def refuse(self, stem: str, source: Path, digest: str, reason: str) -> None:
        """Note why a picture could not be explained; it is tried again next time."""
        self.pictures[stem] = {"source": str(source), "sha256": digest, "error": reason}
        self._write_now_and_then()

    def is_broken(self, stem: str) -> bool:
        """Whether a picture could not be explained."""
        return "error" in self.pictures.get(stem, {})

    def _write_now_and_then(self) -> None:
        if time.monotonic() - self._written > SECONDS:
            self.write()

    def write(self) -> None:
        """Write the JSON file.

        Raises:
            StorageError: the folder cannot be written.
        """
        text = json.dumps({"settings": self.settings, "pictures": self.pictures}, indent=1)
        with atomic_path(self.folder / NAME) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
        self._written = time.monotonic()


def raw_maps(shown: ExplainedImage) -> list[tuple[str, np.ndarray]]:
    """A name and the raw signed map (h, w) for each panel, in the panels' order."""
    several = len({panel.target for panel in shown.panels}) > 1
    maps = [raw for explanation in shown.explanations for raw in explanation.raw.values()]
    names = [
        f"{_plain(panel.target)}_{panel.method}" if several else panel.method
        for panel in shown.panels
    ]
    return [(name, raw[0].float().cpu().numpy()) for name, raw in zip(names, maps, strict=True)]


def _plain(text: str) -> str:
    """A text as part of a file's name."""
    return re.sub(r"\W+", "_", text).strip("_")
