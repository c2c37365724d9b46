"""Run the chapters with papermill: in parallel, resumable, each output whole or not there.

Every chapter runs in a process of its own (`python -m papermill`), started from a thread. What a
chapter depends on is kept as a digest beside its output, so that a later run does only what is
missing or has changed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat
from tqdm.auto import tqdm

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.errors import ChapterError, RunnerError

PROFILES = ("quick", "full", "gpu")
#: glibc keeps freed memory for the next tensor: fresh pages cost a tenth of a chapter's time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**34)}
#: Two kernels that start at once may pick the same free port; the one that dies has run nothing.
NEVER_STARTED, STARTS = "Kernel died before replying to kernel_info", 3
#: Seconds. Seen once in hundreds of chapters: a kernel misses the message that asks for the next
#: cell, and both sides wait for ever. On rendered data a quick cell takes a minute at most.
LONGEST_QUICK_CELL = 1200
NEVER_ANSWERED = "A cell timed out while it was being executed"
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """What became of a chapter: "done", "kept" (nothing had changed), "failed" or "stopped"."""

    chapter: str
    status: str
    seconds: float
    error: str = ""


class Processes:
    """The processes now running, so that all can be stopped at once from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._stopped = False

    def run(self, command: Sequence[str], cwd: Path) -> tuple[int, str]:
        """Run to the end: (exit code, standard error); a `ChapterError` once `stop` was called."""
        with self._lock:
            if self._stopped:
                raise ChapterError("stopped")
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=kernel_environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            self._running.add(process)
        messages = process.communicate()[1]
        with self._lock:
            self._running.discard(process)
            if self._stopped:
                raise ChapterError("stopped")
        return process.returncode, messages

    def stop(self) -> None:
        """Start nothing more and end what runs; papermill then shuts its kernel down."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                process.terminate()


def kernel_environment() -> dict[str, str]:
    """The environment of a chapter: one thread, no progress bars, this installation's kernel.

    Chapters run in another folder than the caller's, so a relative `XAIHELPERS_HOME` is made whole.
    """
    environment = {k: v for k, v in os.environ.items() if k not in ("MPLBACKEND", "JUPYTER_PATH")}
    environment |= dict.fromkeys(ONE_THREAD, "1") | KEEP_MEMORY
    if "XAIHELPERS_HOME" in environment:
        environment["XAIHELPERS_HOME"] = str(files.home())
    return environment | {"TQDM_DISABLE": "1", "JUPYTER_PREFER_ENV_PATH": "1"}


def check_kernel(prefix: Path | None = None) -> None:
    """Raise `RunnerError` unless `python3` is a kernel of this very installation."""
    spec = (prefix or Path(sys.prefix)) / "share/jupyter/kernels/python3/kernel.json"
    program = json.loads(spec.read_text())["argv"][0] if spec.exists() else "missing"
    by_name = program in ("python", "python3", f"python3.{sys.version_info.minor}")
    if not by_name and Path(program).parent != Path(sys.executable).parent:
        raise RunnerError(
            f"the Jupyter kernel of {sys.executable} is {program}; install it with "
            f"'{sys.executable} -m ipykernel install --sys-prefix'"
        )


def execute(
    chapter: Path, output: Path, parameters: Mapping[str, object], processes: Processes
) -> None:
    """Execute a chapter; write `output` when it has succeeded, else `*.failed.ipynb` beside it.

    Raises:
        ChapterError: a cell raised, or the kernel died.
    """
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    command = [sys.executable, "-m", "papermill", str(chapter)]
    options = ["--kernel", "python3", "--language", "python", "--no-progress-bar"]
    if parameters.get("PROFILE") == "quick" and not parameters.get("DATA_ROOT"):
        options += ["--execution-timeout", str(LONGEST_QUICK_CELL)]
    if parameters:
        options += ["--parameters_yaml", json.dumps(dict(parameters))]  # JSON is YAML
    with files.atomic_path(output) as temporary:
        for _ in range(STARTS):
            code, messages = processes.run([*command, str(temporary), *options], chapter.parent)
            if NEVER_STARTED not in messages and NEVER_ANSWERED not in messages:
                break
        if code == 0 or temporary.stat().st_size > 0:
            notebook = chapters.portable(
                chapters.read(temporary), str(parameters.get("DATA_ROOT", ""))
            )
            error = chapters.first_error(notebook)
            nbformat.write(notebook, temporary)
            if code == 0 and not error:
                failed.unlink(missing_ok=True)
                return
            if output != chapter:
                failed.write_bytes(temporary.read_bytes())
            if error:
                raise ChapterError(error)
        lines = messages.strip().splitlines()
        raise ChapterError(lines[-1] if lines else f"papermill ended with code {code}")


def reproduce(
    chapter: Path,
    folder: Path,
    parameters: Mapping[str, object],
    environment: str,
    processes: Processes,
) -> str:
    """Bring `folder/<chapter>` up to date: "done", or "kept" where nothing has changed."""
    output = folder / chapter.name
    stamp = folder / f"{chapter.stem}.stamp.json"
    key = chapters.key(chapter, parameters, environment)
    if output.exists() and stamp.exists() and json.loads(stamp.read_text())["key"] == key:
        return "kept"
    stamp.unlink(missing_ok=True)
    for partial_file in folder.glob(f".{chapter.name}.*"):  # left by a run that was killed
        partial_file.unlink(missing_ok=True)
    execute(chapter, output, parameters, processes)
    with files.atomic_path(stamp) as temporary:
        temporary.write_text(json.dumps({"key": key, "parameters": dict(parameters)}, indent=1))
    return "done"


def timed(name: str, job: Callable[[], str]) -> Outcome:
    """What became of `job`, and how long it took."""
    start = time.monotonic()
    try:
        status, error = job(), ""
    except (ChapterError, OSError, ValueError) as problem:
        status, error = "failed", str(problem)
    return Outcome(name, status, time.monotonic() - start, error)


def run_all(
    jobs: Mapping[str, Callable[[], str]], processes: Processes, workers: int = 2
) -> list[Outcome]:
    """Run every job, `workers` at a time; one that fails does not stop the others.

    On Ctrl-C what is running is stopped, what is finished stays, and the rest is "stopped".
    """
    outcomes: dict[str, Outcome] = {}
    pool = ThreadPoolExecutor(workers)
    try:
        futures = [pool.submit(timed, name, job) for name, job in jobs.items()]
        for future in tqdm(as_completed(futures), "chapters", len(futures), unit="chapter"):
            outcomes[future.result().chapter] = future.result()
    except KeyboardInterrupt:
        processes.stop()
        pool.shutdown(cancel_futures=True)
    return [outcomes.get(name, Outcome(name, "stopped", 0.0)) for name in jobs]


def summary(outcomes: Sequence[Outcome]) -> str:
    """One table in Markdown, errors below it."""
    width = max(len(outcome.chapter) for outcome in outcomes)
    lines = [
        f"| {'chapter':{width}} | status  | seconds |",
        f"|{'-' * (width + 2)}|---------|--------:|",
    ]
    lines += [f"| {o.chapter:{width}} | {o.status:7} | {o.seconds:7.1f} |" for o in outcomes]
    errors = [f"{o.chapter} failed: {o.error}" for o in outcomes if o.error]
    return "\n".join([*lines, *(["", *errors] if errors else [])])


def finish(outcomes: Sequence[Outcome]) -> int:
    """Exit code of a run: 0 if all went well, 1 after a failure; a stopped run raises."""
    if any(outcome.status == "stopped" for outcome in outcomes):
        raise KeyboardInterrupt
    return int(any(outcome.status == "failed" for outcome in outcomes))


def run(
    profile: str = "quick",
    seed: int = 0,
    data_root: str = "",
    only: Sequence[str] | None = None,
    workers: int = 2,
    notebooks: Path | None = None,
) -> int:
    """Execute the chapters into `results/chapters/`, print a summary; 0 if none failed.

    Chapters run on real data lie in `results/real/chapters/`.

    Args:
        profile: "quick", "full" or "gpu". data_root: folder of the real data, "" for rendered.
        only: chapter numbers or names; all by default.

    Raises:
        RunnerError: unknown profile, chapter or parameter, or no such data folder.
        KeyboardInterrupt: stopped; finished chapters stay and are not run again.
    """
    if profile not in PROFILES:
        raise RunnerError(f"unknown profile {profile!r}; choose one of {', '.join(PROFILES)}")
    if data_root and not Path(data_root).is_dir():
        raise RunnerError(f"there is no folder {data_root}; DATA_ROOT must hold the real data")
    check_kernel()
    results = files.results_dir().resolve() / ("real" if data_root else "")
    folder = results / "chapters"
    parameters: dict[str, object] = {
        "PROFILE": profile,
        "SEED": seed,
        "DATA_ROOT": str(Path(data_root).resolve()) if data_root else "",
        "RESULTS": str(results),
    }
    chosen = chapters.select(notebooks or chapters.notebooks_dir(), only)
    for chapter in chosen:
        chapters.refuse_unknown(chapter, parameters)
    environment, processes = chapters.environment_digest(), Processes()
    jobs = {
        chapter.stem: partial(reproduce, chapter, folder, parameters, environment, processes)
        for chapter in chosen
    }
    outcomes = run_all(jobs, processes, workers)
    table = summary(outcomes)
    with files.atomic_path(folder / "summary.md") as temporary:
        temporary.write_text(table + "\n")
    print(table)
    return finish(outcomes)


def store(
    names: Sequence[str] | None = None, workers: int = 2, notebooks: Path | None = None
) -> int:
    """Execute the committed chapters in place; a chapter that fails stays as it was."""
    check_kernel()
    processes = Processes()

    def refresh(chapter: Path) -> str:
        execute(chapter, chapter, {}, processes)
        return "done"

    chosen = chapters.select(notebooks or chapters.notebooks_dir(), names)
    jobs = {chapter.stem: partial(refresh, chapter) for chapter in chosen}
    outcomes = run_all(jobs, processes, workers)
    print(summary(outcomes))
    return finish(outcomes)
