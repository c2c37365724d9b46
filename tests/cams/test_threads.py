"""Threads that explain one model, or models that share modules, wait for each other."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Thread

import pytest
import torch
import torchvision
from torch import Tensor, nn

from xaihelpers.cams import METHODS, ExplainError, axioms, explain, explain_classes, guided
from xaihelpers.cams.engine import exclusive as claims
from xaihelpers.cams.engine.exclusive import exclusive
from xaihelpers.cams.engine.modes import evaluating

ALL = tuple(METHODS)
THREADS, CALLS = 3, 12


@pytest.fixture
def resnet() -> nn.Module:
    return torchvision.models.resnet18(num_classes=5).eval()


def in_threads(job: Callable[[int], object], threads: int = THREADS) -> list[object]:
    """Results of `job(0)`, `job(1)`, ... which start together, each in a thread of its own."""
    barrier = Barrier(threads)

    def run(number: int) -> object:
        barrier.wait()
        return job(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


@pytest.mark.parametrize("training", [False, True])
def test_three_threads_get_the_maps_that_one_gets(resnet: nn.Module, training: bool) -> None:
    images = torch.randn(THREADS * CALLS, 1, 3, 32, 32)
    expected = [explain(resnet, image, "layer3", target=1, methods=ALL).raw for image in images]
    resnet.train(training)
    buffers = {name: buffer.clone() for name, buffer in resnet.named_buffers()}

    def job(thread: int) -> list[dict[str, Tensor]]:
        part = images[thread * CALLS : (thread + 1) * CALLS]
        return [explain(resnet, image, "layer3", target=1, methods=ALL).raw for image in part]

    found = [raw for part in in_threads(job) for raw in part]
    for one, other in zip(found, expected, strict=True):
        for name in ALL:
            assert torch.equal(one[name], other[name]), name
    assert all(module.training is training for module in resnet.modules())
    for name, buffer in resnet.named_buffers():
        assert torch.equal(buffer, buffers[name]), name


def test_different_questions_about_one_model_do_not_meet(net: nn.Module, images: Tensor) -> None:
    net.train()
    jobs: list[Callable[[], Tensor]] = [
        lambda: explain(net, images, "last", target=1).raw["grad_cam"],
        lambda: explain_classes(net, images, "stem").raw["grad_cam"],
        lambda: guided.guided_grad_cam(net, images, "last", 1),
        lambda: axioms.bias_terms(net, images, "last", 1),
        lambda: axioms.channel_drops(net, images, "last", 1),
    ]
    expected = [job() for job in jobs]
    for _ in range(5):
        for one, other in zip(in_threads(lambda i: jobs[i](), len(jobs)), expected, strict=True):
            assert torch.equal(one, other)
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


def test_a_model_that_raises_in_one_thread_does_not_hold_the_others_up(
    net: nn.Module, images: Tensor
) -> None:
    net.train()
    expected = explain(net, images, "last", target=1).raw["grad_cam"]

    def refuse(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if len(inputs[0]) == 1:
            raise ZeroDivisionError

    net.register_forward_pre_hook(refuse)

    def job(thread: int) -> int:
        for _ in range(CALLS):
            if thread == 0:
                with pytest.raises(ZeroDivisionError):
                    explain(net, images[:1], "last", target=1)
            else:
                assert torch.equal(explain(net, images, "last", target=1).raw["grad_cam"], expected)
        return CALLS

    assert in_threads(job) == [CALLS] * THREADS
    assert all(module.training for module in net.modules())
    assert claims._owners == {}


def test_two_models_that_share_a_part_are_explained_in_turn(images: Tensor) -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Dropout())
    pooling = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    models = [nn.Sequential(trunk, *pooling, nn.Linear(4, 2)).train() for _ in range(2)]
    buffers = [buffer.clone() for buffer in trunk.buffers()]
    expected = [explain(model, images, "0.2", target=1).raw["grad_cam"] for model in models]

    def job(number: int) -> bool:
        return all(
            torch.equal(
                explain(models[number], images, "0.2", target=1).raw["grad_cam"], expected[number]
            )
            for _ in range(3 * CALLS)
        )

    assert in_threads(job, 2) == [True, True]
    assert all(module.training for model in models for module in model.modules())
    assert all(torch.equal(*pair) for pair in zip(trunk.buffers(), buffers, strict=True))


def test_a_prediction_in_another_thread_is_not_captured(net: nn.Module, images: Tensor) -> None:
    expected = explain(net, images, "last", target=1).raw["grad_cam"]
    with torch.no_grad():
        logits = net(images)
    done = Event()

    def predict() -> bool:
        same = True
        while not done.is_set():
            with torch.no_grad():
                same &= torch.equal(net(images), logits)
        return same

    with ThreadPoolExecutor(1) as pool:
        prediction = pool.submit(predict)
        try:
            for _ in range(3 * CALLS):
                found = explain(net, images, "last", target=1).raw["grad_cam"]
                assert torch.equal(found, expected)
        finally:
            done.set()
        assert prediction.result()


def test_models_without_a_common_module_do_not_wait_for_each_other(
    small_net: Callable[[], nn.Module], images: Tensor
) -> None:
    held, other = small_net(), small_net()
    with evaluating(held), ThreadPoolExecutor(1) as pool:
        assert pool.submit(explain, other, images, "last").result(timeout=30)


def test_one_thread_may_explain_a_model_inside_its_own_explanation(
    net: nn.Module, images: Tensor
) -> None:
    def score(logits: Tensor) -> Tensor:
        assert explain(net, images, "stem").raw["grad_cam"].shape == (4, 12, 12)
        return logits[:, 1]

    nested = explain(net, images, "last", target=score).raw["grad_cam"]
    assert torch.equal(nested, explain(net, images, "last", target=1).raw["grad_cam"])


def test_a_wait_that_would_never_end_is_refused() -> None:
    """Thread 1 holds A and waits for B; thread 2 holds B and asks for A."""
    first_holds = Event()

    def first() -> None:
        with exclusive([1]):
            first_holds.set()
            with exclusive([2]):
                pass

    with exclusive([2]):
        thread = Thread(target=first)
        thread.start()
        first_holds.wait()
        while not claims._waiting:
            time.sleep(0.001)
        with pytest.raises(ExplainError, match="one model after the other"), exclusive([1]):
            pass
    thread.join()
    assert claims._owners == {}
