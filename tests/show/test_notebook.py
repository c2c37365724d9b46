"""The chapters' services: seeds, exercise checks, the footer."""

import random
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pytest
import torch

from xaihelpers.show import notebook
from xaihelpers.show.figures import bars, overlay


class Data(SimpleNamespace):
    def __len__(self) -> int:
        return 3


def draws() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: NPY002


def test_setup_repeats_python_numpy_and_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with mpl.rc_context():
        notebook.setup(5)
        first = draws()
        notebook.setup(5)
        assert draws() == first
        notebook.setup(6)
        assert draws() != first


def test_setup_takes_the_threads_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    try:
        with mpl.rc_context():
            monkeypatch.setenv("OMP_NUM_THREADS", "2")
            notebook.setup()
            assert torch.get_num_threads() == 2
            monkeypatch.delenv("OMP_NUM_THREADS")
            notebook.setup()
            assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def undefined() -> bool:
    raise NotImplementedError("write your method here\nand a second line")


@pytest.mark.parametrize(
    ("test", "line"),
    [
        (lambda: True, "CAM: pass"),
        (lambda: torch.tensor(True), "CAM: pass"),
        (lambda: False, "CAM: not yet (the values differ)"),
        (lambda: None, "CAM: not yet (the check returned nothing)"),
        (lambda: torch.ones(2) == 1, "CAM: not yet (the check gave several values; "),
        (undefined, "CAM: not yet (NotImplementedError: write your method here)"),
    ],
)
def test_a_check_says_pass_or_why_not(
    test: object, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    notebook.check("CAM", test)  # type: ignore[arg-type]
    printed = capsys.readouterr().out
    assert printed.startswith(line)
    assert printed.count("\n") == 1


def test_the_footer_names_versions_seed_data_and_checkpoint(
    capsys: pytest.CaptureFixture[str],
) -> None:
    torch.manual_seed(7)
    card = {
        "arch": "vgg19",
        "data": {"name": "fundus", "origin": "rendered", "version": "2"},
        "seed": 1,
        "sha256": "0123456789abcdef",
    }
    data = Data(name="fundus", origin="rendered", split="test", size=224, seed=0)
    notebook.footer(card, data)
    printed = capsys.readouterr().out
    assert f"torch {torch.__version__.split('+')[0]}" in printed
    assert "seed 7" in printed
    assert "checkpoint vgg19 · trained on fundus (rendered, version 2) · seed 1 · " in printed
    assert "sha256 0123456789ab\n" in printed
    assert "data fundus (rendered) · split test · 3 images · 224 px · seed 0\n" in printed


def test_photographs_are_stored_as_jpeg_and_charts_as_png() -> None:
    photograph = overlay(np.zeros((4, 4, 3), dtype=np.uint8), np.ones((4, 4)))
    chart = bars(np.ones(3))
    assert notebook._as_png(photograph) is None
    assert notebook._as_jpeg(photograph)[:2] == b"\xff\xd8"
    assert notebook._as_jpeg(chart) is None
    assert notebook._as_png(chart)[:4] == b"\x89PNG"
