"""Names of classes: which there are, and which one is meant."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from torch import nn

from xaihelpers.cams.hooks import unwrap
from xaihelpers.errors import TargetError


def classes_of(model: nn.Module) -> tuple[str, ...]:
    """The class names that a network brings along; () where it brings none.

    A network has them in its attribute `classes`, or is one of timm's with the 1,000 ImageNet
    classes.
    """
    network = unwrap(model)
    if names := getattr(network, "classes", ()):
        return tuple(str(name) for name in names)
    config: Any = getattr(network, "pretrained_cfg", None)
    if config and config.get("num_classes") == getattr(network, "num_classes", None) == 1000:
        from timm.data import ImageNetInfo

        return tuple(ImageNetInfo().label_descriptions())
    return ()


def class_index(name: str, classes: Sequence[str]) -> int:
    """The index of a class by its name.

    Args:
        name: as in `classes`, in any case; of a name such as "tabby, tabby cat" one part is
            enough where no other class has it.
        classes: all names, in the order of the network's outputs.

    Raises:
        TargetError: no class, or several, have that name; the nearest names are suggested.
    """
    if not classes:
        raise TargetError(
            f"no class names are known, so {name!r} cannot be found; pass classes=[...] or an index"
        )
    wanted = name.strip().casefold()
    for matches in (_whole(wanted, classes), _parts(wanted, classes)):
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise TargetError(f"{len(matches)} classes are called {name!r}: pass one of {matches}")
    lowered = {part: label for label in classes for part in _names(label)}
    near = difflib.get_close_matches(wanted, lowered, n=3, cutoff=0.5)
    labels = list(dict.fromkeys(repr(lowered[part]) for part in near))
    hint = f"did you mean {' or '.join(labels)}?" if labels else f"there are {_some(classes)}"
    raise TargetError(f"no class is called {name!r}; {hint}")


def _whole(wanted: str, classes: Sequence[str]) -> list[int]:
    return [index for index, label in enumerate(classes) if label.casefold() == wanted]


def _parts(wanted: str, classes: Sequence[str]) -> list[int]:
    return [index for index, label in enumerate(classes) if wanted in _names(label)]


def _names(label: str) -> list[str]:
    return [label.casefold(), *(part.strip() for part in label.casefold().split(","))]


def _some(classes: Sequence[str]) -> str:
    more = f" and {len(classes) - 8} more" if len(classes) > 8 else ""
    return ", ".join(classes[:8]) + more
