"""From a class's name to its index; a wrong name is refused with the nearest ones."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from xaihelpers.errors import TargetError


def class_index(name: str, classes: Sequence[str]) -> int:
    """The index of a class by its name; case and underscores do not matter.

    Args:
        name: such as "tabby" or "Egyptian_cat".
        classes: the names of all classes, in the order of the logits.

    Returns:
        An index into `classes`.

    Raises:
        TargetError: no class, or several classes, have that name; the message suggests names.

    Example:
        >>> class_index("Tabby", ["dog", "tabby"])
        1
    """
    plain = [_plain(known) for known in classes]
    places = [place for place, known in enumerate(plain) if known == _plain(name)]
    if len(places) == 1:
        return places[0]
    if places:
        raise TargetError(f"{len(places)} classes are named {name!r}; choose an index of {places}")
    within = [known for known in plain if _plain(name) and _plain(name) in known.split()]
    near = dict.fromkeys([*get_close_matches(_plain(name), plain, n=3, cutoff=0.5), *within])
    shown = [repr(classes[plain.index(known)]) for known in list(near)[:4]]
    hint = f"did you mean {' or '.join(shown)}?" if shown else "no class has a name like it."
    raise TargetError(f"unknown class {name!r} among {len(classes)} classes; {hint}")


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())
