"""A convolution for oneDNN: its weights are sorted once, its activation is part of the same pass.

A stock convolution sorts its weights into the order oneDNN wants at every call, which for a single
image costs as much as a part of the convolution itself.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.SiLU: "swish",
    nn.Sigmoid: "sigmoid",
    nn.Hardswish: "hardswish",
}


def packable(convolution: nn.Module) -> bool:
    """Whether oneDNN runs this convolution, a plain 2-D one in float32 or bfloat16, on a CPU."""
    if type(convolution) is not nn.Conv2d or not torch.backends.mkldnn.is_available():
        return False
    if convolution.padding_mode != "zeros" or isinstance(convolution.padding, str):
        return False
    types = [torch.float32]
    if torch.ops.mkldnn._is_mkldnn_bf16_supported():
        types.append(torch.bfloat16)
    return convolution.weight.device.type == "cpu" and convolution.weight.dtype in types


class PackedConv2d(nn.Module):
    """`convolution`, then `activation`: one quick pass where no gradient is recorded on a CPU.

    Elsewhere the two run one after the other, as they would have without this.

    Args:
        convolution: one that is `packable`.
        activation: of a type in `ACTIVATIONS`, or None.
    """

    def __init__(self, convolution: nn.Conv2d, activation: nn.Module | None = None) -> None:
        super().__init__()
        self.convolution = convolution
        self.activation = nn.Identity() if activation is None else activation
        self._fused = "none" if activation is None else ACTIVATIONS[type(activation)]
        self._packed: Tensor | None = None
        self._packed_from: tuple[int, int] | None = None

    def forward(self, features: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, K, H', W')."""
        own, weight = self.convolution, self.convolution.weight
        stock = torch.is_grad_enabled() or torch.is_autocast_enabled(features.device.type)
        if stock or features.device.type != "cpu" or features.dtype != weight.dtype:
            activated: Tensor = self.activation(own(features))
            return activated
        layout = (own.padding, own.stride, own.dilation, own.groups)
        if self._packed_from != (weight.data_ptr(), weight._version):
            sort = torch.ops.mkldnn._reorder_convolution_weight
            self._packed = sort(weight.detach(), *layout, list(features.shape))
            self._packed_from = weight.data_ptr(), weight._version
        run = torch.ops.mkldnn._convolution_pointwise
        result: Tensor = run(features, self._packed, own.bias, *layout, self._fused, [], "")
        return result

    def __getstate__(self) -> dict[str, Any]:
        """Without the sorted weights, which cannot be copied and are made again when needed."""
        return self.__dict__ | {"_packed": None, "_packed_from": None}
