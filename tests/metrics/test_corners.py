"""Corners of an image, and maps drawn where their cells sit."""

import math

import pytest
import torch
from torch import nn

from xaihelpers.cams.maps import upsample
from xaihelpers.errors import EvaluationError
from xaihelpers.metrics import corners


def test_corner_triangles_cover_their_share_and_never_touch_the_inscribed_disc() -> None:
    triangles = corners.corner_triangles((224, 224))
    assert triangles.float().mean().item() == pytest.approx(3 - 2 * math.sqrt(2), abs=0.002)
    axis = (torch.arange(224) + 0.5) / 112 - 1
    disc = axis[:, None] ** 2 + axis[None] ** 2 <= 1
    assert not (triangles & disc).any()
    assert all(triangles[row, column] for row in (0, -1) for column in (0, -1))


def test_cells_in_the_middle_of_their_blocks_give_the_plain_upsampling() -> None:
    heat = torch.rand(2, 7, 7, dtype=torch.float64)
    placed = corners.place(heat, (56, 56), first=3.5, step=8)
    assert torch.allclose(placed, upsample(heat, (56, 56)), atol=1e-12)


def test_a_hot_cell_is_drawn_around_its_centre() -> None:
    heat = torch.zeros(1, 4, 4)
    heat[0, 2, 1] = 1.0
    placed = corners.place(heat, (32, 32), first=0, step=8)[0]
    assert placed[16, 8] == 1.0  # row 2, column 1, cells 8 pixels apart from pixel 0 on
    assert placed[12, 8] == placed[20, 8] == 0.5
    assert placed[24:].sum() == 0


def test_the_border_goes_on_beyond_the_outermost_centres() -> None:
    heat = torch.tensor([[[0.0, 1.0]]])
    assert corners.place(heat, (1, 8), first=0, step=2)[0, 0].tolist() == [0, 0.5, *[1] * 6]


def test_cells_of_padded_strided_convolutions_sit_at_multiples_of_the_stride() -> None:
    network = nn.Sequential(*[nn.Conv2d(1, 1, 3, 2, 1, bias=False) for _ in range(3)])
    for layer in network:
        nn.init.ones_(layer.weight)
    image = torch.zeros(1, 1, 64, 64, requires_grad=True)
    (seen,) = torch.autograd.grad(network(image)[0, 0, 3, 4], image)
    rows, columns = seen[0, 0].sum(1), seen[0, 0].sum(0)
    place = torch.arange(64.0)
    assert ((rows * place).sum() / rows.sum()).item() == pytest.approx(3 * 8)
    assert ((columns * place).sum() / columns.sum()).item() == pytest.approx(4 * 8)


@pytest.mark.parametrize("step", [0, -1])
def test_a_step_that_leads_nowhere_is_refused(step: float) -> None:
    with pytest.raises(EvaluationError, match="step"):
        corners.place(torch.ones(1, 2, 2), (4, 4), 0, step)
