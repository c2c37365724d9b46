"""Activations and gradients of logit and probability, against their closed forms."""

import torch
from torch import nn

from xaihelpers.study import layer_tensors


def test_gradients_behind_average_pooling_are_those_of_the_closed_form() -> None:
    torch.manual_seed(0)
    conv, linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)
    model = nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear).eval()
    images, classes = torch.rand(2, 3, 7, 7), torch.tensor([2, 0])
    (found,) = layer_tensors(model, images, ["0"], classes)
    weights = linear.weight.detach()
    torch.testing.assert_close(found.activations, conv(images).detach())
    expected = weights[classes][:, :, None, None].expand(2, 4, 5, 5) / 25
    torch.testing.assert_close(found.gradients, expected)
    share = model(images).softmax(dim=1).detach()
    # dp_c = p_c (dy_c - sum_j p_j dy_j)
    own = share.gather(1, classes[:, None])
    slope = own * (weights[classes] - share @ weights) / 25
    torch.testing.assert_close(
        found.probability_gradients, slope[:, :, None, None].expand(2, 4, 5, 5)
    )
