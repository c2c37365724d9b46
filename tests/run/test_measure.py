"""One command for every measurement: its names, its options, its errors."""

import argparse
from importlib import import_module

import pytest

from xaihelpers.experiments.evidence import measure as evidence
from xaihelpers.run import cli
from xaihelpers.run.measure import MEASUREMENTS


def test_help_lists_every_name_with_what_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["measure", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    for name, found in MEASUREMENTS.items():
        assert any(line.split() == [name, *found.about.split()] for line in lines)


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_has_options_and_a_table_to_name(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ".csv" in MEASUREMENTS[name].about
    module = import_module(f"xaihelpers.experiments.{MEASUREMENTS[name].module}")
    assert callable(getattr(module, MEASUREMENTS[name].function))
    with pytest.raises(SystemExit) as ended:
        cli.main(["measure", name, "--help"])
    assert ended.value.code == 0
    assert f"python -m xaihelpers measure {name}" in capsys.readouterr().out


def test_a_wrong_name_raises_an_error_that_suggests_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["measure", "netwroks"]) == 2
    assert "did you mean 'networks'?" in capsys.readouterr().err


def test_options_reach_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[argparse.Namespace] = []
    monkeypatch.setattr(evidence, "measure", asked.append)
    words = ["fundus", "--networks", "vgg19", "--layers", "last", "--profile", "gpu", "--some", "5"]
    assert cli.main(["measure", "evidence", *words]) == 0
    (options,) = asked
    assert (options.setups, options.networks, options.layers) == (["fundus"], ["vgg19"], ["last"])
    assert (options.profile, options.some, options.images) == ("gpu", 5, None)


def test_a_stopped_measurement_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(options: argparse.Namespace) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evidence, "measure", stopped)
    assert cli.main(["measure", "evidence"]) == 130
    assert "run again to resume" in capsys.readouterr().err


def test_an_unknown_option_ends_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["measure", "layers", "--limt", "5"])
    assert "unrecognized arguments: --limt 5" in capsys.readouterr().err
