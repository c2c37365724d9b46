"""Jobs dealt out to processes: who runs when, with how many threads, and that nothing is left."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from xaihelpers import processes
from xaihelpers.errors import RunnerError
from xaihelpers.processes import Job, deal_out


def threads() -> tuple[int, str]:
    return os.getpid(), os.environ["OMP_NUM_THREADS"]


def wait_for_ever(note: Path) -> None:
    note.write_text(str(os.getpid()))
    time.sleep(600)


def note_start(name: str, log: Path) -> str:
    with log.open("a") as file:
        file.write(f"{name}\n")
    time.sleep(0.3)
    return name.upper()


def fail() -> None:
    raise ValueError("no such grade")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def appears(path: Path) -> bool:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.exists()


def test_every_job_gives_its_result_in_a_process_of_one_thread() -> None:
    results = dict(deal_out({name: Job(threads) for name in "abc"}, workers=2))
    assert set(results) == set("abc")
    assert {count for _, count in results.values()} == {"1"}
    assert os.getpid() not in {pid for pid, _ in results.values()}


def test_the_longest_jobs_start_first(tmp_path: Path) -> None:
    log = tmp_path / "log"
    jobs = {name: Job(partial(note_start, name, log), s) for s, name in enumerate("abcd")}
    assert dict(deal_out(jobs, workers=2)) == {"a": "A", "b": "B", "c": "C", "d": "D"}
    started = log.read_text().split()
    assert set(started[:2]) == {"d", "c"}
    assert set(started[2:]) == {"b", "a"}


def test_one_worker_is_this_very_process() -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    assert dict(deal_out({"a": Job(threads), "b": Job(threads)}, workers=1)).keys() == {"a", "b"}
    (only,) = deal_out({"a": Job(threads)}, workers=2)
    assert only[1][0] == os.getpid()


def test_nothing_to_do_is_done_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(deal_out({})) == []
    assert capsys.readouterr().err == ""


def test_an_error_is_raised_and_ends_the_other_jobs(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    jobs = {"long": Job(partial(wait_for_ever, note), 2), "bad": Job(partial(fail_after, note))}
    with pytest.raises(ValueError, match="no such grade"):
        list(deal_out(jobs, workers=2))
    assert not is_alive(int(note.read_text()))


def fail_after(note: Path) -> None:
    appears(note)
    fail()


def test_whoever_stops_listening_ends_the_jobs(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    jobs = {"long": Job(partial(wait_for_ever, note), 2), "short": Job(partial(appears, note))}
    results = deal_out(jobs, workers=2)
    assert next(results) == ("short", True)
    results.close()
    assert not is_alive(int(note.read_text()))


def test_a_process_killed_from_outside_is_said_with_a_remedy() -> None:
    with pytest.raises(RunnerError, match="killed, perhaps for want of memory.*run again"):
        list(deal_out({"a": Job(die), "b": Job(threads)}, workers=2))


def test_the_line_says_what_runs_and_what_is_left() -> None:
    assert processes._state(["a", "b", "c", "d"], 2) == "running a and b, 2 wait"
    assert processes._state(["d"], 2) == "running d"
    assert processes._state([], 2) == "nothing left"


def test_the_line_is_shown_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    jobs = {"fundus vgg19": Job(threads, 3), "05_grad_cam": Job(threads, 1)}
    list(deal_out(jobs, workers=1))
    line = capsys.readouterr().err
    assert "  0 % in 00:00, about ? left, running fundus vgg19, 1 wait" in line
    assert " 75 % in 00:00, about 00:00 left, running 05_grad_cam" in line
