"""What holds for every test: one thread, a fixed seed, no way out to the network, who runs when."""

import os
from pathlib import Path

import pytest
import torch

from tests.offline import sitecustomize

os.environ.setdefault("MPLBACKEND", "agg")
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(Path(sitecustomize.__file__).parent), os.environ.get("PYTHONPATH")])
)
torch.set_num_threads(1)
pytest_plugins = ("pytester", "tests.order")


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
