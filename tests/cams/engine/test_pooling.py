"""Maxima of slices are torch's own max pooling, to the last bit, and only where they may stand."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import explain
from xaihelpers.cams.engine.pooling import quick_pools

SIZES = list(itertools.product((1, 2, 3, 5), (1, 2, 3), (0, 1, 2)))


def both(pool: nn.MaxPool2d, features: Tensor) -> tuple[Tensor, Tensor]:
    """The pool's own result, and the one within `quick_pools`."""
    with torch.no_grad():
        own = pool(features)
        with quick_pools([pool]):
            return own, pool(features)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [size for size in SIZES if 2 * size[2] <= size[0]]
)
@pytest.mark.parametrize("shape", [(2, 3, 7, 12), (1, 2, 5, 5)])
def test_every_window_gives_the_same_number(
    kernel: int, stride: int, padding: int, shape: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    own, quick = both(nn.MaxPool2d(kernel, stride, padding), torch.randn(shape))
    assert torch.equal(own, quick)
    assert own.stride() == quick.stride()


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d((3, 2), (1, 2), (1, 0)),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(3),
    ],
    ids=str,
)
def test_unusual_pools_stay_right(pool: nn.MaxPool2d) -> None:
    own, quick = both(pool, torch.randn(2, 3, 9, 11))
    assert torch.equal(own, quick)


def test_features_smaller_than_a_window_are_refused_as_torch_does() -> None:
    pool = nn.MaxPool2d(3)
    with torch.no_grad(), quick_pools([pool]), pytest.raises(RuntimeError, match="too small"):
        pool(torch.randn(1, 2, 8, 2))


def test_nan_infinity_and_equal_values() -> None:
    features = torch.tensor([1.0, torch.nan, -torch.inf, 2, 2, -torch.inf, torch.inf, 0] * 8)
    own, quick = both(nn.MaxPool2d(3, 2, 1), features.view(1, 1, 8, 8))
    torch.testing.assert_close(quick, own, rtol=0, atol=0, equal_nan=True)


def test_the_gradient_is_the_pools_own() -> None:
    pool = nn.MaxPool2d(2)
    features = torch.ones(1, 1, 4, 4, requires_grad=True)
    (own,) = torch.autograd.grad(pool(features).sum(), features)
    with quick_pools([pool]):
        (within,) = torch.autograd.grad(pool(features).sum(), features)
    assert torch.equal(own, within)


def test_the_pool_is_left_as_it_was_even_after_an_error() -> None:
    pool, patched = nn.MaxPool2d(2), nn.MaxPool2d(2)
    patched.forward = lambda features: features * 0  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="stop"), quick_pools([pool, patched]):
        assert "forward" in pool.__dict__
        assert not patched(torch.ones(1, 1, 4, 4)).any()
        raise RuntimeError("stop")
    assert "forward" not in pool.__dict__
    assert not patched(torch.ones(1, 1, 4, 4)).any()


def test_a_pooling_network_is_explained_to_the_last_bit(images: Tensor) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.Flatten())
    ).eval()
    with torch.no_grad():
        logits = net(images)
    result = explain(net, images, "3", target=1)
    assert torch.equal(result.logits, logits)
    assert "forward" not in net[2].__dict__
