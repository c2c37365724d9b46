"""A convolution for oneDNN: its weights are sorted once, its activation is part of the same pass.

A stock convolution sorts its weights into the order that oneDNN wants at every call. The operators
that sort once are private to torch: `runs_packed` tries them, and where they fail the stock
convolution runs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.SiLU: "swish",
    nn.Sigmoid: "sigmoid",
    nn.Hardswish: "hardswish",
}


@cache
def runs_packed(dtype: torch.dtype) -> bool:
    """Whether this processor and this torch run a packed convolution of `dtype`: one is tried."""
    layout = ([0, 0], [1, 1], [1, 1], 1)
    features, weight = torch.ones(1, 1, 3, 3, dtype=dtype), torch.ones(1, 1, 2, 2, dtype=dtype)
    try:
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *layout, [1, 1, 3, 3])
        run = torch.ops.mkldnn._convolution_pointwise
        result: Tensor = run(features, packed, None, *layout, "relu", [], "")
    except (RuntimeError, AttributeError):  # the processor lacks the instructions, torch the call
        return False
    return bool((result == 4).all())


def packable(convolution: nn.Module) -> bool:
    """Whether oneDNN runs this convolution, a plain 2-D one in float32 or bfloat16, on a CPU."""
    if type(convolution) is not nn.Conv2d or not torch.backends.mkldnn.is_available():
        return False
    if convolution.padding_mode != "zeros" or isinstance(convolution.padding, str):
        return False
    weight = convolution.weight
    usual = weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.bfloat16)
    return usual and runs_packed(weight.dtype)


class PackedConv2d(nn.Module):
    """`convolution`, then `activation`: one quick pass where no gradient is recorded on a CPU.

    Elsewhere, and where `runs_packed` is false, the two run one after the other.

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
        usual = features.device.type == "cpu" and features.dtype == weight.dtype
        if stock or not usual or not runs_packed(weight.dtype):
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
