"""Transforms of torchvision and timm followed step by step, any other measured."""

from collections.abc import Callable

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform
from torch import Tensor, nn
from torchvision import models, transforms
from torchvision.transforms import functional, v2

from xaihelpers.errors import TransformError
from xaihelpers.show.picture import transforms as followed
from xaihelpers.show.picture.measured import measured_geometry

SIZES = [(451, 300), (300, 451), (150, 97), (224, 224)]  # width, height
COMMON = {
    "torchvision preset": models.ResNet50_Weights.DEFAULT.transforms(),
    "torchvision compose": transforms.Compose(
        [transforms.Resize((120, 90)), transforms.Pad((7, 3)), transforms.ToTensor()]
    ),
    "torchvision v2, crop larger than the picture": v2.Compose(
        [v2.Resize(101), v2.CenterCrop((200, 131)), v2.ToImage(), v2.ToDtype(torch.float, True)]
    ),
    "a sequential": nn.Sequential(
        v2.Resize(64), v2.Pad(5), v2.ToImage(), v2.ToDtype(torch.float, True)
    ),
    "timm centre": create_transform((3, 224, 224), is_training=False),
    "timm border": create_transform((3, 200, 224), is_training=False, crop_mode="border"),
    "timm squash": create_transform((3, 96, 128), is_training=False, crop_mode="squash"),
    "timm oblong": create_transform((3, 96, 128), is_training=False, crop_border_pixels=9),
}


def photograph(size: tuple[int, int]) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", COMMON)
def test_the_followed_geometry_is_the_measured_one(name: str, size: tuple[int, int]) -> None:
    transform = COMMON[name]
    inputs, geometry = followed.prepare(photograph(size), transform)
    torch.testing.assert_close(inputs[0], transform(photograph(size)).as_subclass(Tensor))
    assert geometry.size == tuple(inputs.shape[2:])
    measured = measured_geometry(transform, size)
    for y, x in [(0, 0), (size[1], size[0]), (size[1] / 2, size[0] / 3)]:
        np.testing.assert_allclose(geometry.to_input(y, x), measured.to_input(y, x), atol=0.35)


def test_a_function_of_ones_own_is_measured() -> None:
    def transform(image: Image.Image) -> Tensor:
        return functional.to_tensor(image.crop((10, 20, 110, 90)).resize((50, 70)))

    _, geometry = followed.prepare(photograph((150, 120)), transform)
    np.testing.assert_allclose(geometry.to_input(20, 10), (0, 0), atol=0.1)
    np.testing.assert_allclose(geometry.to_input(90, 110), (70, 50), atol=0.1)


def brought(change: Callable[[Tensor], Tensor]) -> Callable[[Image.Image], Tensor]:
    return lambda image: change(functional.to_tensor(image))


@pytest.mark.parametrize(
    ("transform", "words"),
    [
        (brought(lambda x: x.flip(2)), "turns, flips or bends"),
        (brought(lambda x: x.transpose(1, 2)), "turns, flips or bends"),
        (brought(lambda x: x.sqrt()), "turns, flips or bends"),
        (brought(lambda x: x + torch.rand(1)), "draws at random"),
        (brought(torch.zeros_like), "alike"),
        (lambda image: 1 / 0, "fails on a PIL image"),
        (lambda image: image, "floating-point tensor"),
        (transforms.PILToTensor(), "floating-point tensor"),
        (transforms.Compose([transforms.RandomResizedCrop(32), transforms.ToTensor()]), "random"),
    ],
)
def test_what_cannot_be_undone_is_refused(
    transform: Callable[[Image.Image], object], words: str
) -> None:
    with pytest.raises(TransformError, match=words):
        followed.prepare(photograph((60, 50)), transform)


def test_a_timm_network_brings_its_own_transform() -> None:
    model = timm.create_model("tf_efficientnet_lite0")
    inputs, geometry = followed.prepare(photograph((451, 300)), followed.transform_of(model))
    assert inputs.shape == (1, 3, 224, 224)
    assert geometry.to_input(150, 225.5) == pytest.approx((112, 112), abs=0.51)


def test_a_network_without_a_transform_says_what_to_pass() -> None:
    with pytest.raises(TransformError, match=r"ResNet does not say.*weights\.transforms\(\)"):
        followed.transform_of(models.resnet18())
