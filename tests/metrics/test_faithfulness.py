"""Faithfulness: by hand on a network of one weight per pixel, against peers, and how to cheat."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor, nn
from torchcam.methods import GradCAM
from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

from xaihelpers.cams import explain
from xaihelpers.cams.targets import probability
from xaihelpers.errors import EvaluationError, TargetError
from xaihelpers.metrics import faithfulness as faith
from xaihelpers.metrics import model_score


class Weighing(nn.Module):
    """Two classes whose odds are exp(sum of weights x pixels): every step can be done by hand."""

    def __init__(self, weights: list[list[float]]) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.tensor(weights))

    def forward(self, images: Tensor) -> Tensor:
        score = (self.weights * images[:, 0]).sum(dim=(1, 2))
        return torch.stack([score, torch.zeros_like(score)], dim=1)


@pytest.fixture
def weighing() -> Weighing:
    return Weighing([[4.0, 2.0], [1.0, 0.0]])


ONES, CLASS_0 = torch.ones(1, 1, 2, 2), torch.tensor([0])
RIGHT, WRONG = torch.tensor([[[1.0, 0.5], [0.2, 0.0]]]), torch.tensor([[[0.0, 0.2], [0.5, 1.0]]])


def odds(*logits: float) -> list[float]:
    return torch.tensor(logits).sigmoid().tolist()


def test_deletion_and_insertion_of_four_pixels_by_hand(weighing: Weighing) -> None:
    gone = faith.deletion(weighing, ONES, RIGHT, CLASS_0, steps=4)
    assert gone.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert gone.scores[0].tolist() == pytest.approx(odds(7, 3, 1, 0, 0))
    a = odds(7, 3, 1, 0, 0)
    assert gone.area.item() == pytest.approx((a[0] / 2 + a[1] + a[2] + a[3] + a[4] / 2) / 4)
    back = faith.insertion(weighing, ONES, RIGHT, CLASS_0, steps=4, replace="zero")
    assert back.scores[0].tolist() == pytest.approx(odds(0, 4, 6, 7, 7))


def test_the_right_map_beats_the_wrong_one_in_every_figure(weighing: Weighing) -> None:
    case = (weighing, ONES)
    area = {
        name: [
            curve(*case, heat, CLASS_0, steps=4, replace="zero").area.item()
            for heat in (RIGHT, WRONG)
        ]
        for name, curve in (("deletion", faith.deletion), ("insertion", faith.insertion))
    }
    assert area["deletion"][0] < area["deletion"][1]
    assert area["insertion"][0] > area["insertion"][1]
    right, wrong = (
        faith.pixel_flipping(*case, heat, CLASS_0, 0.5, 2, "zero") for heat in (RIGHT, WRONG)
    )
    assert right > wrong
    before = faith.confidence(*case, CLASS_0)
    kept = [faith.kept_confidence(*case, heat, CLASS_0) for heat in (RIGHT, WRONG)]
    assert faith.drop(before, kept[0]) < faith.drop(before, kept[1])
    assert faith.win_rate(before, *kept).tolist() == [1]
    assert faith.win_rate(before, *kept[::-1]).tolist() == [0]


def test_pixel_flipping_of_four_pixels_by_hand(weighing: Weighing) -> None:
    fall = faith.pixel_flipping(weighing, ONES, RIGHT, CLASS_0, 0.5, 2, "zero")
    a, b, c = odds(7, 3, 1)
    assert fall.item() == pytest.approx((0 + (a - b) + (a - c)) / 3)


def test_drop_and_increase_are_relative_to_the_score() -> None:
    before, after = torch.tensor([0.8, 0.5, 0.4]), torch.tensor([0.6, 0.5, 0.6])
    assert faith.drop(before, after).tolist() == pytest.approx([0.25, 0, 0])
    assert faith.increase(before, after).tolist() == [0, 0, 1]


def test_pixels_of_one_value_go_in_reading_order() -> None:
    heat = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    assert faith.removal_order(heat).tolist() == [[[2, 0], [1, 3]]]


def network() -> nn.Sequential:
    """A small classifier that is sure enough of itself for scores to move."""
    torch.manual_seed(1)
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4)),
    )
    with torch.no_grad():
        model[-1].weight *= 20
    return model.eval()


@pytest.fixture
def asked() -> tuple[nn.Module, Tensor, Tensor, Tensor]:
    """Network, images, Grad-CAM of the predicted class, that class."""
    model, images = network(), torch.randn(6, 3, 32, 32)
    found = explain(model, images, "4")
    return model, images, found.maps["grad_cam"], found.logits.argmax(dim=1)


def test_drop_and_increase_equal_torchcams(
    asked: tuple[nn.Module, Tensor, Tensor, Tensor],
) -> None:
    model, images, _, target = asked
    with GradCAM(model, "4") as extractor:
        metric = ClassificationMetric(extractor, partial(torch.softmax, dim=-1))
        metric.update(images, target.tolist())
        expected = metric.summary()
    # torchcam explains what it scores, the probability, and stretches the map before upsampling
    raw = explain(model, images, "4", target=probability(target)).raw["grad_cam"].relu()
    low, high = raw.amin((1, 2), keepdim=True), raw.amax((1, 2), keepdim=True)
    heat = nn.functional.interpolate(
        ((raw - low) / (high - low))[:, None], (32, 32), mode="bilinear"
    )[:, 0]
    before = faith.confidence(model, images, target)
    kept = faith.kept_confidence(model, images, heat.clamp(0, 1), target)
    assert float(faith.drop(before, kept).mean()) == pytest.approx(expected["avg_drop"], abs=1e-5)
    assert float(faith.increase(before, kept).mean()) == expected["conf_increase"]
    assert 0.01 < expected["avg_drop"] < 0.99


def test_deletion_and_insertion_areas_equal_torchcams(
    asked: tuple[nn.Module, Tensor, Tensor, Tensor],
) -> None:
    model, images, _, target = asked
    with GradCAM(model, "4") as extractor:
        softmax = partial(torch.softmax, dim=-1)
        metric = DeletionInsertionMetric(extractor, softmax, steps=16)
        metric.update(images, target.tolist())
        expected = metric.summary()
    raw = explain(model, images, "4", target=probability(target)).raw["grad_cam"].relu()
    heat = nn.functional.interpolate(
        (raw / raw.amax((1, 2), keepdim=True))[:, None], (32, 32), mode="bilinear"
    )[:, 0]
    gone = faith.deletion(model, images, heat, target, 16).area.mean()
    back = faith.insertion(model, images, heat, target, 16, "zero").area.mean()
    assert float(gone) == pytest.approx(expected["deletion_auc"], abs=0.01)
    assert float(back) == pytest.approx(expected["insertion_auc"], abs=0.01)


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of the peer
def test_road_equals_that_of_the_package_grad_cam() -> None:
    model = network()
    images = 3 * nn.functional.interpolate(torch.randn(6, 3, 5, 5), (32, 32), mode="bilinear")
    target = model(images).argmax(dim=1)
    heat = nn.functional.interpolate(torch.rand(6, 1, 4, 4), (32, 32), mode="bicubic")[:, 0]
    heat = (heat - heat.amin()) / (heat.amax() - heat.amin())  # no ties: the peer removes all
    targets = [ClassifierOutputSoftmaxTarget(int(t)) for t in target]
    expected = ROADCombined([20, 50, 80])(images, heat.numpy(), targets, model)
    ours = faith.road(model, images, heat, target, (0.2, 0.5, 0.8), noise=0.0)
    torch.testing.assert_close(ours, torch.from_numpy(expected), atol=3e-3, rtol=0)
    assert float(ours.abs().max()) > 0.02


def test_a_curve_shows_the_network_few_images_at_a_time_and_never_builds_all(
    asked: tuple[nn.Module, Tensor, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, images, heat, target = asked
    built: list[int] = []
    read = model_score.ScoreReader.__call__

    def counted(self: model_score.ScoreReader, shown: Tensor, which: Tensor) -> Tensor:
        built.append(len(shown))
        return read(self, shown, which)

    monkeypatch.setattr(model_score, "BATCH", 4)
    monkeypatch.setattr(model_score.ScoreReader, "__call__", counted)
    streamed = faith.deletion(model, images, heat, target, steps=9).scores
    assert (max(built), sum(built)) == (4, 10 * len(images))
    order = faith.removal_order(heat)[:, None]
    counts = [round(32 * 32 * step / 9) for step in range(10)]
    whole = [model(images.masked_fill(order < count, 0)).softmax(dim=1) for count in counts]
    expected = [each.gather(1, target[:, None])[:, 0] for each in whole]
    torch.testing.assert_close(streamed, torch.stack(expected, dim=1), atol=1e-6, rtol=0)


def test_road_with_fixed_noise_repeats_itself(
    asked: tuple[nn.Module, Tensor, Tensor, Tensor],
) -> None:
    model, images, heat, target = asked
    noise = 0.01 * torch.randn_like(images)
    first, again = (faith.road(model, images, heat, target, (0.3,), noise) for _ in range(2))
    assert torch.equal(first, again)


def test_all_ones_less_one_pixel_wins_average_drop_and_says_nothing(
    asked: tuple[nn.Module, Tensor, Tensor, Tensor],
) -> None:
    model, images, heat, target = asked
    cheat = torch.ones_like(heat)
    cheat[:, -1, -1] = 0
    before = faith.confidence(model, images, target)
    honest, cheated = (faith.kept_confidence(model, images, each, target) for each in (heat, cheat))
    assert float(faith.drop(before, cheated).mean()) < 0.01
    assert float(faith.drop(before, honest).mean()) > 0.1
    assert float(faith.win_rate(before, cheated, honest).mean()) >= 5 / 6
    assert float(faith.increase(before, cheated).mean()) > 0
    fall = faith.pixel_flipping(model, images, cheat, target)
    assert float(fall.mean()) < float(faith.pixel_flipping(model, images, heat, target).mean())


def test_a_network_in_training_mode_is_asked_in_evaluation_mode_and_put_back() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(12, 2)).train()
    images = torch.rand(2, 3, 2, 2)
    first, again = (faith.confidence(model, images, torch.tensor([0, 1])) for _ in range(2))
    assert torch.equal(first, again)
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: faith.deletion(m, ONES, RIGHT[:, :1], CLASS_0), "need maps"),
        (lambda m: faith.deletion(m, ONES, RIGHT, torch.tensor([0, 1])), "2 targets for 1 images"),
        (lambda m: faith.deletion(m, ONES, RIGHT, CLASS_0, steps=0), "at least one"),
        (lambda m: faith.insertion(m, ONES, RIGHT, CLASS_0, replace="grey"), "unknown filling"),
        (lambda m: faith.pixel_flipping(m, ONES, RIGHT, CLASS_0, 1.5), "share is 1.5"),
        (lambda m: faith.drop(torch.tensor([-1.0]), torch.tensor([0.5])), "not logits"),
        (lambda m: faith.drop(torch.ones(2), torch.ones(3)), "of the same images"),
    ],
)
def test_what_makes_no_sense_is_refused(
    weighing: Weighing, call: Callable[[nn.Module], object], message: str
) -> None:
    with pytest.raises((EvaluationError, TargetError), match=message):
        call(weighing)
