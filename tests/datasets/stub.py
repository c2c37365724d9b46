"""A renderer small enough to count its calls, registered as the data set "stub"."""

from types import SimpleNamespace

import numpy as np
import pytest

from xaihelpers.datasets import registry
from xaihelpers.datasets.records import Record

CLASSES = ("bright", "dark", "odd")


class Stub:
    """Renders noise; keeps the indices it rendered, and stops with `fail` at index `fail_at`."""

    def __init__(self) -> None:
        self.rendered: list[int] = []
        self.fail_at: int | None = None
        self.fail: BaseException = KeyboardInterrupt()

    def __call__(
        self,
        split: str,
        index: int,
        *,
        seed: int = 0,
        size: int = 224,
        label: int | None = None,
        tone: float = 0.0,
    ) -> Record:
        if index == self.fail_at:
            raise self.fail
        self.rendered.append(index)
        rng = np.random.default_rng([seed, index, size, len(split)])
        image = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
        masks = {name: rng.random((size, size)) < 0.5 for name in ("left", "right")}
        meta = {"tone": tone, "corner": (np.int64(1), 2), "flag": np.bool_(True)}
        name = f"stub/{split}/seed{seed}/{index:05d}"
        return Record(image, index % 3, masks, name, meta)


def register(monkeypatch: pytest.MonkeyPatch, count: int = 100) -> Stub:
    """Make `load("stub")` known for one test: `count` training images, 70 val, 5 test."""
    stub = Stub()
    renderer = SimpleNamespace(
        CLASSES=CLASSES,
        COUNTS={"train": count, "val": 70, "test": 5},
        MASKS=("left", "right"),
        SIZE=224,
        VERSION=1,
        render=stub,
    )
    monkeypatch.setitem(registry.RENDERED, "stub", renderer)
    return stub
