"""A chapter under many parameters: `python -m xaihelpers sweep 14_aptos --seed 0..4`.

Every run has a folder of its own below `results/sweeps/<chapter>/`, which is its `RESULTS`; a run
that is finished there and up to date is kept. On a cluster (`--engine dask`) the clone must lie at
the same path on every worker, as on a shared file system.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.chapters.runner import Outcome, Processes
from xaihelpers.errors import RunnerError
from xaihelpers.experiments import LEDGER

ENGINES = ("local", "dask")
SPAN = re.compile(r"(-?\d+)\.\.(-?\d+)")


def values(text: str) -> list[Any]:
    """What an option asks for: "0..4" five integers, "vgg19,resnet50" two words, "0.5" a number.

    Raises:
        RunnerError: an empty span or value.
    """
    found: list[Any] = []
    for part in text.split(","):
        span = SPAN.fullmatch(part)
        if span and int(span[1]) <= int(span[2]):
            found += range(int(span[1]), int(span[2]) + 1)
        elif span or not part:
            raise RunnerError(f"{text!r} has an empty part; write 0..4, or values with commas")
        else:
            found.append(int(part) if re.fullmatch(r"-?\d+", part) else _number(part))
    return found


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def read_options(rest: Sequence[str]) -> dict[str, list[Any]]:
    """["--seed", "0..1", "--data-root", "d"] -> {"SEED": [0, 1], "DATA_ROOT": ["d"]}.

    Raises:
        RunnerError: something that is not a list of options with one value each.
    """
    if not rest or len(rest) % 2 or not all(name.startswith("--") for name in rest[::2]):
        raise RunnerError(
            "a sweep needs the chapter's parameters with their values, for example "
            f"--seed 0..4 --network vgg19,efficientnet_b0; got {' '.join(rest) or 'none'}"
        )
    names = [name[2:].replace("-", "_").upper() for name in rest[::2]]
    return dict(zip(names, map(values, rest[1::2]), strict=True))


def grid(options: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Every combination, the last option changing fastest."""
    return [
        dict(zip(options, combination, strict=True))
        for combination in itertools.product(*options.values())
    ]


def label(parameters: Mapping[str, Any]) -> str:
    """ "seed=0,network=vgg19": the name of a run and of its folder."""
    text = ",".join(f"{name.lower()}={value}" for name, value in parameters.items())
    return re.sub(r"[^\w=,.+-]", "_", text)


def _execute(
    chapter: Path,
    folder: Path,
    parameters: dict[str, Any],
    environment: str,
    processes: Processes | None = None,
) -> str:
    """`runner.reproduce`; what it starts cannot be sent to a worker, so it makes its own there."""
    return runner.reproduce(chapter, folder, parameters, environment, processes or Processes())


def on_dask(jobs: Mapping[str, Callable[[], str]], scheduler: str, workers: int) -> list[Outcome]:
    """Run every job on a dask cluster: at `scheduler`, or on one made here of `workers` processes.

    The jobs of a worker that dies are given to another.

    Raises:
        RunnerError: dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client, KilledWorker, LocalCluster
    except ImportError as error:
        raise RunnerError("--engine dask needs: pip install 'xaihelpers[cluster]'") from error
    if scheduler:
        try:
            client = Client(scheduler, timeout="10s")
        except (OSError, ValueError) as error:
            raise RunnerError(f"no dask scheduler answers at {scheduler}: {error}") from error
    else:
        cluster = LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
        client = Client(cluster)
    outcomes = []
    try:
        futures = {
            name: client.submit(runner.timed, name, job, pure=False) for name, job in jobs.items()
        }
        for name, future in futures.items():
            try:
                outcomes.append(future.result())
            except KilledWorker as error:
                outcomes.append(Outcome(name, "failed", 0.0, str(error)))
    finally:
        client.close()
        if not scheduler:
            cluster.close()
    return outcomes


def run(
    name: str,
    rest: Sequence[str],
    engine: str = "local",
    scheduler: str = "",
    workers: int = 2,
    notebooks: Path | None = None,
) -> int:
    """Run a chapter once for every combination of the options; 0 if no run failed.

    Writes each run's notebook, and `sweep.csv` with the parameters, the outcome and what each claim
    came to in every run.

    Args:
        rest: options of the command line, see `read_options`. scheduler: address of a dask
            scheduler, "" for a cluster on this machine. workers: how many runs at a time here.

    Raises:
        RunnerError: unknown chapter, parameter, engine or scheduler, or two runs of one name.
        KeyboardInterrupt: stopped; finished runs stay and are not done again.
    """
    if engine not in ENGINES:
        raise RunnerError(f"unknown engine {engine!r}; choose one of {', '.join(ENGINES)}")
    (chapter,) = chapters.select(notebooks or chapters.notebooks_dir(), [name])
    runner.check_kernel()
    options = read_options(rest)
    chapters.refuse_unknown(chapter, options)
    folder = files.results_dir().resolve() / "sweeps" / chapter.stem
    environment, runs = chapters.environment_digest(), grid(options)
    jobs = {}
    for parameters in runs:
        place = folder / label(parameters)
        given = parameters | {"RESULTS": str(place)}
        if "DATA_ROOT" in given:  # chapters run in another folder
            given["DATA_ROOT"] = str(Path(str(given["DATA_ROOT"])).resolve())
        jobs[place.name] = partial(_execute, chapter, place, given, environment)
    if len(jobs) < len(runs):
        raise RunnerError("two runs would share a folder: give each value once (/ counts as _)")
    if engine == "dask":
        outcomes = on_dask(jobs, scheduler, workers)
    else:
        processes = Processes()
        here = {name: partial(job, processes=processes) for name, job in jobs.items()}
        outcomes = runner.run_all(here, processes, workers)
    table = pd.DataFrame(
        [
            parameters
            | {"status": outcome.status, "seconds": round(outcome.seconds, 1)}
            | verdicts(folder / outcome.chapter)
            for parameters, outcome in zip(runs, outcomes, strict=True)
        ]
    )
    with files.atomic_path(folder / "sweep.csv") as partial_file:
        table.to_csv(partial_file, index=False)
    print(runner.summary(outcomes))
    return runner.finish(outcomes)


def verdicts(folder: Path) -> dict[str, str]:
    """The verdict of every claim that a run settled: {"C1": "confirmed"}."""
    return {record.claim.id: record.verdict for record in LEDGER.read(folder).values()}
