"""The comparison of starts: same budget, every training kept, differences over trainings too."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from xaihelpers.errors import EvaluationError
from xaihelpers.experiments.photographs import starts
from xaihelpers.experiments.photographs.starts import Order, over_trainings_and_images

ORDER = Order(train=8, validation=4, test=6, epochs=1, size=64, batch_size=4, seeds=(0, 1))


def rows() -> pd.DataFrame:
    """Two trainings of each start on four images: ImageNet right on 3 and 4, scratch on 1 and 2."""
    right = {("imagenet", 0): 3, ("imagenet", 1): 4, ("scratch", 0): 1, ("scratch", 1): 2}
    return pd.concat(
        pd.DataFrame(
            {
                "start": start,
                "seed": seed,
                "image": range(4),
                "label": 1,
                "predicted": [1] * count + [0] * (4 - count),
                "kappa": 0.5,
            }
        )
        for (start, seed), count in right.items()
    )


def test_accuracies_and_their_difference_by_hand() -> None:
    found = starts.table(rows()).set_index("start")
    assert found.loc["imagenet", "mean"] == pytest.approx(7 / 8)
    assert found.loc["scratch", "mean"] == pytest.approx(3 / 8)
    assert found.loc["imagenet - scratch", "mean"] == pytest.approx(4 / 8)
    assert found.loc["imagenet", "each"] == "0.750 1.000"
    assert (found["trainings"] == 2).all()


def test_the_interval_holds_the_spread_of_trainings() -> None:
    apart = np.repeat([[0.0], [1.0]], 500, axis=1)  # images agree, trainings do not
    interval = over_trainings_and_images(apart)
    assert (interval.low, interval.estimate, interval.high) == (0.0, 0.5, 1.0)
    alike = np.tile([0.0, 1.0], (2, 250))  # trainings agree, images do not
    interval = over_trainings_and_images(alike)
    assert interval.high - interval.low == pytest.approx(4 * 0.5 / 500**0.5, rel=0.15)


def test_an_interval_over_one_training_is_refused() -> None:
    with pytest.raises(EvaluationError, match="2 of each"):
        over_trainings_and_images(np.ones((1, 5)))


def test_both_starts_have_the_same_budget_and_differ_in_their_weights() -> None:
    recipe = Order().recipe()
    assert (recipe.epochs, recipe.patience) == (4, None)
    assert starts.STARTS == {"imagenet": "imagenet", "scratch": None}


def test_a_stopped_comparison_goes_on_with_the_trainings_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def once(_order: Order, start: str, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        if len(asked) == 3:
            asked.append(("stopped", -1))
            raise KeyboardInterrupt
        asked.append((start, seed))
        return torch.eye(3), torch.tensor([0, 1, 1])

    monkeypatch.setattr(starts, "train_once", once)
    keep = tmp_path / "kept"
    with pytest.raises(KeyboardInterrupt):
        starts.predictions(ORDER, keep)
    found = starts.predictions(ORDER, keep)
    done = [job for job in asked if job[1] >= 0]
    assert sorted(done) == [(start, seed) for start in sorted(starts.STARTS) for seed in (0, 1)]
    assert len(found) == 4 * 3


@pytest.mark.slow
def test_two_trainings_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAIHELPERS_HOME", str(tmp_path))
    path = starts.write(starts.measured_table(ORDER))
    found = pd.read_csv(path)
    assert found["start"].tolist() == ["imagenet", "scratch", "imagenet - scratch"]
    assert (found["images"] == 6).all()
    assert found["data"].str.startswith("fundus v").all()
