"""Work shared among processes, its results in order."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor

T = TypeVar("T")
SERIAL = 128  # up to so many items, starting processes costs more than it saves


def workers_for(items: int, workers: int | None) -> int:
    """The number asked for, else one per core that this process may use, else 1 for few items."""
    return workers or (1 if items <= SERIAL else joblib.cpu_count())


def in_order(
    function: Callable[[Any], T], items: Sequence[Any], chunk: int, workers: int
) -> Iterator[T]:
    """`function` of each `chunk` of consecutive items, in order, by `workers` processes.

    loky rather than the standard library's spawned pool: it needs no `__main__` guard in the
    caller's script and works from notebooks. The processes end with the last result.
    """
    parts = [items[i : i + chunk] for i in range(0, len(items), chunk)]
    if workers == 1 or len(parts) < 2:
        yield from map(function, parts)
        return
    pool = joblib.Parallel(n_jobs=min(workers, len(parts)), return_as="generator")
    try:
        yield from pool(joblib.delayed(function)(part) for part in parts)
    finally:
        get_reusable_executor().shutdown(wait=True)
