"""Fixtures shared by every test: one thread, a fixed seed, no way out to the network."""

import os

import pytest
import torch

os.environ.setdefault("MPLBACKEND", "agg")
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)
