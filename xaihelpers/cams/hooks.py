"""Forward and backward hooks that leave no trace, and how a layer is found and tapped.

`ForwardHook` and `BackwardHook` show the mechanism one piece at a time; `capture` is the pair the
engine uses: it starts recording gradients at the layer and nowhere before it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from threading import get_ident
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from xaihelpers.errors import LayerNotFoundError, NothingCapturedError

_WRAPPERS = ("_orig_mod", "module")  # torch.compile; DataParallel and DistributedDataParallel


def unwrap(model: nn.Module) -> nn.Module:
    """Return the network inside `torch.compile`, `DataParallel` or `DistributedDataParallel`.

    Example:
        >>> from torch import nn
        >>> unwrap(nn.DataParallel(nn.ReLU()))
        ReLU()
    """
    wrapped = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        if "_orig_mod" in model._modules:
            model = model._modules["_orig_mod"]  # type: ignore[assignment]
        elif isinstance(model, wrapped):
            model = model.module
        else:
            return model


def find_layer(model: nn.Module, layer: str | nn.Module) -> tuple[str, nn.Module]:
    """Find a layer by its name or its module.

    Args:
        model: the network. The prefixes of wrappers (`module.`, `_orig_mod.`) may be left out.
        layer: dotted name or module.

    Returns:
        The dotted name and the module.

    Raises:
        LayerNotFoundError: the network has no such layer. The message suggests the nearest names.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
        >>> find_layer(net, net[1])
        ('1', ReLU())
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
    """Keep the output of a module while the `with` block runs.

    Args:
        module: the layer to listen to.
        clone: whether to keep a copy. Without a copy, an in-place operation right after the layer,
            such as `nn.ReLU(inplace=True)`, silently changes what was kept.

    Attributes:
        outputs: one detached tensor per call of the module.

    Example:
        >>> import torch
        >>> layer = torch.nn.ReLU()
        >>> with ForwardHook(layer) as hook:
        ...     _ = layer(torch.tensor([-1.0, 2.0]))
        >>> hook.output
        tensor([0., 2.])
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
        """The latest output of the module.

        Raises:
            NothingCapturedError: the module has not run inside the `with` block.
        """
        if not self.outputs:
            raise NothingCapturedError("the module has not run yet; call the model in the block")
        return self.outputs[-1]


class BackwardHook:
    """Keep the gradient that reaches a module's output while the `with` block runs.

    A forward hook sets a tensor hook on the output. Unlike `register_full_backward_hook`, this
    survives an in-place operation right after the module. Unlike the deprecated
    `register_backward_hook`, it is right for modules of several operations.

    Args:
        module: the layer to listen to.

    Attributes:
        gradients: one tensor per backward pass through each use of the module, last use first.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(2, 1)
        >>> with BackwardHook(layer) as hook:
        ...     layer(torch.ones(1, 2)).sum().backward()
        >>> hook.gradient
        tensor([[1.]])
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
        """The latest gradient.

        Raises:
            NothingCapturedError: no backward pass has reached the module's output.
        """
        if not self.gradients:
            raise NothingCapturedError(
                "no gradient has reached the module; run the model in the block with gradients "
                "on (not under torch.no_grad), then a backward pass from one of its outputs"
            )
        return self.gradients[-1]


def in_this_thread(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a hook so that it leaves the passes of other threads alone.

    A hook belongs to a module, so it fires in every thread that runs the module.
    """
    thread = get_ident()

    def run_hook(*args: Any) -> Any:
        return hook(*args) if get_ident() == thread else None

    return run_hook


class ActivationTap:
    """A forward hook that taps the output of a layer, once per use of the layer.

    Args:
        name: dotted name of the layer, for messages.

    Attributes:
        name: dotted name of the layer.
        tensors: outputs (N, K, *S), part of the graph of everything that is computed after them.
        is_open: whether outputs are tapped; may be switched off once the pass is over.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.tensors: list[Tensor] = []
        self.is_open = True

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
        """Tap the (first) tensor of the output and pass on a copy of it."""
        if not self.is_open:
            return output
        if isinstance(output, Tensor):
            return self._tap(output)
        if isinstance(output, (tuple, list)):
            parts = list(output)
            for position, part in enumerate(parts):
                if isinstance(part, Tensor) and part.is_floating_point():
                    parts[position] = self._tap(part)
                    is_named = hasattr(output, "_fields")
                    return type(output)(*parts) if is_named else type(output)(parts)
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
            NothingCapturedError: the layer did not run, or ran several times.
        """
        if len(self.tensors) != 1:
            raise NothingCapturedError(
                f"layer {self.name!r} ran {len(self.tensors)} times, expected once"
            )
        return self.tensors[0].detach()


@contextmanager
def capture(
    model: nn.Module, *layers: str | nn.Module, grad: bool = False
) -> Iterator[list[ActivationTap]]:
    """Tap layers: in the block, gradients are recorded from the first tapped layer on only.

    Call the model inside the block, then `torch.autograd.grad(score.sum(), tap.tensors)`.
    Hooks and gradient mode are restored at the end of the block, also after an error. Passes of
    the model in other threads are not tapped.

    Args:
        model: the network.
        layers: dotted names or modules.
        grad: whether to record gradients before the layer as well.

    Yields:
        One tap per layer.

    Raises:
        LayerNotFoundError: see `find_layer`.

    Example:
        >>> import torch
        >>> net = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Flatten())
        >>> with capture(net, "0") as (tap,):
        ...     score = net(torch.ones(1, 1, 2, 2)).sum()
        >>> torch.autograd.grad(score, tap.tensors)[0].shape
        torch.Size([1, 1, 2, 2])
    """
    named = [find_layer(model, layer) for layer in layers]
    taps = [ActivationTap(name) for name, _ in named]
    with ExitStack() as stack:
        for tap, (_, module) in zip(taps, named, strict=True):
            stack.callback(module.register_forward_hook(in_this_thread(tap)).remove)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(grad))
        yield taps
