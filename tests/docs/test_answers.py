"""What the troubleshooting page says and no other test shows."""

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from xaihelpers.cams import explain, explain_classes, targets


class Net(nn.Module):
    """A convolution, ReLU, average pooling, and a linear head without bias."""

    def __init__(self, head: Tensor) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, head.shape[1], 3, padding=1)
        self.last = nn.ReLU()
        self.head = nn.Linear(head.shape[1], len(head), bias=False)
        self.head.weight = nn.Parameter(head)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.last(self.conv(images)).mean((2, 3)))


def images() -> Tensor:
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def test_opencv_s_colour_maps_have_blue_first() -> None:
    hot = cv2.applyColorMap(np.full((1, 1), 255, dtype=np.uint8), cv2.COLORMAP_JET)[0, 0]
    blue, _, red = map(int, hot)
    assert red > blue
    assert cv2.cvtColor(hot[None, None], cv2.COLOR_BGR2RGB)[0, 0, 0] == red


def test_with_two_opposite_logits_the_other_class_has_the_negated_map() -> None:
    torch.manual_seed(0)
    weights = torch.randn(1, 4)
    net = Net(torch.cat([weights, -weights])).eval()
    raw = explain_classes(net, images(), "last").raw["grad_cam"]
    torch.testing.assert_close(raw[:, 0], -raw[:, 1])


def test_channels_of_one_pattern_give_every_class_the_same_picture() -> None:
    torch.manual_seed(0)
    net = Net(torch.rand(3, 4) + 0.1).eval()
    with torch.no_grad():  # every channel is the first one, scaled
        scales = torch.tensor([1.0, 2.0, 0.5, 3.0])
        net.conv.weight.copy_(scales[:, None, None, None] * net.conv.weight[:1])
        net.conv.bias.copy_(scales * net.conv.bias[0])
    found = explain_classes(net, images(), "last", methods=["grad_cam", "grad_cam_plus_plus"])
    for maps in found.maps.values():
        assert maps.amax() == 1
        torch.testing.assert_close(maps, maps[:, :1].expand_as(maps), rtol=1e-4, atol=1e-5)


def test_one_output_is_explained_for_yes_and_for_no() -> None:
    torch.manual_seed(0)
    net = Net(torch.randn(1, 4)).eval()
    yes = explain(net, images(), "last", target=0)
    no = explain(net, images(), "last", target=targets.counterfactual(0))
    torch.testing.assert_close(no.scores, -yes.logits[:, 0])
    torch.testing.assert_close(no.raw["grad_cam"], -yes.raw["grad_cam"])


class Arranged(nn.Module):
    """(N, 1 + h w, C) tokens -> (N, C, h, w), without the class token."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.size = (height, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, self.size)


class Transformer(nn.Module):
    """4 x 4 patches, one encoder layer, the mean of the patch tokens, a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.first = nn.Parameter(torch.zeros(1, 1, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.map = Arranged(2, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, pictures: Tensor) -> Tensor:
        tokens = self.patches(pictures).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(tokens), -1, -1), tokens], dim=1)
        return self.head(self.map(self.block(tokens)).mean((2, 3)))


def test_tokens_are_explained_through_a_module_that_arranges_them() -> None:
    torch.manual_seed(0)
    net = Transformer().eval()
    found = explain(net, images(), "map", target=1, methods=["grad_cam", "hires_cam"])
    assert found.raw["grad_cam"].shape == (2, 2, 2)
    torch.testing.assert_close(found.raw["hires_cam"], found.raw["grad_cam"])
    total = found.raw["hires_cam"].sum((1, 2)) + net.head.bias[1]
    torch.testing.assert_close(total, found.logits[:, 1])


def test_rounding_lets_a_max_pooling_send_its_gradient_to_another_cell() -> None:
    values = torch.tensor([[[[1.0, 1.001], [0.5, 0.2]]]])
    winners = []
    for dtype in (torch.float32, torch.bfloat16):
        leaf = values.to(dtype).requires_grad_()
        (gradient,) = torch.autograd.grad(nn.functional.max_pool2d(leaf, 2).sum(), leaf)
        winners.append(int(gradient.argmax()))
    assert winners == [1, 0]
