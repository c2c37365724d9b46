"""Forward and backward hooks that leave no trace, and how a layer is found and tapped.

`ForwardHook` and `BackwardHook` show the mechanism one piece at a time; `capture` is the pair the
engine uses: it starts recording gradients at the layer and nowhere before it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from xaihelpers.errors import LayerNotFoundError, NothingCapturedError

_WRAPPERS = ("_orig_mod", "module")  # torch.compile; DataParallel and DistributedDataParallel


def unwrap(model: nn.Module) -> nn.Module:
    """The network inside `torch.compile`, `DataParallel` and `DistributedDataParallel`."""
    wrapped = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        if "_orig_mod" in model._modules:
            model = model._modules["_orig_mod"]  # type: ignore[assignment]
        elif isinstance(model, wrapped):
            model = model.module
        else:
            return model


def find_layer(model: nn.Module, layer: str | nn.Module) -> tuple[str, nn.Module]:
    """Dotted name and module of a layer, given either; wrappers' prefixes may be left out.

    Raises:
        LayerNotFoundError: no such layer; the message suggests the nearest names.
    """
    network = unwrap(model)
    if isinstance(layer, nn.Module):
        for name, module in network.named_modules():
            if module is layer:
                return name, module
        raise LayerNotFoundError(
            f"the given {type(layer).__name__} is not part of this {type(network).__name__}; "
            "pass a module of this very model, or its dotted name"
        )
    name = layer
    while name:
        try:
            return name, network.get_submodule(name)
        except AttributeError:
            prefix, _, rest = name.partition(".")
            name = rest if prefix in _WRAPPERS else ""
    names = [known for known, _ in network.named_modules() if known]
    near = difflib.get_close_matches(layer, names, n=3, cutoff=0.5) or names[-3:]
    raise LayerNotFoundError(
        f"{type(network).__name__} has no layer {layer!r}; nearest: {', '.join(near)}. "
        "`[name for name, _ in model.named_modules()]` lists all"
    )


class ForwardHook:
    """Keeps what a module gives out, while the `with` block runs.

    Args:
        module: the layer to listen to.
        clone: keep a copy. Without it an in-place operation right after the layer, such as
            `nn.ReLU(inplace=True)`, silently changes what was kept.

    Attributes:
        outputs: one detached tensor per call of the module.
    """

    def __init__(self, module: nn.Module, clone: bool = True) -> None:
        self.module, self.clone = module, clone
        self.outputs: list[Tensor] = []

    def _keep(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        kept = output.detach()
        self.outputs.append(kept.clone() if self.clone else kept)

    def __enter__(self) -> ForwardHook:
        self._handle = self.module.register_forward_hook(self._keep)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handle.remove()

    @property
    def output(self) -> Tensor:
        """What the module gave out last.

        Raises:
            NothingCapturedError: the module has not run inside the `with` block.
        """
        if not self.outputs:
            raise NothingCapturedError("the module has not run yet; call the model in the block")
        return self.outputs[-1]


class BackwardHook:
    """Keeps the gradient that reaches a module's output, while the `with` block runs.

    A tensor hook is set from within a forward hook. Unlike `register_full_backward_hook` this
    survives an in-place operation right after the module, and unlike the deprecated
    `register_backward_hook` it is right for modules of several operations.

    Attributes:
        gradients: one tensor per backward pass through each use of the module, last use first.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.gradients: list[Tensor] = []

    def _watch(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        if output.requires_grad:
            self._handles.append(output.register_hook(self._keep))

    def _keep(self, gradient: Tensor) -> None:
        self.gradients.append(gradient.detach().clone())

    def __enter__(self) -> BackwardHook:
        self._handles = [self.module.register_forward_hook(self._watch)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def gradient(self) -> Tensor:
        """The gradient that arrived last.

        Raises:
            NothingCapturedError: no backward pass has reached the module's output.
        """
        if not self.gradients:
            raise NothingCapturedError(
                "no gradient has reached the module; run the model in the block with gradients "
                "on (not under torch.no_grad), then a backward pass from one of its outputs"
            )
        return self.gradients[-1]


class Tap:
    """Where a layer's output was tapped; one entry per use of the layer.

    Attributes:
        name: dotted name of the layer.
        tensors: outputs (N, K, *S), part of the graph of everything computed after them.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.tensors: list[Tensor] = []

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Forward hook: tap the (first) tensor of the output and pass on a copy of it."""
        if isinstance(output, Tensor):
            return self._tap(output)
        if isinstance(output, (tuple, list)):
            parts = list(output)
            for position, part in enumerate(parts):
                if isinstance(part, Tensor) and part.is_floating_point():
                    parts[position] = self._tap(part)
                    named = hasattr(output, "_fields")
                    return type(output)(*parts) if named else type(output)(parts)
        raise NothingCapturedError(
            f"layer {self.name!r} gives {type(output).__name__} without a floating-point tensor; "
            "name a layer that gives a feature map (N, K, height, width)"
        )

    def _tap(self, output: Tensor) -> Tensor:
        if torch.is_inference_mode_enabled():
            raise NothingCapturedError(
                f"layer {self.name!r} runs in the model's own torch.inference_mode block, where "
                "no gradient can be had; let the model use torch.no_grad there"
            )
        torch.set_grad_enabled(True)
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        self.tensors.append(output)
        return output.clone()  # a following in-place operation must not touch what was tapped

    @property
    def activations(self) -> Tensor:
        """Detached output of a layer that ran exactly once.

        Raises:
            NothingCapturedError: it ran not at all, or several times.
        """
        if len(self.tensors) != 1:
            raise NothingCapturedError(
                f"layer {self.name!r} ran {len(self.tensors)} times, expected once"
            )
        return self.tensors[0].detach()


@contextmanager
def capture(model: nn.Module, *layers: str | nn.Module, grad: bool = False) -> Iterator[list[Tap]]:
    """Tap layers: in the block, gradients are recorded from the first tapped layer on only.

    Call the model inside the block, then `torch.autograd.grad(score.sum(), tap.tensors)`.
    Hooks and gradient mode are restored on leaving, whatever happens.

    Args:
        model: the network.
        layers: dotted names or modules.
        grad: record gradients before the layer as well.

    Raises:
        LayerNotFoundError: see `find_layer`.
    """
    found = [find_layer(model, layer) for layer in layers]
    taps = [Tap(name) for name, _ in found]
    with ExitStack() as stack:
        for tap, (_, module) in zip(taps, found, strict=True):
            stack.callback(module.register_forward_hook(tap).remove)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(grad))
        yield taps
