"""The engine against hand-made numbers and against plain autograd, in every surrounding."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from xaihelpers.cams import (
    METHODS,
    NothingCapturedError,
    explain,
    explain_classes,
    explain_layers,
    targets,
)

ALL = tuple(METHODS)
Reference = Callable[..., tuple[Tensor, Tensor]]


def assert_same_maps(result: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert list(result) == list(expected)
    for name in expected:
        torch.testing.assert_close(result[name], expected[name], rtol=1e-4, atol=1e-6)


def test_grad_cam_of_a_network_worked_out_by_hand() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
    net.append(nn.Linear(2, 2, bias=False))
    net[0].weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    net[4].weight.data = torch.tensor([[4.0, 8.0], [-4.0, 0.0]])
    image = torch.tensor([[[[1.0, -2.0], [3.0, 0.0]]]])
    # A = [[1, 0], [3, 0]] and [[0, 2], [0, 0]]; GAP = 1 and 1/2; y = 4 + 4 and -4
    explanation = explain(net, image, "1")
    assert explanation.logits.tolist() == [[8.0, -4.0]]
    assert explanation.scores.tolist() == [8.0]
    assert explanation.target.tolist() == [0]
    # alpha = w / Z = (1, 2)
    assert explanation.raw["grad_cam"].tolist() == [[[1.0, 4.0], [3.0, 0.0]]]
    torch.testing.assert_close(
        explanation.maps["grad_cam"], torch.tensor([[[0.25, 1.0], [0.75, 0.0]]])
    )
    # alpha = (-1, 0): nothing speaks for class 1, and the map says so
    other = explain(net, image, "1", target=1)
    assert other.raw["grad_cam"].tolist() == [[[-1.0, 0.0], [-3.0, 0.0]]]
    assert other.empty["grad_cam"].tolist() == [True]
    assert torch.count_nonzero(other.maps["grad_cam"]) == 0


@pytest.mark.parametrize("layer", ["stem.0", "stem.1", "stem.2", "stem", "last.0", "last.1"])
def test_raw_maps_equal_plain_autograd_at_every_layer(
    net: nn.Module, images: Tensor, reference: Reference, layer: str
) -> None:
    net, images = net.double(), images.double()
    pair = reference(net, images, net.get_submodule(layer), lambda logits: logits[:, 3])
    result = explain(net, images, layer, target=3, methods=ALL)
    for name, method in METHODS.items():
        torch.testing.assert_close(result.raw[name], method(*pair), rtol=1e-10, atol=1e-12)


def test_every_image_may_have_its_own_target(net: nn.Module, images: Tensor) -> None:
    chosen = [3, 0, 4, 0]
    together = explain(net, images, "last", target=chosen, methods=ALL)
    assert together.target.tolist() == chosen
    for place, target in enumerate(chosen):
        alone = explain(net, images[place : place + 1], "last", target=target, methods=ALL)
        assert_same_maps({n: m[place : place + 1] for n, m in together.raw.items()}, alone.raw)


def test_default_target_is_the_predicted_class(net: nn.Module, images: Tensor) -> None:
    result = explain(net, images, "last")
    predicted = net(images).argmax(1)
    assert torch.equal(result.target, predicted)
    assert_same_maps(result.raw, explain(net, images, "last", target=predicted).raw)


def test_maps_have_the_size_of_the_image_and_lie_in_0_1(net: nn.Module, images: Tensor) -> None:
    result = explain(net, images[..., :10], "last", methods=ALL)
    assert result.size == (12, 10)
    for name in ALL:
        assert result.maps[name].shape == (4, 12, 10)
        assert result.maps[name].min() >= 0
        assert result.maps[name].max() <= 1
        peaks = result.maps[name].amax((1, 2))
        assert torch.equal(peaks, (~result.empty[name]).float())


@pytest.mark.parametrize(
    ("target", "score"),
    [
        (targets.probability(1), lambda logits: logits.softmax(1)[:, 1]),
        (targets.log_probability(1), lambda logits: logits.log_softmax(1)[:, 1]),
        (targets.difference(1, 4), lambda logits: logits[:, 1] - logits[:, 4]),
        (targets.counterfactual(1), lambda logits: -logits[:, 1]),
        (lambda logits: logits.logsumexp(1), lambda logits: logits.logsumexp(1)),
    ],
)
def test_every_target_is_differentiated(
    net: nn.Module, images: Tensor, reference: Reference, target: object, score: object
) -> None:
    pair = reference(net, images, net.last, score)
    result = explain(net, images, "last", target=target, methods=ALL)
    torch.testing.assert_close(result.scores, score(net(images)).detach())
    assert_same_maps(result.raw, {name: method(*pair) for name, method in METHODS.items()})


def test_several_layers_from_one_pass_are_exact(net: nn.Module, images: Tensor) -> None:
    calls = []
    net.register_forward_pre_hook(lambda *_: calls.append(1))
    together = explain_layers(
        net, images, ["last", "stem.0", net.stem, "last"], target=2, methods=ALL
    )
    assert len(calls) == 1
    assert list(together) == ["last", "stem.0", "stem"]
    for name, explanation in together.items():
        assert explanation.layer == name
        assert_same_maps(explanation.raw, explain(net, images, name, target=2, methods=ALL).raw)


def test_all_classes_from_one_pass_equal_one_class_at_a_time(
    net: nn.Module, images: Tensor
) -> None:
    calls = []
    net.register_forward_pre_hook(lambda *_: calls.append(1))
    together = explain_classes(net, images, "last", methods=ALL)
    assert len(calls) == 1
    assert together.classes.tolist() == [0, 1, 2, 3, 4]
    for index in range(5):
        alone = explain(net, images, "last", target=index, methods=ALL)
        one = together.of(index)
        assert_same_maps(one.raw, alone.raw)
        assert torch.equal(one.target, alone.target)
        for name in ALL:
            torch.testing.assert_close(together.maps[name][:, index], alone.maps[name])


def test_chosen_classes_keep_their_order(net: nn.Module, images: Tensor) -> None:
    everything = explain_classes(net, images, "last").raw["grad_cam"]
    some = explain_classes(net, images, "last", classes=[4, 1])
    assert some.classes.tolist() == [4, 1]
    torch.testing.assert_close(some.raw["grad_cam"], everything[:, [4, 1]])


def test_many_classes_are_computed_in_blocks(
    net: nn.Module, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = explain_classes(net, images, "last", methods=ALL)
    monkeypatch.setattr("xaihelpers.cams.engine.layer_maps.CLASS_BUFFER", 2 * 4 * 6 * 36)
    assert_same_maps(explain_classes(net, images, "last", methods=ALL).raw, whole.raw)


class Unbatchable(torch.autograd.Function):
    """Doubles its input; has no rule for batched gradients."""

    @staticmethod
    def forward(ctx: object, values: Tensor) -> Tensor:
        return values * 2

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        if torch._C._functorch.is_batchedtensor(gradient):
            raise RuntimeError("no batching rule")
        return gradient * 2


def test_all_classes_fall_back_to_a_loop(net: nn.Module, images: Tensor) -> None:
    net.drop.register_forward_hook(lambda module, inputs, output: Unbatchable.apply(output))
    together = explain_classes(net, images, "last", methods=ALL)
    for index in range(5):
        assert_same_maps(
            together.of(index).raw, explain(net, images, "last", target=index, methods=ALL).raw
        )


@pytest.mark.parametrize("words", ["can't allocate memory", "mat1 and mat2 shapes"])
def test_only_a_missing_batching_rule_leads_to_the_loop(
    net: nn.Module, images: Tensor, words: str
) -> None:
    class Faulty(Unbatchable):
        @staticmethod
        def backward(ctx: object, gradient: Tensor) -> Tensor:
            raise RuntimeError(words)

    net.drop.register_forward_hook(lambda module, inputs, output: Faulty.apply(output))
    with pytest.raises(RuntimeError, match=words):
        explain_classes(net, images, "last")


def test_an_in_place_operation_after_the_layer_changes_nothing(
    net: nn.Module, images: Tensor
) -> None:
    in_place = explain_layers(net, images, ["stem.1", "stem.2"], target=0, methods=ALL)
    net.stem[2].inplace = False
    expected = explain_layers(net, images, ["stem.1", "stem.2"], target=0, methods=ALL)
    for name in expected:
        assert_same_maps(in_place[name].raw, expected[name].raw)


class Shared(nn.Module):
    """One ReLU used twice."""

    def __init__(self, shrink: bool = False) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 2 if shrink else 1)
        self.relu, self.head = nn.ReLU(), nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        features = self.relu(self.second(self.relu(self.first(images))))
        return self.head(features.mean((2, 3)))


@pytest.mark.filterwarnings("ignore:layer 'relu' ran 2 times")
def test_the_maps_of_a_layer_used_twice_are_summed(images: Tensor) -> None:
    net = Shared().double().eval()
    first = net.relu(net.first(images.double())).detach().requires_grad_()
    second = net.relu(net.second(first))
    pairs = [first, second]
    gradients = torch.autograd.grad(net.head(second.mean((2, 3)))[:, 1].sum(), pairs)
    result = explain(net, images.double(), "relu", target=1, methods=ALL)
    for name, method in METHODS.items():
        uses = [method(a.detach(), g) for a, g in zip(pairs, gradients, strict=True)]
        torch.testing.assert_close(result.raw[name], sum(uses), rtol=1e-10, atol=1e-12)


def test_uses_on_different_grids_are_refused(images: Tensor) -> None:
    with pytest.raises(NothingCapturedError, match=r"different sizes \[\(11, 11\), \(12, 12\)\]"):
        explain(Shared(shrink=True), images, "relu", target=1)


def test_a_layer_that_gives_a_tuple_is_tapped(images: Tensor) -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, images: Tensor) -> tuple[Tensor, int]:
            return self.conv(images), 7

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pair, self.head = Pair(), nn.Linear(4, 3)

        def forward(self, images: Tensor) -> Tensor:
            features, seven = self.pair(images)
            assert seven == 7
            return self.head(features.mean((2, 3)))

    net = Net()
    assert_same_maps(
        explain(net, images, "pair", target=0, methods=ALL).raw,
        explain(net, images, "pair.conv", target=0, methods=ALL).raw,
    )


@pytest.mark.parametrize("dimensions", [1, 3])
def test_one_and_three_dimensional_networks(dimensions: int, reference: Reference) -> None:
    conv = {1: nn.Conv1d, 3: nn.Conv3d}[dimensions]
    pool = {1: nn.AdaptiveAvgPool1d, 3: nn.AdaptiveAvgPool3d}[dimensions]
    net = nn.Sequential(conv(2, 4, 3), nn.ReLU(), pool(1), nn.Flatten(), nn.Linear(4, 3))
    values = torch.randn(2, 2, *(6,) * dimensions)
    result = explain(net, values, "1", target=2, methods=ALL)
    pair = reference(net, values, net[1], lambda logits: logits[:, 2])
    assert_same_maps(result.raw, {name: method(*pair) for name, method in METHODS.items()})
    assert result.maps["grad_cam"].shape == (2, *(6,) * dimensions)
    assert explain_classes(net, values, "1").maps["grad_cam"].shape == (2, 3, *(6,) * dimensions)


def test_large_batches_are_cut_and_the_maps_stay(net: nn.Module) -> None:
    images, chosen = torch.randn(19, 3, 12, 12), [index % 5 for index in range(19)]
    sizes = []
    net.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    result = explain(net, images, "last", target=chosen, methods=ALL)
    classes = explain_classes(net, images, "last", methods=ALL)
    assert sizes == [8, 8, 3] * 2
    for place in (0, 8, 18):
        one = slice(place, place + 1)
        alone = explain(net, images[one], "last", target=chosen[place], methods=ALL)
        assert_same_maps({name: raw[one] for name, raw in result.raw.items()}, alone.raw)
        assert_same_maps(
            {name: raw[one, chosen[place]] for name, raw in classes.raw.items()}, alone.raw
        )


def test_a_callable_target_sees_the_whole_batch(net: nn.Module) -> None:
    images, labels = torch.randn(10, 3, 12, 12), torch.arange(10) % 5

    def labelled(logits: Tensor) -> Tensor:
        return logits[torch.arange(10), labels]

    result = explain(net, images, "last", target=labelled, methods=ALL)
    assert result.target == "labelled"
    assert_same_maps(result.raw, explain(net, images, "last", target=labels, methods=ALL).raw)


def test_images_that_influence_each_other_are_not_cut(net: nn.Module) -> None:
    net.stem[1] = nn.BatchNorm2d(4, track_running_stats=False)
    images, sizes = torch.randn(10, 3, 12, 12), []
    net.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    explain(net, images, "last", target=0)
    assert sizes == [10]


def test_a_callable_may_read_an_output_that_is_no_tensor(net: nn.Module, images: Tensor) -> None:
    class Dictionary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, images: Tensor) -> dict[str, Tensor]:
            return {"out": self.net(images)}

    result = explain(
        Dictionary().eval(), images, "net.last", target=lambda out: out["out"][:, 1], methods=ALL
    )
    assert torch.equal(result.logits, explain(net, images, "last").logits)
    assert_same_maps(result.raw, explain(net, images, "last", target=1, methods=ALL).raw)
