"""Promises of the repository as a whole: pins, commands, staircase, style."""

import json
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = [re.match(r"([\w.-]+)==(\S+)\s+# \S", line) for line in lines if line[:1].isalpha()]
    assert all(found), "every pin is name==version and says what it is for"
    return {match[1].lower(): match[2] for match in found if match}


def test_environment_yml_repeats_the_pins_and_explains_each() -> None:
    text = (ROOT / "environment.yml").read_text()
    lines = text.split("- pip:")[1].strip().splitlines()
    listed = [re.match(r" *- ([\w.-]+==\S+|--editable \.) +# \S", line) for line in lines]
    assert all(listed), "every line says what it is for"
    repeated = {match[1].lower() for match in listed if match} - {"--editable ."}
    assert repeated == {f"{name}=={pin}" for name, pin in pins().items()}


def test_every_range_of_the_package_admits_its_pin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    ranges = [*project["dependencies"], *sum(project["optional-dependencies"].values(), [])]
    for requirement in map(Requirement, ranges):
        if requirement.name == "xaihelpers":  # an extra within an extra
            continue
        pin = pins()[requirement.name.lower()]
        assert requirement.specifier.contains(pin), f"{requirement} does not admit {pin}"


def test_the_environment_holds_the_pinned_versions() -> None:
    assert {n: version(n).split("+")[0] for n in pins()} == pins()


def test_every_make_target_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"\bmake ([a-z]+)", (ROOT / "README.md").read_text()))
    assert {"reproduce", "test", "lab"} <= named <= targets


def test_bare_make_lists_every_target() -> None:
    shown = subprocess.run(["make", "-C", ROOT], capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)
    assert {"setup", "check", "test", "reproduce", "lab", "lint"} <= set(targets)
    for target in set(targets) - {"help"}:
        assert re.search(rf"make {target} +\w", shown), target


def test_every_target_sets_up_what_it_needs() -> None:
    rules = re.findall(r"^([a-z]+):(.*?)(?:##|$)", (ROOT / "Makefile").read_text(), re.M)
    bare = {name for name, needs in rules if not needs.split()}
    assert bare == {"help", "clean"}


def test_the_gate_runs_the_readmes_test_command() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
    assert "make test" in (ROOT / "README.md").read_text()


def test_the_places_that_build_the_project_use_its_own_set_up() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert container["postCreateCommand"] == "make setup"
    assert "RUN make setup" in (ROOT / "Dockerfile").read_text().splitlines()
    binder = ROOT / ".binder"
    assert (binder / "environment.yml").resolve() == ROOT / "environment.yml"
    subprocess.run(["bash", "-n", binder / "postBuild"], check=True)


@pytest.mark.parametrize(
    "command", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"], ["lint-imports"]]
)
def test_style_types_and_staircase_hold(command: list[str]) -> None:
    done = subprocess.run(
        [BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_where_is_leads_to_what_exists() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.split("## Where is ...?")[1].split("\n## ")[0]
    places = re.findall(r"`(xaihelpers/[\w/.]+)`", table)
    assert len(places) >= 10
    assert [place for place in places if not (ROOT / place).exists()] == []


def test_the_staircase_is_told_as_it_is_checked() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (staircase,) = (c for c in contract["contracts"] if c["type"] == "layers")
    steps = [step.replace("xaihelpers.", "") for step in reversed(staircase["layers"])]
    told = re.search(r"^    (errors <- .*)$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert told
    assert [set(step.split(" | ")) for step in told[1].split(" <- ")] == [
        set(step.split(" | ")) for step in steps
    ]
