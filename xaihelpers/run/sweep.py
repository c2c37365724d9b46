"""A chapter under many parameters: `python -m xaihelpers sweep 14_aptos --seed 0..4`.

Every run has a folder of its own below `results/sweeps/<chapter>/`, which is its `RESULTS`; a run
that is finished there and up to date is kept. On a cluster (`--engine dask`) the clone must lie at
the same path on every worker, as on a shared file system.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.chapters import runner
from xaihelpers.chapters.execution import Executed
from xaihelpers.chapters.runner import Run, Task
from xaihelpers.errors import RunnerError
from xaihelpers.experiments import LEDGER
from xaihelpers.processes import Job, Results, deal_out

ENGINES = ("local", "dask")
SPAN = re.compile(r"(-?\d+)\.\.(-?\d+)")


def values(text: str) -> list[Any]:
    """The values of an option: "0..4" is five integers, "vgg19,resnet50" two words, "0.5" a number.

    Args:
        text: as it stands on the command line.

    Raises:
        RunnerError: an empty span or value.
    """
    given: list[Any] = []
    for part in text.split(","):
        span = SPAN.fullmatch(part)
        if span and int(span[1]) <= int(span[2]):
            given += range(int(span[1]), int(span[2]) + 1)
        elif span or not part:
            raise RunnerError(f"{text!r} has an empty part; write 0..4, or values with commas")
        else:
            given.append(int(part) if re.fullmatch(r"-?\d+", part) else _number(part))
    return given


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def read_options(rest: Sequence[str]) -> dict[str, list[Any]]:
    """["--seed", "0..1", "--data-root", "d"] -> {"SEED": [0, 1], "DATA_ROOT": ["d"]}.

    Args:
        rest: what stands on the command line after the chapter.

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


def on_dask(jobs: Mapping[str, Job], scheduler: str, workers: int) -> Results:
    """Run every job on a dask cluster; the jobs of a worker that dies are given to another.

    Args:
        jobs: the work by name.
        scheduler: address of a cluster's scheduler; "" makes a cluster on this machine.
        workers: the number of processes of a cluster made here.

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
    try:
        futures = {name: client.submit(job.call, pure=False) for name, job in jobs.items()}
        for name, future in futures.items():
            try:
                yield name, future.result()
            except KilledWorker as error:
                yield name, Executed(None, str(error), 0.0)
    finally:
        client.close()
        if not scheduler:
            cluster.close()


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
        name: number or name of the chapter.
        rest: options of the command line, see `read_options`.
        engine: "local", or "dask" for a cluster.
        scheduler: address of a dask scheduler, "" for a cluster on this machine.
        workers: how many runs at a time here.
        notebooks: the folder of the chapters; None for the clone's.

    Raises:
        RunnerError: unknown chapter, parameter, engine or scheduler, or two runs of one name.
        KeyboardInterrupt: stopped; finished runs stay and are not done again.
    """
    if engine not in ENGINES:
        raise RunnerError(f"unknown engine {engine!r}; choose one of {', '.join(ENGINES)}")
    (chapter,) = chapters.select(notebooks or chapters.notebooks_dir(), [name])
    options = read_options(rest)
    chapters.refuse_unknown(chapter, options)
    folder = files.results_dir().resolve() / "sweeps" / chapter.stem
    environment, combinations = chapters.environment_digest(), grid(options)
    tasks = {}
    for parameters in combinations:
        place = folder / label(parameters)
        given = parameters | {"RESULTS": str(place)}
        if "DATA_ROOT" in given:  # chapters run in another folder
            given["DATA_ROOT"] = str(Path(str(given["DATA_ROOT"])).resolve())
        key = chapters.key(chapter, given, environment)
        tasks[place.name] = Task(chapter, place / chapter.name, given, key)
    if len(tasks) < len(combinations):
        raise RunnerError("two runs would share a folder: give each value once (/ counts as _)")
    on_cluster = partial(on_dask, scheduler=scheduler, workers=workers)
    here = partial(deal_out, workers=workers)
    outcomes = Run(tasks).execute(on_cluster if engine == "dask" else here)
    table = pd.DataFrame(
        [
            parameters
            | {"status": outcome.status, "seconds": round(outcome.seconds, 1)}
            | verdicts(folder / outcome.chapter)
            for parameters, outcome in zip(combinations, outcomes, strict=True)
        ]
    )
    files.save_table(table, folder / "sweep.csv")
    print(runner.summary(outcomes))
    return runner.finish(outcomes)


def verdicts(folder: Path) -> dict[str, str]:
    """The verdict of every claim that a run settled: {"C1": "confirmed"}."""
    return {record.claim.id: record.verdict for record in LEDGER.read(folder).values()}
