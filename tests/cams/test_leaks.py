"""Nothing is left behind: after success, after a bad target, after a model that raises."""

import gc
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import METHODS, TargetError, explain, explain_classes, explain_layers


def trace(model: nn.Module) -> dict[str, object]:
    """Everything a call could leave behind, in a form that can be compared."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return {
        "hooks": {
            name: [list(getattr(module, kind)) for kind in hooks]
            for name, module in model.named_modules()
        },
        "modules": {name: id(module) for name, module in model.named_modules()},
        "training": {name: module.training for name, module in model.named_modules()},
        "flags": {name: p.requires_grad for name, p in model.named_parameters()},
        "gradients": {
            name: None if p.grad is None else p.grad.tolist()
            for name, p in model.named_parameters()
        },
        "state": {name: value.tolist() for name, value in model.state_dict().items()},
        "versions": {name: value._version for name, value in model.state_dict().items()},
        "random": torch.get_rng_state().tolist(),
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
    }


def explained(model: nn.Module, images: Tensor) -> None:
    explain(model, images, "last", methods=tuple(METHODS))
    explain_layers(model, images, ["stem", "last"])
    explain_classes(model, images, "stem")


def bad_target(model: nn.Module, images: Tensor) -> None:
    with pytest.raises(TargetError):
        explain(model, images, "last", target=99)
    with pytest.raises(TargetError):
        explain_classes(model, images, "last", classes=[99])


def raising_target(model: nn.Module, images: Tensor) -> None:
    def fail(logits: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        explain(model, images, "stem", target=fail)


def raising_model(model: nn.Module, images: Tensor) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    handle = model.head.register_forward_pre_hook(fail)
    for call in (explain, explain_classes):
        with pytest.raises(ZeroDivisionError):
            call(model, images, "stem")
    handle.remove()


@pytest.mark.parametrize("call", [explained, bad_target, raising_target, raising_model])
def test_the_model_is_left_as_it_was(
    net: nn.Module, images: Tensor, call: Callable[[nn.Module, Tensor], None]
) -> None:
    net.train()
    net.last.eval()
    net(images).sum().backward()
    net.head.weight.requires_grad_(False)
    before = trace(net)
    call(net, images)
    assert trace(net) == before


def test_the_images_are_left_as_they_were(net: nn.Module, images: Tensor) -> None:
    copy = images.clone()
    images.requires_grad_()
    explained(net, images)
    assert images.grad is None
    assert images.requires_grad
    assert torch.equal(images, copy)


def test_the_result_holds_no_graph(net: nn.Module, images: Tensor) -> None:
    result = explain(net, images, "last", methods=tuple(METHODS))
    for tensor in (result.logits, result.scores, *result.raw.values(), *result.maps.values()):
        assert not tensor.requires_grad


def test_a_thousand_calls_keep_the_number_of_live_objects(net: nn.Module, images: Tensor) -> None:
    def live() -> tuple[int, int]:
        gc.collect()
        objects = gc.get_objects()
        return len(objects), sum(issubclass(type(item), Tensor) for item in objects)

    for _ in range(5):
        explain(net, images[:1, :, :4, :4], "last", methods=tuple(METHODS))
    objects, tensors = live()
    for _ in range(1000):
        explain(net, images[:1, :, :4, :4], "last", methods=tuple(METHODS))
    objects_after, tensors_after = live()
    assert tensors_after <= tensors
    assert objects_after < objects + 50


def test_tensors_are_freed_without_the_garbage_collector(net: nn.Module, images: Tensor) -> None:
    def tensors() -> int:
        return sum(issubclass(type(item), Tensor) for item in gc.get_objects())

    explain(net, images, "last")
    gc.collect()
    gc.disable()
    try:
        before = tensors()
        for _ in range(10):
            explain(net, images, "last")
        assert tensors() == before
    finally:
        gc.enable()
