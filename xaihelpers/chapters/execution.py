"""One chapter in one fresh kernel, by papermill's own client over sockets of its own."""

from __future__ import annotations

import logging
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NotebookExecutionManager
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.processes import KEEP_MEMORY, ONE_THREAD

#: Seconds. Seen once in hundreds of chapters: a kernel misses the message that asks for the next
#: cell, and both sides wait for ever. On rendered data a quick cell takes a minute at most.
LONGEST_QUICK_CELL = 1200
TRIES = 3  # of a chapter one cell of which never answered
LOG = logging.getLogger(__name__)
LOG.addHandler(logging.NullHandler())  # what went wrong is told once, by the error
START, OUTPUT = 300, 60  # seconds to wait for a kernel's start and for the last output of a cell


@dataclass(frozen=True)
class Executed:
    """What became of a chapter.

    Attributes:
        notebook: with its outputs as far as it came, without traces of this machine; None if it
            was lost with the process that ran it.
        error: in one line, "" if the chapter ran to its end.
        seconds: how long it took.
    """

    notebook: NotebookNode | None
    error: str
    seconds: float


def kernel_environment() -> dict[str, str]:
    """The environment of a kernel: one thread, no progress bars.

    Chapters run in another folder than the caller's, so a relative `XAIHELPERS_HOME` is made whole.
    """
    environment = {k: v for k, v in os.environ.items() if k != "MPLBACKEND"}
    environment |= ONE_THREAD | KEEP_MEMORY | {"TQDM_DISABLE": "1"}
    if "XAIHELPERS_HOME" in environment:
        environment["XAIHELPERS_HOME"] = str(files.home())
    return environment


def execute(chapter: Path, parameters: Mapping[str, object]) -> Executed:
    """Run a chapter from top to bottom, in a kernel of this installation.

    A quick run on rendered data of which one cell never answers is ended and tried again.

    Args:
        chapter: the notebook; its folder is where it runs. It is not changed.
        parameters: values of names in the cell tagged `parameters`.

    Raises:
        RunnerError: the file is not a notebook.
    """
    start = time.monotonic()
    quick = parameters.get("PROFILE") == "quick" and not parameters.get("DATA_ROOT")
    limit = LONGEST_QUICK_CELL if quick else None
    for _ in range(TRIES):
        notebook, error = _parameterized(chapter, parameters), ""
        try:
            _run(notebook, chapter.parent, limit)
        except CellTimeoutError as problem:
            error = _first_line(problem)
            continue
        except (DeadKernelError, RuntimeError) as problem:  # it died at work, or at its start
            error = _first_line(problem)
        break
    notebook = chapters.portable(notebook, str(parameters.get("DATA_ROOT", "")))
    return Executed(notebook, error or chapters.first_error(notebook), time.monotonic() - start)


def _first_line(problem: Exception) -> str:
    lines = str(problem).strip().splitlines()
    return lines[0] if lines else type(problem).__name__


def _parameterized(chapter: Path, parameters: Mapping[str, object]) -> NotebookNode:
    chapters.read(chapter)  # said in our words if it is no notebook
    notebook = load_notebook_node(str(chapter))
    if not parameters:
        return notebook
    return parameterize_notebook(
        notebook, dict(parameters), kernel_name="python3", language="python"
    )


def _run(notebook: NotebookNode, folder: Path, limit: int | None) -> None:
    """Execute the cells in place, up to the first that raises.

    The kernel talks over Unix sockets in a folder of its own: there is no port that another
    process could take. An empty list of kernel folders means the kernel of this interpreter.
    """
    with tempfile.TemporaryDirectory(prefix="kernel-") as sockets:
        kernel = AsyncKernelManager(
            kernel_name="python3",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
            transport="ipc" if os.name == "posix" else "tcp",
            connection_file=str(Path(sockets) / "kernel.json"),
        )
        manager = NotebookExecutionManager(notebook, progress_bar=False)
        manager.notebook_start()
        client = PapermillNotebookClient(
            manager,
            km=kernel,
            kernel_name="python3",
            timeout=limit,
            startup_timeout=START,
            iopub_timeout=OUTPUT,
            log=LOG,
        )
        client.execute(
            env=kernel_environment(),
            cwd=str(folder),
            stdout=subprocess.DEVNULL,  # what cells print comes over the sockets
            stderr=subprocess.DEVNULL,
            cleanup_kc=True,
        )
