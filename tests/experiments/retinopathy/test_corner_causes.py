"""The suspects of glowing corners: switches that do what they say and undo themselves."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xaihelpers.experiments.retinopathy import corner_causes as causes
from xaihelpers.metrics import factorial


class Small(nn.Module):
    """A strided network whose last tensor feeds an average pooling, signed before its ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, 8, 1)
        self.last_conv = nn.Conv2d(4, 6, 3, 4, 1)
        self.last = nn.ReLU()
        self.classes = nn.Linear(6, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.last(self.last_conv(self.stem(images).relu()))
        return self.classes(maps.mean(dim=(2, 3)))


@pytest.fixture
def suspects() -> causes.Suspects:
    torch.manual_seed(0)
    return causes.Suspects(Small().eval(), "last", ("last_conv",))


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    axis = torch.arange(224) - 111.5
    retina = (axis[:, None] ** 2 + axis[None] ** 2 < 110**2).expand(3, 224, 224)
    images = torch.randint(0, 255, (3, 3, 224, 224), generator=generator, dtype=torch.uint8)
    return images * retina[:, None], retina


def test_repeated_borders_hide_the_border_and_are_undone_after_an_error() -> None:
    model = nn.Conv2d(1, 1, 3, padding=1)
    flat = torch.ones(1, 1, 5, 5)
    with pytest.raises(KeyError), causes.border_repeated(model):
        assert torch.unique(model(flat).detach().round(decimals=5)).numel() == 1
        raise KeyError
    assert model.padding_mode == "zeros"
    assert torch.unique(model(flat).detach().round(decimals=5)).numel() > 1


def test_noise_stays_outside_the_retina_and_repeats(pictures: tuple[Tensor, Tensor]) -> None:
    images, retina = pictures
    noisy = causes.noisy_surround(images, retina, seed=3)
    inside = retina[:, None].expand_as(images)
    assert torch.equal(noisy[inside], images[inside])
    assert noisy[~inside].float().mean() > 3
    assert torch.equal(noisy, causes.noisy_surround(images, retina, seed=3))


def test_every_combination_is_measured_and_the_formula_is_innocent_behind_average_pooling(
    suspects: causes.Suspects, pictures: tuple[Tensor, Tensor]
) -> None:
    images, retina = pictures
    both = causes.outside_by_causes(suspects, images, retina, torch.tensor([0, 1, 2]))
    assert set(both) == {("last_conv", "energy"), ("last_conv", "peak")}
    found = both["last_conv", "energy"]
    assert set(found) == set(factorial.subsets(tuple(causes.FACTORS)))
    assert all(((values >= 0) & (values <= 1)).all() for values in found.values())
    nothing = frozenset[str]()
    # identity 2: XGrad-CAM is Grad-CAM where the gradient is the same at every position
    np.testing.assert_allclose(found[nothing | {"formula"}], found[nothing], atol=1e-5)
    # Grad-CAM has no eps
    np.testing.assert_array_equal(found[nothing | {"eps"}], found[nothing])
    assert not np.allclose(found[nothing | {"placement"}], found[nothing])


def test_repairs_do_to_the_weights_what_they_say() -> None:
    activations = torch.tensor([[[[3.0, -1.0]], [[-2.0, -2.0]]]])
    gradients = torch.tensor([[[[1.0, 1.0]], [[1.0, 3.0]]]])
    maps = {
        name: raw[0, 0].tolist() for name, raw in causes.repairs(activations, gradients).items()
    }
    # XGrad-CAM's weights: (3 - 1) / 2 = 1 and (-2 - 6) / -4 = 2; |w| sum |A|: 4 and 8
    expected = {
        "grad_cam": [3 - 4, -1 - 4],
        "xgrad_cam": [3 - 4, -1 - 4],
        "sign kept": [3 - 4, -1 - 4],
        "largest channel out": [3, -1],
        "both": [3, -1],
        "sum of |A|": [0.5 * 3 - 2 * -2, 0.5 * -1 - 2 * -2],  # weights 2 / 4 and -8 / 4
    }
    assert {name: pytest.approx(values, rel=1e-5) for name, values in expected.items()} == maps


def test_a_flipped_weight_gets_the_sign_of_the_mean_gradient() -> None:
    activations = torch.tensor([[[[3.0, -4.0]]]])  # sum -1
    gradients = torch.tensor([[[[1.0, 0.5]]]])  # sum of products 1, mean gradient above 0
    found = causes.repairs(activations, gradients)
    torch.testing.assert_close(found["xgrad_cam"][0, 0], torch.tensor([-3.0, 4.0]))
    torch.testing.assert_close(found["sign kept"][0, 0], torch.tensor([3.0, -4.0]))
