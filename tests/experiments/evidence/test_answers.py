"""Stored answers are those of the network, and are used for that network and those data alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from xaihelpers import datasets, networks
from xaihelpers.experiments.evidence import answers
from xaihelpers.setups import Setup


@pytest.fixture
def study() -> Setup:
    data = datasets.load("chest_xray", size=64, limit=5)
    card = {"sha256": "0123456789abcdef", "data": {"version": 2}}
    return Setup("chest_xray", "resnet18", data, networks.build("resnet18", 3).eval(), card)


def test_answers_are_the_networks_own(study: Setup, tmp_path: Path) -> None:
    table = answers.store(study, tmp_path)
    images, labels, _ = datasets.batch(study.data, range(5))
    confidence, predicted = networks.predict(study.model, images).softmax(dim=1).max(dim=1)
    assert table["predicted"].tolist() == predicted.tolist()
    assert table["label"].tolist() == labels.tolist()
    assert torch.allclose(torch.tensor(table["confidence"]).float(), confidence, atol=1e-4)
    again = answers.stored(study, tmp_path)
    assert again is not None
    assert again["confidence"].tolist() == table["confidence"].tolist()


def test_answers_of_another_checkpoint_version_or_seed_are_not_used(
    study: Setup, tmp_path: Path
) -> None:
    assert answers.stored(study, tmp_path) is None  # nothing there yet
    answers.store(study, tmp_path)
    assert answers.stored(replace(study, card=study.card | {"sha256": "f" * 16}), tmp_path) is None
    newer = study.card | {"data": {"version": 3}}
    assert answers.stored(replace(study, card=newer), tmp_path) is None
    other = datasets.load("chest_xray", size=64, limit=5, seed=1)
    assert answers.stored(replace(study, data=other), tmp_path) is None
