"""A plain `pip install .` is enough to explain a network; what is missing says its pip line."""

import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import xaihelpers
from xaihelpers import extras
from xaihelpers.errors import MissingExtraError, XaiError
from xaihelpers.run import cli

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CORE = {"torch", "numpy", "pillow"}
HEAVY = {"torchvision", "pandas", "matplotlib", "cv2", "ipywidgets", "scipy", "sklearn", "seaborn"}
TOP = "{name.partition('.')[0] for name in sys.modules}"
#: Hides every module that only an extra brings, as in an installation without any.
HIDE = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
"""
EXPLAIN = """
import torch
from xaihelpers import METHODS, explain
net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1),
                          torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
found = explain(net, torch.rand(2, 3, 9, 9), "1", methods=list(METHODS))
print(sorted({tuple(maps.shape) for maps in found.maps.values()}))
"""


def python(code: str) -> str:
    """What a fresh Python prints."""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0].lower() for line in requirements}


def optional_modules() -> set[str]:
    """Top-level modules that only extras bring."""
    brought = set().union(*map(names, PROJECT["optional-dependencies"].values()))
    homes = metadata.packages_distributions().items()
    return {module for module, owners in homes if {o.lower() for o in owners} & brought} - {
        "xaihelpers",
        "sympy",  # a dependency of torch's own
    }


def test_the_core_needs_torch_numpy_and_pillow() -> None:
    assert names(PROJECT["dependencies"]) == CORE
    assert not [line for line in PROJECT["dependencies"] if "<" in line]


def test_importing_the_package_imports_none_of_its_dependencies() -> None:
    loaded = set(python(f"import sys, xaihelpers; print(*{TOP})").split())
    assert not loaded & (HEAVY | {"torch", "numpy", "PIL"})


def test_the_theory_imports_torch_only() -> None:
    code = f"import sys, torch; before = {TOP}; import xaihelpers.cams; print(*{TOP} - before)"
    assert set(python(code).split()) - sys.stdlib_module_names == {"xaihelpers"}


def test_explaining_takes_nothing_that_only_an_extra_brings() -> None:
    hidden = optional_modules()
    assert hidden >= HEAVY
    assert python(HIDE.format(hidden=hidden) + EXPLAIN) == "[(2, 9, 9)]"


def test_the_import_adds_little_to_that_of_torch() -> None:
    code = """
import time, torch
start = time.perf_counter()
from xaihelpers import explain
print(time.perf_counter() - start)"""
    assert min(float(python(code)) for _ in range(3)) < 0.3  # 0.02 on an idle core


def test_every_public_name_is_there_and_others_are_refused() -> None:
    for name in xaihelpers.__all__:
        assert getattr(xaihelpers, name) is not None
    assert xaihelpers.explain is xaihelpers.cams.explain
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        _ = xaihelpers.explian


def test_an_extra_holds_what_the_extras_within_it_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        "torch>=2.4",
        'pandas>=2.2; extra == "study"',
        'xaihelpers[study]; extra == "app"',
        "voila; extra == 'app'",
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    assert list(extras.requirements("app")) == ["pandas", "voila"]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where only the core was installed."""

    def version(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", lambda name: ['pandas>=2.2; extra == "study"'])
    monkeypatch.setattr(metadata, "version", version)
    extras.require.cache_clear()
    yield
    extras.require.cache_clear()


def test_a_missing_extra_is_named_with_its_pip_line(bare: None) -> None:
    with pytest.raises(MissingExtraError, match=r'needs pandas.*pip install "xaihelpers\[study\]"'):
        extras.require("study")
    assert issubclass(MissingExtraError, (XaiError, ImportError))


def test_a_command_without_its_extra_says_so_in_one_line(
    bare: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("xaihelpers.datasets")]:
        monkeypatch.delitem(sys.modules, name)
    assert cli.main(["data", "check", "."]) == 2
    assert capsys.readouterr().err.startswith("error: this part of xaihelpers needs pandas")


def test_another_build_of_a_package_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name != "opencv-python":
            raise metadata.PackageNotFoundError(name)
        return "4.10"

    line = 'opencv-python-headless>=4.10; extra == "study"'
    monkeypatch.setattr(metadata, "requires", lambda name: [line])
    monkeypatch.setattr(metadata, "version", version)
    extras.require.__wrapped__("study")
