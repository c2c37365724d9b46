"""Names of methods, as people write them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from xaihelpers.cams.methods import METHODS
from xaihelpers.errors import ExplainError


def method_names(methods: str | Sequence[str]) -> list[str]:
    """Return the names in `METHODS` that are meant; "GradCAM++" is "grad_cam_plus_plus".

    Args:
        methods: one name or several, in any case, with or without "_", "-" and "CAM++".

    Raises:
        ExplainError: a name is unknown, or none is given.

    Example:
        >>> method_names(["GradCAM++", "hirescam"])
        ['grad_cam_plus_plus', 'hires_cam']
    """
    known = {_plain(name): name for name in METHODS}
    names = []
    for method in [methods] if isinstance(methods, str) else methods:
        name = method if method in METHODS else known.get(_plain(method))
        if name is None:
            near = difflib.get_close_matches(method, METHODS, n=1, cutoff=0) or list(METHODS)
            raise ExplainError(
                f"unknown method {method!r}; did you mean {near[0]!r}? Known: {', '.join(METHODS)}"
            )
        names.append(name)
    if not names:
        raise ExplainError("nothing to do: name at least one method")
    return list(dict.fromkeys(names))


def _plain(name: str) -> str:
    """Letters and digits only, "++" and a final "pp" spelled out."""
    spelled = re.sub(r"(\+\+|pp)$", "plusplus", name.lower())
    return re.sub(r"[^a-z0-9]", "", spelled)
