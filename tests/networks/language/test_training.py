"""Training by steps learns, depends on the seed alone, and goes on after a kill as if unbroken."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from xaihelpers.errors import TrainingError
from xaihelpers.networks.language.captioner import Captioner
from xaihelpers.networks.language.reader import Vocabulary
from xaihelpers.networks.language.training import Pair, Steps, caption_loss, fit_steps, pair_loss
from xaihelpers.networks.language.vqa import VQA

RECIPE = Steps(6, batch_size=4, lr=0.02, warmup=2, decay=2, low_precision=False)


def line(model: nn.Module, batch: tuple[torch.Tensor, ...]) -> torch.Tensor:
    inputs, truth = batch
    return (model(inputs) - truth).square().mean()


def points(step: int) -> tuple[torch.Tensor, ...]:
    inputs = torch.randn(16, 2, generator=torch.Generator().manual_seed(step))
    return inputs, inputs.sum(dim=1, keepdim=True)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.2), nn.Linear(4, 1))


def test_it_learns_and_notes_how_far_it_has_come(tmp_path: Path) -> None:
    recipe = Steps(300, lr=0.05, warmup=30, decay=150, low_precision=False)
    net = nn.Linear(2, 1)
    history = fit_steps(net, points, line, recipe, tmp_path, progress=False)
    assert [row["step"] for row in history] == [100, 200, 300]
    assert history[-1]["loss"] < 0.01 < history[0]["loss"]
    assert not net.training


@pytest.mark.parametrize("steps", [6, 9], ids=["as planned", "made longer"])
def test_a_broken_run_goes_on_as_if_unbroken(tmp_path: Path, steps: int) -> None:
    recipe, whole, again = replace(RECIPE, steps=steps), model(), model()
    fit_steps(whole, points, line, recipe, tmp_path / "whole", progress=False)

    def killed(step: int) -> tuple[torch.Tensor, ...]:
        if step == 4:
            raise KeyboardInterrupt
        return points(step)

    options = {"save_seconds": 0.0, "progress": False}
    with pytest.raises(KeyboardInterrupt):
        fit_steps(model(), killed, line, RECIPE, tmp_path / "broken", **options)  # type: ignore[arg-type]
    fit_steps(again, points, line, recipe, tmp_path / "broken", progress=False)
    for one, two in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_the_rate_rises_stays_and_falls() -> None:
    recipe = Steps(10, warmup=2, decay=4)
    assert [recipe.share(step) for step in range(10)] == [0.5, *[1] * 6, 0.75, 0.5, 0.25]


def test_another_recipes_run_is_not_continued(tmp_path: Path) -> None:
    fit_steps(model(), points, line, RECIPE, tmp_path, progress=False)
    with pytest.raises(TrainingError, match="another recipe"):
        fit_steps(model(), points, line, RECIPE, tmp_path, seed=1, progress=False)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="learning rate"):
        fit_steps(model(), points, lambda m, b: line(m, b) / 0, RECIPE, tmp_path, progress=False)


def test_captioner_and_answerer_share_one_eye_and_both_learn() -> None:
    torch.manual_seed(0)
    words = Vocabulary(["a", "b"])
    pair = Pair(Captioner(len(words)), VQA(3, len(words)), 2, 2, torch.tensor([[0, 1]]))
    assert pair.vqa.encoder is pair.captioner.encoder
    images = torch.randn(2, 3, 96, 96)
    tokens = words.encode(["a b", "b"])
    questions, answers = tokens[:, None].repeat(1, 2, 1), torch.tensor([[0, 1], [2, 0]])
    tags = torch.tensor([[1.0, 0, 0], [0, 0, 0]])
    batch = (images, tokens, questions, answers, torch.tensor([1, 0]), tags)
    pair_loss(pair, batch).backward()
    for part in (
        pair.captioner.head,
        pair.vqa.head,
        pair.namer,
        pair.tagger,
        pair.captioner.encoder.stage1[0],
    ):
        assert part.weight.grad.abs().sum() > 0  # type: ignore[union-attr, operator]


def test_padding_does_not_enter_the_loss_of_the_words() -> None:
    torch.manual_seed(0)
    words = Vocabulary(["a", "b"])
    captioner, images = Captioner(len(words)).eval(), torch.randn(1, 3, 96, 96)
    tokens = words.encode(["a b"])
    longer = torch.cat([tokens, torch.zeros(1, 3, dtype=torch.int64)], dim=1)
    torch.testing.assert_close(
        caption_loss(captioner, (images, longer)), caption_loss(captioner, (images, tokens))
    )


def test_a_pair_of_tags_must_be_seen_in_one_cell() -> None:
    pair = Pair(Captioner(5), VQA(3, 5), 1, 2, torch.tensor([[0, 1]]))
    torch.nn.init.zeros_(pair.tagger.bias)  # type: ignore[arg-type]
    torch.nn.init.zeros_(pair.tagger.weight)
    with torch.no_grad():
        pair.tagger.weight[0, 0] = pair.tagger.weight[1, 1] = 1
    maps = torch.zeros(2, 128, 12, 12)
    maps[0, 0, 3, 4], maps[0, 1, 3, 4] = 5, 2  # both in one cell: the smaller counts
    maps[1, 0, 3, 4], maps[1, 1, 8, 9] = 5, 2  # in two cells: neither has both
    assert pair.tags(maps).tolist() == [[5, 2, 2], [5, 2, 0]]
