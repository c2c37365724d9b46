"""The command line: what is called with what, exit codes, errors in one line."""

import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

from xaihelpers import files
from xaihelpers.chapters import files as chapters
from xaihelpers.run import cli


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, **functions: object) -> None:
    """Replace a lazily imported module, in `sys.modules` and on its package."""
    package, _, name = module.rpartition(".")
    fake = ModuleType(module)
    vars(fake).update(functions)
    monkeypatch.setitem(sys.modules, module, fake)
    monkeypatch.setattr(import_module(package), name, fake, raising=False)


def test_help_names_every_command_without_importing_torch() -> None:
    script = (
        "import sys\nfrom xaihelpers.run import cli\n"
        "try:\n    cli.main(['--help'])\nfinally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for command in ("data", "train", "reproduce", "notebooks", "measure"):
        assert command in done.stdout


def test_reproduce_hands_over_profile_seed_data_root_and_chapters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = []
    stand_in(monkeypatch, "xaihelpers.run.main_job", run=lambda *given: calls.append(given) or 0)
    assert cli.main(["reproduce"]) == 0
    options = ["--profile", "full", "--seed", "4", "--data-root", "d", "--skip-bad"]
    assert cli.main(["reproduce", *options, "--only", "00", "14"]) == 0
    assert calls == [("quick", 0, "", None, False), ("full", 4, "d", ["00", "14"], True)]


def test_train_hands_over_study_and_arch(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    stand_in(monkeypatch, "xaihelpers.run.train", run=lambda *given: calls.append(given) or 3)
    assert cli.main(["train", "fundus", "vgg19", "--seed", "2"]) == 3
    assert cli.main(["train"]) == 3
    assert calls == [
        ("fundus", "vgg19", 2, "", "quick", False),
        (None, None, 0, "", "quick", False),
    ]


def test_an_option_that_a_command_does_not_use_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["claims", "--skip-bad"])
    assert "unrecognized arguments: --skip-bad" in capsys.readouterr().err


def test_notebooks_and_data_commands_reach_their_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    note = lambda *given: calls.append(given) or 0  # noqa: E731
    stand_in(monkeypatch, "xaihelpers.chapters.runner", store=note)
    import xaihelpers.datasets  # noqa: F401 - the package that the stand-ins are set on

    stand_in(monkeypatch, "xaihelpers.datasets.real.check", check_command=note)
    stand_in(monkeypatch, "xaihelpers.datasets.real.download", get_command=note)
    assert cli.main(["notebooks", "03"]) == 0
    assert cli.main(["data", "check", "folder"]) == 0
    assert cli.main(["data", "get", "aptos"]) == 0
    assert cli.main(["data", "get", "aptos", "--from", "disk"]) == 0
    assert calls == [(["03"],), ("folder",), ("aptos", ""), ("aptos", "disk")]


def test_rendering_goes_through_all_splits_at_the_size_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from xaihelpers import datasets

    class Empty:
        size = 96

        def __len__(self) -> int:
            return 0

    calls = []
    monkeypatch.setattr(datasets, "load", lambda *a, **k: calls.append((a, k)) or Empty())
    assert cli.main(["data", "render", "--size", "96"]) == 0
    assert [(a[0], k["split"], k["size"]) for a, k in calls] == [
        (name, split, 96)
        for name in ("fundus", "chest_xray", "scenes")
        for split in ("train", "val", "test")
    ]
    assert capsys.readouterr().out.count("\n") == 9


@pytest.mark.parametrize(
    "error", [files.StorageError("disk is full"), chapters.RunnerError("no such chapter")]
)
def test_an_error_of_ours_is_one_line_and_exit_code_2(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> int:
        raise error

    stand_in(monkeypatch, "xaihelpers.run.main_job", run=fail)
    assert cli.main(["reproduce"]) == 2
    assert capsys.readouterr().err == f"error: {error}\n"


def test_an_unknown_set_is_answered_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["data", "get", "imagenet"]) != 0
    assert "imagenet_sample" in capsys.readouterr().err


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "xaihelpers.run.main_job", run=lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["reproduce"])


def test_ctrl_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    stand_in(monkeypatch, "xaihelpers.run.main_job", run=stop)
    assert cli.main(["reproduce"]) == 130
    assert capsys.readouterr().err == "stopped; run again to resume\n"


@pytest.mark.parametrize(
    "words", [[], ["data"], ["data", "get"], ["reproduce", "--profile", "fast"]]
)
def test_a_command_line_that_makes_no_sense_ends_with_usage(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err
