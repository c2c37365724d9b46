"""Jobs dealt out to processes of one thread each, with one line that says what runs.

One thread each, because two threads that share a busy core spin while they wait for each other:
beside one foreign process, a run of two-thread processes takes four times as long as alone.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any

import joblib
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError
from tqdm.auto import tqdm

from xaihelpers.errors import RunnerError

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"
)
#: glibc keeps freed memory for the next tensor: fresh pages cost a tenth of a chapter's time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**34)}


Results = Generator[tuple[str, Any], None, None]


@dataclass(frozen=True)
class Job:
    """Work for one process.

    Attributes:
        call: does the work; it and what it returns must be picklable.
        seconds: how long it takes, roughly. Long jobs start first.
    """

    call: Callable[[], Any]
    seconds: float = 1.0


def cores() -> int:
    """How many cores this process may use."""
    return int(joblib.cpu_count())


def deal_out(jobs: Mapping[str, Job], workers: int | None = None) -> Results:
    """Run every job in one of several processes; yield its name and result when it is done.

    The longest jobs start first. A line on standard error says which jobs run and what is left.
    On Ctrl-C, on an error, and when the iterator is closed, the processes and everything that
    they have started are ended.

    Args:
        jobs: the work by name.
        workers: the number of processes; None for one per core. One worker, or one job, means
            this very process.

    Raises:
        RunnerError: a process was killed from outside, for example for want of memory.
        Exception: whatever a job raises.
    """
    names = sorted(jobs, key=lambda name: -jobs[name].seconds)
    count = min(workers or cores(), len(names))
    results = _here(jobs, names) if count < 2 else _in_processes(jobs, names, count)
    left = dict.fromkeys(names)
    total = sum(job.seconds for job in jobs.values())
    layout = "{percentage:3.0f} % in {elapsed}, about {remaining} left{postfix}"
    with tqdm(total=total, bar_format=layout, disable=not jobs) as line:
        line.set_postfix_str(_state(list(left), count))
        try:
            for name, result in results:
                del left[name]
                line.n += jobs[name].seconds
                line.set_postfix_str(_state(list(left), count))
                yield name, result
        finally:
            results.close()


def _state(left: Sequence[str], count: int) -> str:
    """What runs now (the first of those left, for jobs start in order), and how many wait."""
    if not left:
        return "nothing left"
    waiting = len(left) - count
    return f"running {' and '.join(left[:count])}" + (f", {waiting} wait" if waiting > 0 else "")


def _here(jobs: Mapping[str, Job], names: Sequence[str]) -> Results:
    yield from ((name, jobs[name].call()) for name in names)


def _in_processes(jobs: Mapping[str, Job], names: Sequence[str], count: int) -> Results:
    pool = ProcessPoolExecutor(count, env=ONE_THREAD | KEEP_MEMORY, initializer=_leave_ctrl_c)
    futures = {pool.submit(jobs[name].call): name for name in names}
    done = False
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
        done = True
    except TerminatedWorkerError as error:
        raise RunnerError(
            "a process was killed, perhaps for want of memory; what is finished stays: free some "
            "memory and run again"
        ) from error
    finally:
        pool.shutdown(wait=True, kill_workers=not done)


def _leave_ctrl_c() -> None:
    """Ignore Ctrl-C in a worker: the process that deals out the jobs ends it.

    A handler rather than `SIG_IGN`, which the worker's own children would inherit.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
