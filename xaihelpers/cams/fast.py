"""An opt-in copy of a network that explains faster: batch norms folded, channels last.

Not compiled: in trials with inductor, weights frozen, float32 copies of EfficientNet-B0,
DenseNet-121 and ResNet-50 gained 7 % or nothing in their forward pass, for 10 to 70 s of
compilation each and a C++ compiler that many machines lack.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xaihelpers.cams.engine import explain_layers
from xaihelpers.cams.errors import ExplainError
from xaihelpers.cams.hooks import find_layer, unwrap
from xaihelpers.cams.methods import METHODS

AGREEMENT = 0.999  # least correlation with the original's raw maps


def accelerate(
    model: nn.Module,
    layers: Sequence[str | nn.Module],
    dtype: torch.dtype = torch.float32,
    check: Tensor | None = None,
    methods: Sequence[str] = tuple(METHODS),
) -> nn.Module:
    """Copy of `model` in evaluation mode that gives the same maps at `layers` in less time.

    A batch norm that follows a convolution is folded into it: at any *other* folded convolution
    the copy's output is that of the batch norm, so name here every layer to be explained.
    In float32 maps agree to rounding. A shorter type must prove itself on `check`: it does at the
    last layer of the shipped networks, but not for XGrad-CAM at a signed layer, which divides by a
    sum near zero.

    Args:
        model: a network that `torch.fx` can trace; left as it is.
        layers: names or modules whose own output stays what it is.
        dtype: of weights and features; images are cast on entry.
        check: (N, channels, *size) images such as will be explained; the maps of each, for its
            predicted class, must correlate with those of `model` to at least `AGREEMENT`.
        methods: whose maps are checked; none = trust the copy.

    Raises:
        LayerNotFoundError: a layer does not exist.
        ExplainError: the network cannot be traced, `dtype` is shorter than float32 and there is
            no `check`, or the maps differ.
    """
    if check is None and torch.finfo(dtype).bits < 32:
        raise ExplainError(
            f"{dtype} may change maps; pass `check`, a batch of images to compare them on"
        )
    kept = {find_layer(model, layer)[0] for layer in layers}
    fast = copy.deepcopy(unwrap(model)).eval()
    for first, second in _pairs(fast):
        if first not in kept:
            convolution, norm = fast.get_submodule(first), fast.get_submodule(second)
            fast.set_submodule(first, fuse_conv_bn_eval(convolution, norm))  # type: ignore[type-var, arg-type]
            fast.set_submodule(second, nn.Identity())
    fast.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def cast(module: nn.Module, images: tuple[Any, ...]) -> tuple[Tensor, ...]:
        return (images[0].to(dtype, memory_format=torch.channels_last), *images[1:])

    fast.register_forward_pre_hook(cast)
    if check is not None and methods:
        _refuse_other_maps(agreement(model, fast, check, sorted(kept), methods), dtype)
    return fast


def agreement(
    model: nn.Module,
    fast: nn.Module,
    images: Tensor,
    layers: Sequence[str],
    methods: Sequence[str] = tuple(METHODS),
) -> dict[tuple[str, str], float]:
    """(layer, method) -> least correlation, over the images, of two networks' raw maps.

    Both are explained for the class that `model` predicts. Two maps without any variation, all
    zero for example, agree; one without does not.
    """
    expected = explain_layers(model, images, layers, None, methods)
    target = expected[layers[0]].logits.argmax(dim=1)
    found = explain_layers(fast, images, layers, target, methods)
    return {
        (layer, name): float(_correlation(expected[layer].raw[name], found[layer].raw[name]).min())
        for layer in layers
        for name in methods
    }


def _correlation(first: Tensor, second: Tensor) -> Tensor:
    """Pearson's correlation per map, (N, *S) twice -> (N,)."""
    one, other = (maps.double().flatten(1) for maps in (first, second))
    one, other = (maps - maps.mean(dim=1, keepdim=True) for maps in (one, other))
    product = one.norm(dim=1) * other.norm(dim=1)
    both_flat = (one.norm(dim=1) == 0) & (other.norm(dim=1) == 0)
    return torch.where(product > 0, (one * other).sum(dim=1) / product, both_flat.double())


def _refuse_other_maps(found: dict[tuple[str, str], float], dtype: torch.dtype) -> None:
    worst = [
        f"{name} at {layer} {value:.4f}"
        for (layer, name), value in found.items()
        if value < AGREEMENT
    ]
    if worst:
        raise ExplainError(
            f"in {dtype} these maps correlate with the original's to less than {AGREEMENT}: "
            f"{', '.join(worst)}; leave them out of `methods`, or stay with float32"
        )


def _pairs(model: nn.Module) -> list[tuple[str, str]]:
    """Names of convolutions and of the batch norm that alone reads each, both used once."""
    try:
        graph = fx.Tracer().trace(model)
    except Exception as error:
        raise ExplainError(
            f"torch.fx cannot trace {type(model).__name__} ({error}); explain the model itself"
        ) from error
    calls = [node for node in graph.nodes if node.op == "call_module"]
    names = [str(node.target) for node in calls]
    pairs = []
    for node in calls:
        source = node.args[0] if node.args else None
        if not isinstance(source, fx.Node) or source not in calls or len(source.users) > 1:
            continue
        pair = str(source.target), str(node.target)
        convolution, norm = (model.get_submodule(name) for name in pair)
        foldable = (
            isinstance(convolution, _ConvNd)
            and not convolution.transposed
            and isinstance(norm, _BatchNorm)
            and norm.running_mean is not None
        )
        if foldable and all(names.count(name) == 1 for name in pair):
            pairs.append(pair)
    return pairs
