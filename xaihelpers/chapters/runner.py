"""Run the chapters: several at a time, resumable, each output whole or not there.

Every chapter runs in a kernel of its own. What a chapter depends on is kept as a digest beside its
output, so that a later run does only what is missing or has changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nbformat

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import outputs, times
from xaihelpers.chapters.execution import Executed, execute
from xaihelpers.errors import RunnerError
from xaihelpers.processes import Job, Results, deal_out

PROFILES = ("quick", "full", "gpu")
Deal = Callable[[Mapping[str, Job]], Results]


@dataclass(frozen=True)
class Outcome:
    """What became of a chapter: "done", "kept" (nothing had changed), "failed" or "stopped"."""

    chapter: str
    status: str
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Task:
    """A chapter to execute, and the file that its run becomes.

    Attributes:
        chapter: the notebook.
        output: where the executed notebook is written; the chapter itself to store it in place.
        parameters: values of names in the cell tagged `parameters`.
        key: digest of what the run depends on; "" to execute the chapter in any case.
    """

    chapter: Path
    output: Path
    parameters: Mapping[str, object]
    key: str = ""

    @property
    def stamp(self) -> Path:
        """The file beside the output that says what it rests on."""
        return self.output.with_name(f"{self.chapter.stem}.stamp.json")

    @property
    def is_current(self) -> bool:
        """Whether the output is there and rests on what is there now."""
        if not self.key or not self.output.exists() or not self.stamp.exists():
            return False
        return bool(json.loads(self.stamp.read_text(encoding="utf-8"))["key"] == self.key)

    def job(self) -> Job:
        """The execution, for a process."""
        seconds = times.machine(chapters.read(self.chapter))
        return Job(partial(execute, self.chapter, dict(self.parameters)), seconds)

    def write(self, executed: Executed) -> None:
        """Write the output and its stamp, or `*.failed.ipynb` beside a chapter that failed.

        Raises:
            StorageError: the folder cannot be written.
        """
        in_place = self.output == self.chapter
        failed = self.output.with_name(f"{self.output.stem}.failed.ipynb")
        if not in_place:
            self.stamp.unlink(missing_ok=True)
            for left in self.output.parent.glob(f".{self.output.name}.*"):  # by a killed run
                left.unlink(missing_ok=True)
        if executed.error or executed.notebook is None:
            if executed.notebook is not None and not in_place:
                _write(executed.notebook, failed)
            return
        if in_place:
            outputs.keep_alike(executed.notebook, chapters.read(self.chapter))
        _write(executed.notebook, self.output)
        failed.unlink(missing_ok=True)
        if self.key:
            content = {"key": self.key, "parameters": dict(self.parameters)}
            with files.atomic_path(self.stamp) as partial_file:
                partial_file.write_text(json.dumps(content, indent=1), encoding="utf-8")


def _write(notebook: nbformat.NotebookNode, path: Path) -> None:
    with files.atomic_path(path) as partial_file:
        nbformat.write(notebook, partial_file)


class Run:
    """The chapters of one run: which must be executed, and what has become of them.

    Attributes:
        tasks: the chapters by the name that their outcome is told by.
        jobs: the executions that are not done.
    """

    def __init__(self, tasks: Mapping[str, Task]) -> None:
        self.tasks = tasks
        current = [name for name, task in tasks.items() if task.is_current]
        self._outcomes = {name: Outcome(name, "kept", 0.0) for name in current}
        self.jobs = {name: task.job() for name, task in tasks.items() if name not in current}

    def take(self, name: str, executed: Executed) -> None:
        """Write what a job gave, and note its outcome."""
        error = executed.error
        try:
            self.tasks[name].write(executed)
        except OSError as problem:  # a full disk is the failure of this chapter
            error = str(problem)
        status = "failed" if error else "done"
        self._outcomes[name] = Outcome(name, status, executed.seconds, error)

    def outcomes(self) -> list[Outcome]:
        """One for each chapter; those that never came to an end are "stopped"."""
        return [self._outcomes.get(name, Outcome(name, "stopped", 0.0)) for name in self.tasks]

    def execute(self, deal: Deal = deal_out) -> list[Outcome]:
        """Do all jobs; a chapter that fails does not stop the others.

        On Ctrl-C what is running is ended, what is finished stays, and the rest is "stopped".

        Args:
            deal: runs the jobs and yields each with its result.
        """
        with suppress(KeyboardInterrupt), closing(deal(self.jobs)) as results:
            for name, executed in results:
                self.take(name, executed)
        return self.outcomes()


def summary(outcomes: Sequence[Outcome]) -> str:
    """One table in Markdown, errors below it."""
    width = max((len(outcome.chapter) for outcome in outcomes), default=len("chapter"))
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


def report(outcomes: Sequence[Outcome], folder: Path) -> None:
    """Print the table of a run, and write it to `summary.md` in `folder`."""
    table = summary(outcomes)
    with files.atomic_path(folder / "summary.md") as partial_file:
        partial_file.write_text(table + "\n", encoding="utf-8")
    print(table)


def results_folder(data_root: str = "") -> Path:
    """Where results go: `results/`, or `results/real/` for real data."""
    return files.results_dir().resolve() / ("real" if data_root else "")


def plan(
    profile: str = "quick",
    seed: int = 0,
    data_root: str = "",
    only: Sequence[str] | None = None,
    notebooks: Path | None = None,
) -> Run:
    """The chapters as a run into `results/chapters/`, or `results/real/chapters/` for real data.

    Args:
        profile: "quick", "full" or "gpu".
        seed: of every draw.
        data_root: folder of the real data, "" for rendered data.
        only: chapter numbers or names; all by default.
        notebooks: the folder of the chapters; None for the clone's.

    Raises:
        RunnerError: unknown profile, chapter or parameter, or no such data folder.
    """
    if profile not in PROFILES:
        raise RunnerError(f"unknown profile {profile!r}; choose one of {', '.join(PROFILES)}")
    if data_root and not Path(data_root).is_dir():
        raise RunnerError(f"there is no folder {data_root}; DATA_ROOT must hold the real data")
    results = results_folder(data_root)
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
    environment = chapters.environment_digest()
    return Run(
        {
            chapter.stem: Task(
                chapter,
                folder / chapter.name,
                parameters,
                chapters.key(chapter, parameters, environment),
            )
            for chapter in chosen
        }
    )


def run(
    profile: str = "quick",
    seed: int = 0,
    data_root: str = "",
    only: Sequence[str] | None = None,
    workers: int | None = None,
    notebooks: Path | None = None,
) -> int:
    """Execute the chapters, print a summary; 0 if none failed.

    Args:
        profile, seed, data_root, only, notebooks: as `plan`.
        workers: how many at a time; None for one per core.

    Raises:
        RunnerError: as `plan`.
        KeyboardInterrupt: stopped; finished chapters stay and are not run again.
    """
    planned = plan(profile, seed, data_root, only, notebooks)
    outcomes = planned.execute(partial(deal_out, workers=workers))
    report(outcomes, results_folder(data_root) / "chapters")
    return finish(outcomes)


def store(
    names: Sequence[str] | None = None,
    workers: int | None = None,
    notebooks: Path | None = None,
) -> int:
    """Execute the committed chapters in place; a chapter that fails stays as it was.

    A picture that looks like the stored one is not replaced: see `outputs.keep_alike`.

    Args:
        names: chapter numbers or names; all by default.
        workers: how many at a time; None for one per core.
        notebooks: the folder of the chapters; None for the clone's.
    """
    chosen = chapters.select(notebooks or chapters.notebooks_dir(), names)
    tasks = {chapter.stem: Task(chapter, chapter, {}) for chapter in chosen}
    outcomes = Run(tasks).execute(partial(deal_out, workers=workers))
    print(summary(outcomes))
    return finish(outcomes)
