"""FGSM and PGD keep what they promise: the ball, [0, 1], the direction, and the model as it was."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from xaihelpers import networks
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics.attacks import NORMS, direction, fgsm, pgd, project, standardize

EPS = {"linf": 8 / 255, "l2": 0.7}
each_norm = pytest.mark.parametrize("norm", NORMS)


class Tiny(nn.Module):
    """Batch norm, an in-place ReLU and dropout: what attacks must survive."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.Dropout(0.5)
        )
        self.head = nn.Linear(6, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean(dim=(2, 3)))


@pytest.fixture
def model() -> Tiny:
    torch.manual_seed(0)
    return Tiny()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(1))


LABELS = torch.tensor([0, 1, 2, 3, 0])


def loss(model: nn.Module, images: Tensor, labels: Tensor = LABELS) -> Tensor:
    modes = [module.training for module in model.modules()]
    model.eval()
    with torch.no_grad():
        found = F.cross_entropy(model(standardize(images)), labels, reduction="none")
    for module, training in zip(model.modules(), modes, strict=True):
        module.training = training
    return found


def lengths(change: Tensor, norm: str) -> Tensor:
    flat = change.flatten(1)
    return flat.abs().amax(dim=1) if norm == "linf" else flat.norm(dim=1)


def start() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_standardize_of_8_bit_images_is_what_the_networks_see() -> None:
    pixels = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert torch.allclose(standardize(pixels / 255), networks.normalize(pixels), atol=1e-5)


@each_norm
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("generator", [None, start])
def test_the_images_stay_in_the_ball_and_in_range(
    model: Tiny, images: Tensor, norm: str, targeted: bool, generator: object
) -> None:
    images[0], images[1] = 0.0, 1.0  # at the border of the range
    drawn = start() if generator else None
    moved = pgd(
        model, images, LABELS, EPS[norm], steps=4, norm=norm, targeted=targeted, generator=drawn
    )
    assert moved.shape == images.shape
    assert not moved.requires_grad
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (lengths(moved - images, norm) <= EPS[norm] * (1 + 1e-5)).all()
    assert (lengths(moved - images, norm)[2:] > 0.5 * EPS[norm]).all()


@each_norm
def test_the_loss_rises_and_a_targeted_loss_falls(model: Tiny, images: Tensor, norm: str) -> None:
    before = loss(model, images)
    away = pgd(model, images, LABELS, EPS[norm], norm=norm)
    towards = pgd(model, images, LABELS, EPS[norm], norm=norm, targeted=True)
    assert (loss(model, away) > before).all()
    assert (loss(model, towards) < before).all()


@each_norm
def test_many_small_steps_climb_higher_than_a_single_long_one(
    model: Tiny, images: Tensor, norm: str
) -> None:
    many = pgd(model, images, LABELS, EPS[norm], steps=30, norm=norm)
    assert (
        loss(model, many).sum()
        > loss(model, fgsm(model, images, LABELS, EPS[norm], norm=norm)).sum()
    )


@each_norm
@pytest.mark.parametrize("targeted", [False, True])
def test_one_step_of_size_eps_from_the_image_is_fgsm(
    model: Tiny, images: Tensor, norm: str, targeted: bool
) -> None:
    eps = EPS[norm]
    one = pgd(model, images, LABELS, eps, steps=1, step_size=eps, norm=norm, targeted=targeted)
    assert torch.equal(one, fgsm(model, images, LABELS, eps, norm=norm, targeted=targeted))


def test_fgsm_on_a_linear_model_is_the_step_worked_by_hand() -> None:
    """Loss of class 0 with logits (s, 0) falls with s, so FGSM goes against the weights' signs."""

    class Linear(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            s = 2 * images[:, 0, 0, 0] - images[:, 1, 0, 0]
            return torch.stack([s, torch.zeros_like(s)], dim=1)

    image = torch.full((1, 3, 1, 1), 0.5)
    moved = fgsm(Linear(), image, torch.tensor([0]), 0.1)
    assert torch.allclose(moved.flatten(), torch.tensor([0.4, 0.6, 0.5]))
    moved = fgsm(Linear(), image, torch.tensor([0]), 0.1, norm="l2")
    gradient = torch.tensor([-2 / 0.229, 1 / 0.224, 0.0])  # the deviations of the normalisation
    assert torch.allclose(moved.flatten(), 0.5 + 0.1 * gradient / gradient.norm())


def test_the_model_is_left_as_it_was(model: Tiny, images: Tensor) -> None:
    model.train()
    model.body[1].eval()
    model.head.weight.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    pgd(model, images, LABELS, 0.1, steps=2)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert [p.requires_grad for p in model.head.parameters()] == [False, True]


def test_modes_are_restored_when_the_model_fails(images: Tensor) -> None:
    class Broken(Tiny):
        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("broken")

    model = Broken().train()
    with pytest.raises(RuntimeError, match="broken"):
        fgsm(model, images, LABELS, 0.1)
    assert all(module.training for module in model.modules())


@each_norm
def test_batches_give_what_the_whole_gives(model: Tiny, images: Tensor, norm: str) -> None:
    whole = pgd(model, images, LABELS, EPS[norm], steps=3, norm=norm, generator=start())
    parts = pgd(
        model, images, LABELS, EPS[norm], steps=3, norm=norm, generator=start(), batch_size=2
    )
    assert torch.allclose(whole, parts, atol=1e-5)


def test_the_generator_decides_the_start(model: Tiny, images: Tensor) -> None:
    one, same = (pgd(model, images, LABELS, 0.1, steps=1, generator=start()) for _ in range(2))
    assert torch.equal(one, same)
    assert not torch.equal(one, pgd(model, images, LABELS, 0.1, steps=1))


def test_works_under_no_grad_and_with_a_radius_of_zero(model: Tiny, images: Tensor) -> None:
    with torch.no_grad():
        assert torch.equal(pgd(model, images, LABELS, 0.0, steps=2), images)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), eps=st.floats(0.001, 3.0), norm=st.sampled_from(NORMS))
def test_projection_lands_in_the_ball_and_leaves_what_is_there(
    seed: int, eps: float, norm: str
) -> None:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(2, 3, 4, 4, generator=generator)
    moved = clean + 2 * torch.randn(2, 3, 4, 4, generator=generator)
    nearest = project(moved, clean, eps, norm)
    assert (lengths(nearest - clean, norm) <= eps * (1 + 1e-5) + 1e-6).all()
    assert torch.allclose(project(nearest, clean, eps, norm), nearest, atol=1e-6)


def test_a_gradient_of_zero_has_no_direction() -> None:
    for norm in NORMS:
        assert torch.equal(direction(torch.zeros(1, 3, 2, 2), norm), torch.zeros(1, 3, 2, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.rand(3, 8, 8)}, r"must be \(N, 3, H, W\)"),
        ({"images": torch.rand(5, 3, 8, 8) * 255}, "divide 8-bit images by 255"),
        ({"images": torch.zeros(5, 3, 8, 8, dtype=torch.uint8)}, "floating point"),
        ({"labels": torch.tensor([0, 1])}, "one for each of the 5 images"),
        ({"labels": torch.tensor([0, 1, 2, -1, 0])}, "class indices"),
        ({"labels": torch.tensor([0, 1, 2, 4, 0])}, "none of the model's 4 classes"),
        ({"norm": "l1"}, "unknown norm 'l1': use one of linf, l2"),
        ({"eps": -0.1}, "eps must not be negative"),
        ({"steps": 0}, "steps at least 1"),
        ({"step_size": 0.0}, "step_size above 0"),
    ],
)
def test_bad_arguments_are_refused_in_words(
    model: Tiny, images: Tensor, change: dict[str, object], message: str
) -> None:
    arguments = {"images": images, "labels": LABELS, "eps": 0.1} | change
    with pytest.raises(EvaluationError, match=message):
        pgd(model, **arguments)  # type: ignore[arg-type]
