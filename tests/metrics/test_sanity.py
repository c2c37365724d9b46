"""Randomisation: what is drawn anew, what is left alone, and what it shows on a tiny network."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xaihelpers.cams import explain
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import agreement, sanity


def network() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(12, 16, 3, padding=1), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 2)),
    ).eval()


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def changed(model: nn.Module, before: dict[str, Tensor]) -> set[str]:
    after = model.state_dict()
    return {n.split(".")[0] for n in before if not torch.equal(before[n], after[n])}


def test_layers_come_from_the_output_on() -> None:
    assert sanity.layers_from_output(network()) == ["8", "4", "0"]


def test_cascading_redraws_one_layer_more_each_time() -> None:
    model = network()
    before = state(model)
    found = [(name, changed(other, before)) for name, other in sanity.cascading(model)]
    assert found == [("8", {"8"}), ("4", {"8", "4"}), ("0", {"8", "4", "0"})]
    assert changed(model, before) == set()


def test_independent_redraws_one_layer_at_a_time() -> None:
    model = network()
    before = state(model)
    found = [(name, changed(other, before)) for name, other in sanity.independent(model)]
    assert found == [("8", {"8"}), ("4", {"4"}), ("0", {"0"})]
    assert changed(model, before) == set()


def test_a_seed_repeats_and_torchs_generator_is_left_alone() -> None:
    model, before = network(), torch.get_rng_state()
    first, again, other = (state(sanity.randomised(model, seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["0.weight"], other["0.weight"])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_generator_of_a_gpu_is_left_alone() -> None:
    torch.cuda.manual_seed(3)
    before = torch.cuda.get_rng_state()
    sanity.redraw(network().cuda(), 1)
    assert torch.equal(before, torch.cuda.get_rng_state())


def test_recalibration_gives_batch_norms_the_statistics_of_the_images() -> None:
    model, images = network(), 5 + 3 * torch.randn(8, 1, 12, 12)
    sanity.recalibrate(model, images)
    out = model[1](model[0](images))
    torch.testing.assert_close(out.mean(dim=(0, 2, 3)), torch.zeros(12), atol=1e-4, rtol=0)
    torch.testing.assert_close(out.std(dim=(0, 2, 3)), torch.ones(12), atol=1e-2, rtol=0)
    assert not any(module.training for module in model.modules())
    assert model[1].momentum == 0.1


def test_an_unknown_block_and_a_layer_that_cannot_be_redrawn_are_refused() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kernel = nn.Parameter(torch.ones(2, 2))

    with pytest.raises(EvaluationError, match="no layer 'head'; there are 0, 1"):
        list(sanity.cascading(network(), ["head"]))
    with pytest.raises(EvaluationError, match=r"Fixed\) cannot draw its weights anew"):
        sanity.randomised(Fixed())


def test_shuffled_labels_keep_the_sizes_of_the_classes() -> None:
    labels = np.arange(30) % 3
    shuffled = sanity.shuffled_labels(labels, 1)
    assert np.bincount(shuffled).tolist() == [10, 10, 10]
    assert 0 < (shuffled == labels).sum() < 30
    assert (sanity.shuffled_labels(labels, 1) == shuffled).all()


def spots(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Noise with a spot: bright is class 1, dark class 0. Images, labels, mask of the spot."""
    images = 0.4 * torch.randn(count, 1, 16, 16)
    labels, masks = torch.arange(count) % 2, torch.zeros(count, 16, 16, dtype=torch.bool)
    for image, label, mask in zip(images[:, 0], labels, masks, strict=True):
        row, column = torch.randint(0, 12, (2,)).tolist()
        mask[row : row + 4, column : column + 4] = True
        image[mask] += 2 if label else -2
    return images, labels, masks


def fitted(images: Tensor, labels: Tensor) -> nn.Sequential:
    model = network().train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        chosen = torch.randint(0, len(images), (64,))
        optimizer.zero_grad()
        F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
        optimizer.step()
    return model.eval()


@pytest.fixture(scope="module")
def case() -> tuple[nn.Sequential, Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    images, labels, masks = spots(320)
    model = fitted(images[:256], labels[:256])
    test = images[256:], labels[256:], masks[256:]
    assert (model(test[0]).argmax(1) == test[1]).float().mean() > 0.95
    return model, *test


Case = tuple[nn.Sequential, Tensor, Tensor, Tensor]


def test_grad_cam_fades_as_the_network_forgets_and_an_edge_map_does_not(case: Case) -> None:
    model, images, labels, _ = case
    runs = {
        name: sanity.agreement_curve(
            model, sanity.cascading(model, images=images), explainer, agreement.pearson
        )
        for name, explainer in {
            "grad_cam": lambda net: explain(net, images, "4", target=labels).raw["grad_cam"],
            "input": lambda net: images[:, 0].abs(),
        }.items()
    }
    assert runs["grad_cam"]["block"].unique().tolist() == ["8", "4", "0"]
    assert len(runs["grad_cam"]) == 3 * len(images)
    last = {name: run.loc[run["step"] == 3, "agreement"].mean() for name, run in runs.items()}
    assert abs(last["grad_cam"]) < 0.6
    assert last["input"] == pytest.approx(1)


def test_a_network_trained_on_shuffled_labels_has_another_map(case: Case) -> None:
    model, images, labels, masks = case
    more, right, _ = spots(256)
    wrong = torch.from_numpy(sanity.shuffled_labels(right.numpy()))
    confused = fitted(more, wrong)
    raw = [explain(net, images, "4", target=labels).raw["grad_cam"] for net in (model, confused)]
    assert float(agreement.pearson(*raw).nanmean()) < 0.7
