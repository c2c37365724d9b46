"""The maps that heads and captioners are trained on."""

import torch
from torch import nn

from xaihelpers import networks
from xaihelpers.networks.frozen import frozen_maps


def test_frozen_maps_are_what_the_trunk_gives_in_evaluation_mode() -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3, 8), nn.Dropout(0.5))
    images = torch.randint(0, 255, (5, 3, 32, 32), dtype=torch.uint8)
    samples = [(image, index % 2) for index, image in enumerate(images)]
    maps, labels = frozen_maps(trunk, samples, batch_size=2)
    expected = trunk.eval()(networks.normalize(images)).detach()
    assert maps.dtype == torch.float16
    assert maps.is_contiguous()
    torch.testing.assert_close(maps.float(), expected, rtol=0.03, atol=0.03)
    assert labels.tolist() == [0, 1, 0, 1, 0]
