"""Bad input gets one clear error that says what to do."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import (
    ExplainError,
    InputError,
    LayerNotFoundError,
    NothingCapturedError,
    TargetError,
    explain,
    explain_classes,
    explain_layers,
)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda images: images.index_fill(0, torch.tensor([2]), torch.nan), r"images \[2\] hold"),
        (lambda images: images * torch.inf, "hold NaN or infinity"),
        (lambda images: images[:0], "batch is empty"),
        (lambda images: images[0], r"got shape \(3, 12, 12\); one image is `image\[None\]`"),
        (lambda images: images[:, None], "batches of 4 dimensions"),
        (lambda images: (images * 255).byte(), "normalised as in training, got .*torch.uint8"),
        (lambda images: images.numpy(), "must be a torch tensor, .* got ndarray"),
    ],
)
def test_images_that_cannot_be_explained(
    net: nn.Module, images: Tensor, spoil: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        explain(net, spoil(images), "last")


@pytest.mark.parametrize("target", [5, -1, [0, 1, 2, 5], [0, 1], torch.zeros(4), np.zeros((2, 2))])
def test_targets_that_do_not_fit(net: nn.Module, images: Tensor, target: object) -> None:
    with pytest.raises(TargetError):
        explain(net, images, "last", target=target)


def test_wrong_count_of_targets_is_told_in_images_of_the_whole_batch(net: nn.Module) -> None:
    with pytest.raises(TargetError, match="got 17 targets for 20 images"):
        explain(net, torch.randn(20, 3, 8, 8), "last", target=[0] * 17)


def test_class_outside_the_model_when_all_classes_are_asked(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(TargetError, match=r"\[7\] is outside the model's 5 classes"):
        explain_classes(net, images, "last", classes=[0, 7])


def test_class_that_was_not_explained(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(TargetError, match=r"class 1 was not explained, only \[0, 2\]"):
        explain_classes(net, images, "last", classes=[0, 2]).of(1)


def test_unknown_layer_suggests_the_nearest(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(LayerNotFoundError, match="nearest: last"):
        explain(net, images, "lasst")


def test_unknown_method_suggests_the_nearest(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(ExplainError, match="'grad_cat'; did you mean 'grad_cam'"):
        explain(net, images, "last", methods=["grad_cat"])


def test_one_method_may_be_given_without_a_list(net: nn.Module, images: Tensor) -> None:
    assert list(explain(net, images, "last", methods="hires_cam").raw) == ["hires_cam"]


def test_no_layer_or_no_method_is_refused(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(ExplainError, match="nothing to do"):
        explain(net, images, "last", methods=[])
    with pytest.raises(ExplainError, match="nothing to do"):
        explain_layers(net, images, [])


def test_a_network_without_convolution_is_refused(images: Tensor) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(432, 8), nn.ReLU(), nn.Linear(8, 3))
    with pytest.raises(NothingCapturedError, match="network has no convolution"):
        explain(net, images, "2")


def test_a_layer_after_the_pooling_is_refused(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(NothingCapturedError, match="name one before the pooling"):
        explain(net, images, "drop")


def test_a_layer_that_does_not_run_is_refused(net: nn.Module, images: Tensor) -> None:
    net.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(NothingCapturedError, match="'spare' did not run"):
        explain(net, images, "spare")


def test_a_layer_that_does_not_matter_is_refused(net: nn.Module, images: Tensor) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.aside = net, nn.Conv2d(3, 3, 1)

        def forward(self, values: Tensor) -> Tensor:
            self.aside(values)
            return self.net(values)

    for layers in (["aside"], ["aside", "net.last"]):
        with pytest.raises(NothingCapturedError, match="does not depend differentiably"):
            explain_layers(Aside().eval(), images, layers)


def test_a_graph_cut_by_detach_is_refused(net: nn.Module, images: Tensor) -> None:
    net.drop.register_forward_hook(lambda module, inputs, output: output.detach())
    with pytest.raises(NothingCapturedError, match=r"without detach\(\)"):
        explain(net, images, "last")


def test_weights_that_are_not_finite_are_reported(net: nn.Module, images: Tensor) -> None:
    nn.init.constant_(net.head.weight, torch.nan)
    with pytest.raises(ExplainError, match="check the model's weights"):
        explain(net, images, "last")
