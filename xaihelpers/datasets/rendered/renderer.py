"""What every rendered set offers, and the check of arguments that all of them share."""

from collections.abc import Callable, Mapping
from typing import Protocol

from xaihelpers.datasets.records import Record
from xaihelpers.errors import DataError

SIDES = (64, 512)  # px, the smallest and the largest picture that a renderer draws


class Renderer(Protocol):
    """A package that draws one set: `fundus`, `chest` or `scenes`."""

    @property
    def CLASSES(self) -> tuple[str, ...]:
        """Names of the classes; a label is an index into them."""

    @property
    def COUNTS(self) -> Mapping[str, int]:
        """Images per split ("train", "val", "test"); any index from 0 can be drawn."""

    @property
    def MASKS(self) -> tuple[str, ...]:
        """Names of the masks that every record carries."""

    @property
    def SIZE(self) -> int:
        """Side of a picture in pixels, unless another is asked for."""

    @property
    def VERSION(self) -> int:
        """A number that changes whenever a pixel, mask or label would."""

    @property
    def render(self) -> Callable[..., Record]:
        """Draw one record: `render(split, index, *, seed=0, size=SIZE, label=None, ...)`.

        Everything follows from split, seed and index. Without a `label`, the label is `index`
        modulo the number of classes. A set may have options of its own.
        """


def check(
    split: str,
    index: int,
    *,
    seed: int,
    size: int,
    label: int | None,
    classes: tuple[str, ...],
    counts: Mapping[str, int],
) -> int:
    """Check the arguments of a `render` and return the label.

    Args:
        split: must be a key of `counts`.
        index: must be 0 or more.
        seed: must be 0 or more.
        size: side in pixels; must lie within `SIDES`.
        label: index into `classes`; None stands for `index` modulo their number.
        classes: the set's classes.
        counts: the set's images per split.

    Raises:
        DataError: an argument is out of range.

    >>> check("test", 7, seed=0, size=96, label=None, classes=("a", "b"), counts={"test": 9})
    1
    """
    if split not in counts:
        raise DataError(f"unknown split {split!r}: use one of {', '.join(counts)}")
    if index < 0 or seed < 0:
        raise DataError(f"index and seed must be 0 or more, got index={index}, seed={seed}")
    if not SIDES[0] <= size <= SIDES[1]:
        raise DataError(f"size {size} is out of range: use {SIDES[0]} to {SIDES[1]} pixels")
    if label is None:
        return index % len(classes)
    if label not in range(len(classes)):
        names = ", ".join(f"{i} ({name})" for i, name in enumerate(classes))
        raise DataError(
            f"unknown label {label!r}: use one of {names}, or None for index % {len(classes)}"
        )
    return int(label)
