"""The names that a claim expects of its measures, as patterns such as "{network} last excess".

A placeholder in braces stands for any text. Patterns with the same placeholders belong together:
what one of them finds for a network, the others must have for that network too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from string import Formatter

Binding = tuple[tuple[str, str], ...]  # placeholder and text, in the order of the pattern


def problems(needed: Sequence[str], optional: Sequence[str], given: Iterable[str]) -> list[str]:
    """What is wrong with the names of measures; empty if nothing is.

    Args:
        needed: patterns of the names that must be there.
        optional: patterns of the names that may be there.
        given: the names of the measures.

    Example:
        >>> problems(["{network}: gain", "{network}: price"], [], ["vgg19: gain", "vgg19: prize"])
        ['the measure "vgg19: price" is missing', 'no measure is called "vgg19: prize"']
    """
    given = list(given)
    missing = [f'the measure "{name}" is missing' for name in _missing(needed, given)]
    unknown = [
        f'no measure is called "{name}"'
        for name in given
        if not any(_pattern(pattern).fullmatch(name) for pattern in (*needed, *optional))
    ]
    return missing + unknown


def _missing(needed: Sequence[str], given: Sequence[str]) -> list[str]:
    bindings = {pattern: _bindings(pattern, given) for pattern in needed}
    missing = []
    for pattern, bound in bindings.items():
        alike = [b for other, b in bindings.items() if _fields(other) == _fields(pattern)]
        wanted = set[Binding]().union(*alike)
        absent = [pattern.format(**dict(binding)) for binding in sorted(wanted - bound)]
        missing += absent if wanted else [pattern]
    return missing


def _bindings(pattern: str, given: Iterable[str]) -> set[Binding]:
    matches = [_pattern(pattern).fullmatch(name) for name in given]
    return {tuple(sorted(match.groupdict().items())) for match in matches if match}


def _fields(pattern: str) -> list[str]:
    return sorted(field for _, field, _, _ in Formatter().parse(pattern) if field)


def _pattern(pattern: str) -> re.Pattern[str]:
    parts = [
        re.escape(text) + (f"(?P<{field}>.+?)" if field else "")
        for text, field, _, _ in Formatter().parse(pattern)
    ]
    return re.compile("".join(parts))
