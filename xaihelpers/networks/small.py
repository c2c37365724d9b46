"""A small VGG in two forms that differ in the head alone: fully connected, or GAP and linear."""

from __future__ import annotations

from torch import Tensor, nn

SMALL = ("small_vgg", "small_vgg_gap")
_WIDTHS = ((24,), (48,), (96, 96), (160, 160), (192, 192))  # of the convolutions, block by block


class SmallVGG(nn.Module):
    """Eight 3x3 convolutions with batch norm in five blocks, made for images of 128 px.

    With `gap` the last activations (stride 16) go through global average pooling into one linear
    layer, as Zhou et al. 2016 (arXiv 1512.04150) rebuilt VGG for CAM. Without, they go through a
    fifth pooling, 4 x 4 cells and two fully connected layers, as in VGG itself, and have no CAM.
    """

    def __init__(self, num_classes: int, gap: bool = False) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        channels = 3
        for block in _WIDTHS:
            layers += [nn.MaxPool2d(2)] if layers else []
            for width in block:
                layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False)]
                layers += [nn.BatchNorm2d(width), nn.ReLU()]
                channels = width
        self.features = nn.Sequential(*layers)
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if gap:
            self.pool: nn.Module = nn.AdaptiveAvgPool2d(1)
            self.head: nn.Module = nn.Linear(channels, num_classes)
        else:
            self.pool = nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(4))
            self.head = nn.Sequential(
                nn.Linear(16 * channels, 256, bias=False),
                nn.BatchNorm1d(256),
                nn.ReLU(),
                nn.Dropout(0.3),
                nn.Linear(256, num_classes),
            )

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) normalised images, sides of at least 32 px -> (N, C) logits."""
        return self.head(self.pool(self.features(images)).flatten(1))
