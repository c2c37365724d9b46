"""An opt-in copy of a network that explains faster.

Batch norms are folded, channels stand last and, on a CPU, convolutions are packed with the
activation that follows them (`xaihelpers.cams.engine.packed`). Not compiled: inductor gained 7 % or
nothing on top of the first two, for 10 to 70 s of compilation a network and a C++ compiler that
many machines lack; packing gains more, at once.
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

from xaihelpers.cams.engine.explain import explain_layers
from xaihelpers.cams.engine.packed import ACTIVATIONS, PackedConv2d, packable
from xaihelpers.cams.hooks import find_layer, unwrap
from xaihelpers.cams.methods import METHODS
from xaihelpers.errors import ExplainError

AGREEMENT = 0.999  # least correlation with the original's raw maps


def accelerate(
    model: nn.Module,
    layers: Sequence[str | nn.Module],
    dtype: torch.dtype = torch.float32,
    check: Tensor | None = None,
    methods: Sequence[str] = tuple(METHODS),
) -> nn.Module:
    """Copy a network so that the copy gives the same maps at `layers` in less time.

    The batch norm and the activation that follow a convolution become part of it. At any *other*
    such convolution, the copy's output is therefore that of what follows: name here every layer to
    be explained. In float32, maps agree to rounding. A shorter type must prove itself on `check`.
    It does at the last layer of the shipped networks, but not for XGrad-CAM at a signed layer,
    which divides by a sum near zero.

    Args:
        model: a network that `torch.fx` can trace. It is left as it is.
        layers: names or modules whose own output stays as it is.
        dtype: of weights and features. Images are cast on entry.
        check: (N, channels, *S), images like those to be explained. The maps of each image, for
            its predicted class, must correlate with those of `model` to at least `AGREEMENT`.
        methods: the methods whose maps are checked. An empty list trusts the copy.

    Returns:
        The copy, in evaluation mode.

    Raises:
        LayerNotFoundError: a layer does not exist.
        ExplainError: the network cannot be traced, `dtype` is shorter than float32 and `check` is
            missing, or the maps differ.

    Example:
        >>> norm = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()]
        >>> net = nn.Sequential(*norm, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> accelerate(net, ["2"])[1]
        Identity()
    """
    if check is None and torch.finfo(dtype).bits < 32:
        raise ExplainError(
            f"{dtype} may change maps; pass `check`, a batch of images to compare them on"
        )
    kept = {find_layer(model, layer)[0] for layer in layers}
    fast = copy.deepcopy(unwrap(model)).eval()
    chains = _chains(fast)
    for first, norm, _ in chains:
        if norm and not _ends_between(kept, first, norm):
            folded = fuse_conv_bn_eval(fast.get_submodule(first), fast.get_submodule(norm))  # type: ignore[type-var, arg-type]
            _replace(fast, first, folded)
            _replace(fast, norm, nn.Identity())
    fast.to(dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    for first, norm, activation in chains:
        _pack(fast, kept, first, norm, activation)
    fast.eval()  # the new modules too, or every explanation would switch them over and back

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
    """Measure how well the raw maps of two networks agree.

    Both are explained for the class that `model` predicts. Two maps without any variation, all
    zero for example, agree; a map with and a map without variation do not.

    Args:
        model: the network that gives the expected maps.
        fast: the network that is compared with it.
        images: (N, channels, *S).
        layers: dotted names.
        methods: names in `METHODS`.

    Returns:
        (layer, method) -> the least correlation over the images, in [-1, 1].

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> worst = agreement(net, net, torch.rand(2, 3, 8, 8), ["0"], ["grad_cam"])
        >>> round(worst["0", "grad_cam"], 6)
        1.0
    """
    expected = explain_layers(model, images, layers, target=None, methods=methods)
    target = expected[layers[0]].logits.argmax(dim=1)
    actual = explain_layers(fast, images, layers, target=target, methods=methods)
    return {
        (layer, name): float(_correlation(expected[layer].raw[name], actual[layer].raw[name]).min())
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


def _refuse_other_maps(correlations: dict[tuple[str, str], float], dtype: torch.dtype) -> None:
    worst = [
        f"{name} at {layer} {value:.4f}"
        for (layer, name), value in correlations.items()
        if value < AGREEMENT
    ]
    if worst:
        raise ExplainError(
            f"in {dtype} these maps correlate with the original's to less than {AGREEMENT}: "
            f"{', '.join(worst)}; leave them out of `methods`, or stay with float32"
        )


def _ends_between(kept: set[str], first: str, second: str) -> bool:
    """Whether the output of a kept layer is that of `first`, before `second` has worked on it."""
    return any(_inside(first, layer) and not _inside(second, layer) for layer in kept)


def _inside(name: str, layer: str) -> bool:
    return not layer or name == layer or name.startswith(f"{layer}.")


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    """Put a module in the place of another (torch has this since 2.5)."""
    parent, _, child = name.rpartition(".")
    setattr(model.get_submodule(parent), child, module)


def _pack(
    model: nn.Module, kept: set[str], first: str, norm: str | None, activation: str | None
) -> None:
    """Pack a convolution, with its activation if nothing that is kept lies between them."""
    convolution = model.get_submodule(first)
    if not packable(convolution):
        return
    between = [name for name in (first, norm) if name]
    folded = norm is None or isinstance(model.get_submodule(norm), nn.Identity)
    last = None
    if activation and folded and not any(_ends_between(kept, name, activation) for name in between):
        last = model.get_submodule(activation)
        _replace(model, activation, nn.Identity())
    _replace(model, first, PackedConv2d(convolution, last))  # type: ignore[arg-type]


def _chains(model: nn.Module) -> list[tuple[str, str | None, str | None]]:
    """Convolutions used once, each with the batch norm and activation that alone read it."""
    try:
        graph = fx.Tracer().trace(model)
    except Exception as error:
        raise ExplainError(
            f"torch.fx cannot trace {type(model).__name__} ({error}); explain the model itself"
        ) from error
    names = [str(node.target) for node in graph.nodes if node.op == "call_module"]

    def called(node: fx.Node | None) -> nn.Module | None:
        """What the node calls, if that is a module used once."""
        if node is None or node.op != "call_module" or names.count(str(node.target)) > 1:
            return None
        return model.get_submodule(str(node.target))

    def reader(node: fx.Node) -> fx.Node | None:
        return next(iter(node.users)) if len(node.users) == 1 else None

    chains = []
    for node in graph.nodes:
        convolution, norm, after = called(node), None, reader(node)
        if not isinstance(convolution, _ConvNd) or convolution.transposed:
            continue
        following = called(after)
        if after and isinstance(following, _BatchNorm) and following.running_mean is not None:
            norm, after = str(after.target), reader(after)
        activation = str(after.target) if after and type(called(after)) in ACTIVATIONS else None
        chains.append((str(node.target), norm, activation))
    return chains
