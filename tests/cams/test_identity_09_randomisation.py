"""Identity 9: guided backpropagation outlives the weights, Grad-CAM does not.

Adebayo 2018 (arXiv 1810.03292), Sixt 2020 (arXiv 1912.09818). A small network learns rings against
crosses; then weights are drawn anew and its explanations of the same class compared with those of
the trained network by Pearson correlation per image. Measured (this seed, mean of five redraws):

    redrawn        guided backprop  Guided Grad-CAM  gradient  Grad-CAM
    last layer           0.83             0.52          0.15      0.09
    every layer          0.53             0.35          0.08      0.13

"Barely changes" holds for the last layer and is too strong for all of them: over four training
seeds guided backprop kept 0.33 to 0.56.
"""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from xaihelpers.cams import ExplainError, explain
from xaihelpers.cams.guided import guided_backprop, guided_grad_cam, guided_relu

LAYER = "8"  # the last ReLU
HEAD, EVERY = slice(9, None), slice(None)  # what is drawn anew
Explainer = Callable[[nn.Module, Tensor, Tensor], Tensor]


def rings_and_crosses(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    images = 0.3 * torch.randn(count, 1, 20, 20, generator=generator)
    labels = torch.randint(0, 2, (count,), generator=generator)
    corners = torch.randint(0, 13, (count, 2), generator=generator).tolist()
    for image, label, (row, column) in zip(images[:, 0], labels, corners, strict=True):
        patch = image[row : row + 7, column : column + 7]
        if label:
            patch[3] += 1
            patch[:, 3] += 1
        else:
            patch += 1
            patch[2:5, 2:5] -= 1
    return images, labels


def fresh() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(1, 12, 3, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Conv2d(12, 24, 3, padding=1), nn.ReLU()]
    layers += [nn.Conv2d(24, 24, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 2))


def plain_gradient(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    leaf = images.clone().requires_grad_()
    score = network(leaf).gather(1, labels[:, None]).sum()
    return torch.autograd.grad(score, leaf)[0]


EXPLAINERS: dict[str, Explainer] = {
    "guided backprop": guided_backprop,
    "guided Grad-CAM": lambda net, x, y: guided_grad_cam(net, x, LAYER, y),
    "gradient": plain_gradient,
    "Grad-CAM": lambda net, x, y: explain(net, x, LAYER, target=y).raw["grad_cam"],
}


def correlation(first: Tensor, second: Tensor) -> float:
    """Mean over images of Pearson's r over pixels."""
    rows = [part.flatten(1) - part.flatten(1).mean(1, keepdim=True) for part in (first, second)]
    return float(F.cosine_similarity(*rows).mean())


@pytest.fixture(scope="module")
def trained() -> tuple[nn.Sequential, Tensor, Tensor]:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    network = fresh()
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(100):
        images, labels = rings_and_crosses(32, generator)
        optimizer.zero_grad()
        F.cross_entropy(network(images), labels).backward()
        optimizer.step()
    images, labels = rings_and_crosses(64, generator)
    assert (network(images).argmax(1) == labels).float().mean() > 0.95
    return network, images, labels


def kept(case: tuple[nn.Sequential, Tensor, Tensor], explainer: Explainer, redrawn: slice) -> float:
    """Correlation with the trained network's explanation, mean over five redraws of layers."""
    network, images, labels = case
    original = explainer(network, images, labels)
    found = []
    for seed in range(5):
        torch.manual_seed(100 + seed)
        other = copy.deepcopy(network)
        for module in other[redrawn]:
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                module.reset_parameters()
        found.append(correlation(original, explainer(other, images, labels)))
    return sum(found) / len(found)


@pytest.fixture(scope="module")
def kept_by(trained: tuple[nn.Sequential, Tensor, Tensor]) -> dict[str, float]:
    return {name: kept(trained, explainer, EVERY) for name, explainer in EXPLAINERS.items()}


def test_identity_09_guided_backprop_barely_changes_when_the_last_layer_is_redrawn(
    trained: tuple[nn.Sequential, Tensor, Tensor],
) -> None:
    assert kept(trained, EXPLAINERS["guided backprop"], HEAD) > 0.7
    assert abs(kept(trained, EXPLAINERS["Grad-CAM"], HEAD)) < 0.3


def test_identity_09_guided_backprop_survives_redrawing_every_weight(
    kept_by: dict[str, float],
) -> None:
    assert kept_by["guided backprop"] > 0.4


@pytest.mark.parametrize("name", ["gradient", "Grad-CAM"])
def test_identity_09_gradient_and_grad_cam_do_not_survive_redrawing_every_weight(
    kept_by: dict[str, float], name: str
) -> None:
    assert abs(kept_by[name]) < 0.2


def test_identity_09_guided_grad_cam_inherits_part_of_the_insensitivity(
    kept_by: dict[str, float],
) -> None:
    assert kept_by["Grad-CAM"] + 0.1 < kept_by["guided Grad-CAM"] < kept_by["guided backprop"]


def test_identity_09_guided_backprop_of_the_opposite_class_is_not_the_opposite_picture(
    trained: tuple[nn.Sequential, Tensor, Tensor],
) -> None:
    network, images, labels = trained
    between = {
        name: correlation(
            EXPLAINERS[name](network, images, labels), EXPLAINERS[name](network, images, 1 - labels)
        )
        for name in ("guided backprop", "gradient", "Grad-CAM")
    }
    assert between["guided backprop"] > 0.1
    assert between["gradient"] < -0.9
    assert between["Grad-CAM"] < -0.9


def test_identity_09_guided_backprop_of_efficientnet_b0_is_the_plain_gradient() -> None:
    network = torchvision.models.efficientnet_b0(num_classes=5).eval()
    images = torch.randn(1, 3, 64, 64)
    leaf = images.clone().requires_grad_()
    with guided_relu(network) as rule:
        (guided,) = torch.autograd.grad(network(leaf)[:, 1].sum(), leaf)
    assert rule.calls == 0
    assert torch.equal(guided, plain_gradient(network, images, torch.tensor([1])))
    with pytest.raises(ExplainError, match="runs no ReLU"):
        guided_backprop(network, images, 1)
