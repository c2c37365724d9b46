"""What stands in for removed pixels: by hand, and against the package grad-cam's imputation."""

import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import Tensor
from torch.nn import functional as F

from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import removal


def smooth(count: int = 3, side: int = 48) -> Tensor:
    return F.interpolate(torch.randn(count, 3, 6, 6), (side, side), mode="bilinear")


def test_one_missing_pixel_is_the_weighted_mean_of_its_neighbours() -> None:
    image = torch.tensor([[[[6.0, 12.0, 6.0], [0.0, 99.0, 0.0], [12.0, 24.0, 0.0]]]])
    removed = torch.zeros(1, 3, 3, dtype=torch.bool)
    removed[0, 1, 1] = True
    # (12 + 0 + 0 + 24) / 6 + (6 + 6 + 12 + 0) / 12 = 6 + 2
    filled = removal.impute(image, removed)
    assert filled[0, 0, 1, 1].item() == pytest.approx(8)
    assert torch.equal(filled[~removed[:, None]], image[~removed[:, None]])


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # of the peer
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_imputation_equals_that_of_the_package_grad_cam(share: float) -> None:
    images, heat = smooth(), smooth()[:, 0]
    removed = heat > heat.flatten(1).quantile(1 - share, dim=1)[:, None, None]
    peer = NoisyLinearImputer(noise=0)
    expected = [peer(i, (~r).float()) for i, r in zip(images, removed, strict=True)]
    ours = removal.impute(images, removed, tolerance=1e-6)
    torch.testing.assert_close(ours, torch.stack(expected), atol=2e-3, rtol=0)


def test_the_usual_tolerance_is_off_by_less_than_the_noise() -> None:
    images, heat = smooth(side=96), smooth(side=96)[:, 0]
    removed = heat > 0
    exact = removal.impute(images, removed, tolerance=1e-6)
    error = (removal.impute(images, removed) - exact)[removed[:, None].expand_as(images)].abs()
    assert float(error.mean()) < removal.NOISE


def test_a_ramp_is_continued_through_a_hole() -> None:
    ramp = torch.arange(12.0).expand(1, 1, 12, 12).contiguous()
    removed = torch.zeros(1, 12, 12, dtype=torch.bool)
    removed[:, 4:8, 4:8] = True
    torch.testing.assert_close(
        removal.impute(ramp, removed, tolerance=1e-6), ramp, atol=1e-3, rtol=0
    )


def test_an_image_removed_altogether_becomes_its_mean_and_nothing_removed_changes_nothing() -> None:
    images = smooth(2)
    removed = torch.zeros(2, 48, 48, dtype=torch.bool)
    removed[0] = True
    filled = removal.impute(images, removed)
    torch.testing.assert_close(filled[0], removal.mean(images)[0])
    assert torch.equal(filled[1], images[1])


def test_noise_is_added_where_pixels_were_removed_and_nowhere_else() -> None:
    images, removed = smooth(1), torch.rand(1, 48, 48) > 0.5
    noise = torch.randn(1, 3, 48, 48)
    bare, noisy = removal.impute(images, removed), removal.impute(images, removed, noise)
    torch.testing.assert_close(noisy - bare, noise * removed[:, None], atol=1e-5, rtol=0)
    drawn = removal.impute(images, removed, 0.5) - bare
    assert float(drawn[removed[:, None].expand_as(drawn)].std()) == pytest.approx(0.5, rel=0.1)


def test_fillings_hold_what_they_say() -> None:
    images = smooth(2) + 1
    torch.testing.assert_close(removal.mean(images).var(dim=(2, 3)), torch.zeros(2, 3))
    assert not removal.zero(images).any()
    blurred = removal.blur(images)
    assert blurred.shape == images.shape
    assert float(blurred.diff(dim=3).abs().mean()) < 0.8 * float(images.diff(dim=3).abs().mean())


def test_wrong_names_and_shapes_are_refused() -> None:
    with pytest.raises(EvaluationError, match="unknown filling 'black'"):
        removal.filling("black")
    with pytest.raises(EvaluationError, match="removed must be bool"):
        removal.impute(smooth(), torch.ones(3, 48, 48))


def sketches(count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures without any class, and masks whose outline is the class: upright or lying bars."""
    images = F.interpolate(torch.randn(count, 1, 4, 4), (24, 24), mode="bicubic")
    images = images + removal.NOISE * torch.randn_like(images)
    labels = torch.arange(count) % 2
    masks = torch.zeros(count, 24, 24, dtype=torch.bool)
    for mask, label in zip(masks, labels.tolist(), strict=True):
        at = int(torch.randint(2, 16, ()))
        (mask if label else mask.T)[at : at + 6, 3:21] = True
    return images, labels, masks


def learned(images: Tensor, labels: Tensor) -> float:
    """Accuracy on the last third of a small network trained on the first two thirds."""
    model = torch.nn.Sequential(
        *(torch.nn.Conv2d(1, 12, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2)),
        *(torch.nn.Conv2d(12, 16, 3), torch.nn.ReLU(), torch.nn.AdaptiveMaxPool2d(1)),
        *(torch.nn.Flatten(), torch.nn.Linear(16, 2)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    cut = 2 * len(images) // 3
    for _ in range(60):
        chosen = torch.randint(0, cut, (64,))
        optimizer.zero_grad()
        F.cross_entropy(model(images[chosen]), labels[chosen]).backward()
        optimizer.step()
    return float((model(images[cut:]).argmax(1) == labels[cut:]).float().mean())


def test_a_flat_filling_leaks_the_masks_outline_and_imputation_hides_it() -> None:
    images, labels, masks = sketches(600)
    flat = torch.where(masks[:, None], removal.zero(images), images)
    imputed = removal.impute(images, masks, removal.NOISE)
    assert learned(flat, labels) > 0.95
    assert learned(imputed, labels) < 0.75
    assert learned(images, labels) < 0.6
