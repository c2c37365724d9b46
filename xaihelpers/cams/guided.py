"""Guided backpropagation and Guided Grad-CAM.

Guided backpropagation changes one thing in the backward pass: a ReLU, which blocks the gradient
where its input was negative, also blocks it where the gradient itself is negative.

How a ReLU is reached. Module hooks see `nn.ReLU` but not `F.relu` (which DenseNet and many others
call), break on in-place ReLU, and a module used twice needs care; swapping modules mutates the
model. A `TorchFunctionMode` sees every call of the function itself, however it is written:
`nn.ReLU`, `F.relu`, `torch.relu`, `x.relu()`, `x.relu_()`. On the result it hangs a tensor hook,
which survives in-place operations and lives no longer than the recorded graph. The model is never
touched, and since the hook can be switched, one forward pass serves both the guided gradient and
the plain gradient that Grad-CAM needs.

ReLU6 = min(ReLU, 6) is treated alike: its own derivative blocks where the input was below 0 or
above 6, the rule adds the negative gradients. `nn.ReLU6` calls `F.hardtanh` with the bounds 0 and
6, so any `hardtanh` whose lower bound is 0 counts as a clipped ReLU.

Out of reach: ReLU inside TorchScript; a clamp or `maximum` written in place of a ReLU; a ReLU in
place on a *slice* of a tensor that is afterwards used through the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from xaihelpers.cams.engine.inputs import check_images
from xaihelpers.cams.engine.modes import undisturbed
from xaihelpers.cams.hooks import ActivationTap, capture, unwrap
from xaihelpers.cams.maps import rectify, upsample
from xaihelpers.cams.targets import Target, as_target, scores
from xaihelpers.errors import ExplainError, NothingCapturedError

RELU: frozenset[Callable[..., Tensor]] = frozenset(
    {F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu6}
)
OTHERS: frozenset[Callable[..., Tensor]] = frozenset(
    {F.silu, F.elu, F.gelu, F.selu, F.celu, F.mish, F.leaky_relu, F.hardswish, F.hardtanh}
)
NONLINEARITIES = {"relu": RELU, "all": RELU | OTHERS}


class GuidedRule(TorchFunctionMode):
    """Hang a switchable tensor hook on the result of each non-linearity called in the block.

    Args:
        functions: the non-linearities.

    Attributes:
        on: while true, negative gradients stop in front of the non-linearities; while false,
            gradients are the plain ones. May be switched between two backward passes.
        calls: number of non-linearities that have run.
    """

    def __init__(self, functions: Iterable[Callable[..., Tensor]]) -> None:
        super().__init__()
        self.functions = frozenset(functions)
        self.on = False
        self.calls = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in self.functions or _is_clipped_relu(func, kwargs or {}):
            self.calls += 1
            if result.requires_grad:
                result.register_hook(self._positive_part)
        return result

    def _positive_part(self, gradient: Tensor) -> Tensor:
        return gradient.clamp(min=0) if self.on else gradient


def _is_clipped_relu(func: Callable[..., Any], options: dict[str, Any]) -> bool:
    return func is F.hardtanh and options.get("min_val") == 0  # torch passes the bounds by name


@contextmanager
def guided_relu(model: nn.Module, nonlinearities: str = "relu") -> Iterator[GuidedRule]:
    """In the block, ReLUs let only positive gradients pass; after it, all is as before.

    Run the forward and the backward pass inside. What was recorded inside gives plain gradients
    again once the block has ended.

    Args:
        model: the network that will run in the block.
        nonlinearities: "relu" is the method as published, for ReLU and ReLU6; "all" treats SiLU,
            ELU, GELU, SELU, CELU, Mish, leaky ReLU, hard swish and hard tanh alike, which no paper
            defines.

    Yields:
        The rule, which can be switched off and on.

    Raises:
        ExplainError: the model's ReLUs cannot be reached because it is compiled, scripted or
            `DataParallel`, or `nonlinearities` is unknown.

    Example:
        >>> pixels = torch.ones(1, requires_grad=True)
        >>> with guided_relu(nn.ReLU()):
        ...     (-pixels.relu()).sum().backward()
        >>> pixels.grad  # the plain gradient is -1
        tensor([0.])
    """
    if nonlinearities not in NONLINEARITIES:
        raise ExplainError(
            f"nonlinearities is one of {', '.join(NONLINEARITIES)}, got {nonlinearities!r}"
        )
    if unwrap(model) is not model:
        raise ExplainError(
            f"the ReLUs inside {type(model).__name__} cannot be reached; "
            "run and pass the network itself: hooks.unwrap(model)"
        )
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ExplainError("the ReLUs of a TorchScript model cannot be reached; pass the original")
    rule = GuidedRule(NONLINEARITIES[nonlinearities])
    rule.on = True
    try:
        with rule:
            yield rule
    finally:
        rule.on = False


def guided_backprop(
    model: nn.Module, images: Tensor, target: Target = None, nonlinearities: str = "relu"
) -> Tensor:
    """Compute the gradient of the score by the images, where ReLUs block negative gradients too.

    Springenberg 2015 (arXiv 1412.6806): at y = ReLU(x), dx = [x > 0] max(dy, 0).
    The score is the logit before softmax unless the target says otherwise. The model runs in
    evaluation mode and is left as it was, also inside `no_grad` and `inference_mode`.

    Args:
        model: the network.
        images: (N, 3, H, W) floating point, normalised as the network expects.
        target: None for the predicted class, one class index, one per image, or a callable that
            maps the output to scores (N,).
        nonlinearities: see `guided_relu`. With "relu", other non-linearities (the ELU of a head,
            say) pass gradients of both signs, as in the papers and in Captum.

    Returns:
        (N, 3, H, W), signed, in score units per unit of the normalised image.

    Raises:
        ExplainError: the network ran no such non-linearity, so this would be the plain gradient.
        TargetError: the target does not fit the output.
        NothingCapturedError: the score does not depend on the images.

    Example:
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> guided_backprop(net, torch.rand(2, 3, 8, 8), 0).shape
        torch.Size([2, 3, 8, 8])
    """
    with _recorded(model, images, target, nonlinearities) as (leaf, total, _, _):
        return _gradient(total, leaf)


def guided_grad_cam(
    model: nn.Module,
    images: Tensor,
    layer: str | nn.Module,
    target: Target = None,
    nonlinearities: str = "relu",
) -> Tensor:
    """Multiply guided backpropagation by the upsampled ReLU(Grad-CAM), element by element.

    Selvaraju 2017 (arXiv 1610.02391), section 3.2. Grad-CAM's own gradient is the plain one; both
    come from one forward pass. The result equals Captum's to the last bit where every ReLU is a
    module and Captum interpolates by "bilinear" (its default is "nearest").

    Args:
        model: see `guided_backprop`.
        images: see `guided_backprop`.
        layer: dotted name or module. It must run once and give (N, K, h, w).
        target: see `guided_backprop`.
        nonlinearities: see `guided_backprop`.

    Returns:
        (N, 3, H, W), signed; all zero for an image whose Grad-CAM has no positive cell.

    Raises:
        LayerNotFoundError: the network has no such layer.
        ExplainError: see `guided_backprop`.

    Example:
        >>> pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *pooling)
        >>> guided_grad_cam(net, torch.rand(2, 3, 8, 8), "1", 0).shape
        torch.Size([2, 3, 8, 8])
    """
    with _recorded(model, images, target, nonlinearities, layer) as (leaf, total, (tap,), rule):
        activations = tap.activations
        rule.on = False
        gradients = _gradient(total, tap.tensors[0], retain_graph=True)
        rule.on = True
        guided = _gradient(total, leaf)
    # Grad-CAM, summed as Captum sums it: the matrix product of `methods.cam` rounds differently
    alpha = gradients.mean(dim=(2, 3), keepdim=True)
    heat = upsample(rectify((alpha * activations).sum(dim=1)), images.shape[-2:])
    return guided * heat[:, None]


@contextmanager
def _recorded(
    model: nn.Module,
    images: Tensor,
    target: Target,
    nonlinearities: str,
    *layers: str | nn.Module,
) -> Iterator[tuple[Tensor, Tensor, list[ActivationTap], GuidedRule]]:
    """Run one forward pass; yield the images as a leaf, the total score, the taps and the rule."""
    model = unwrap(model)
    check_images(model, images)
    with (
        undisturbed(model, images.device.type),
        capture(model, *layers, grad=True) as taps,
        guided_relu(model, nonlinearities) as rule,
    ):
        leaf = images.detach().clone().requires_grad_()
        output = model(leaf.clone())  # a model may overwrite its input, but never a leaf
        total = scores(as_target(target), output, len(images)).sum()
        if not rule.calls:
            raise ExplainError(
                f"this {type(model).__name__} runs no ReLU: guided backprop on it is the plain "
                'gradient; pass nonlinearities="all" to block negative gradients at SiLU, ELU, '
                "GELU and the like as well"
            )
        yield leaf, total, taps, rule


def _gradient(total: Tensor, source: Tensor, retain_graph: bool = False) -> Tensor:
    if total.requires_grad:
        (gradient,) = torch.autograd.grad(
            total, source, retain_graph=retain_graph, allow_unused=True
        )
        if gradient is not None:
            return gradient
    raise NothingCapturedError(
        "the score does not depend on the images or the layer; does the model detach its input "
        "or run under its own torch.no_grad?"
    )
