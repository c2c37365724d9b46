"""Any input, output and layout of a layer: the right map, or words that say what to do."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from xaihelpers.cams import (
    METHODS,
    ExplainError,
    ExplainWarning,
    InputError,
    LayoutError,
    NothingCapturedError,
    TargetError,
    explain,
    explain_classes,
    explain_layers,
)
from xaihelpers.cams.engine.batches import MICRO_BATCH

ALL = tuple(METHODS)


def assert_equal_maps(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=1e-5, atol=1e-7)


def by_hand(
    model: nn.Module, images: Any, layer: str, to_grid: Callable[[Tensor], Tensor], column: int = 1
) -> dict[str, Tensor]:
    """Maps from plain autograd, the layer's output and its gradient brought into a grid by hand."""
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, output: Any) -> Any:
        if isinstance(output, Tensor):
            kept.append(output)
            return output.clone()
        kept.append(output[0])
        return (output[0].clone(), *output[1:])

    handle = model.get_submodule(layer).register_forward_hook(keep)
    score = model(images)[:, column].sum()
    handle.remove()
    (gradient,) = torch.autograd.grad(score, kept)
    pair = to_grid(kept[0].detach()), to_grid(gradient)
    return {name: method(*pair) for name, method in METHODS.items()}


# inputs and outputs


class Wrapped(nn.Module):
    """A network with another way in or out."""

    def __init__(self, net: nn.Module, before: Callable = lambda *a, **k: a[0]) -> None:
        super().__init__()
        self.net, self.before, self.after = net, before, lambda logits: logits

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.after(self.net(self.before(*args, **kwargs)))


@pytest.mark.parametrize(
    ("inputs", "before"),
    [
        (lambda x: (x, torch.ones(4, 2)), lambda x, extra: x * extra.mean()),
        (lambda x: (torch.ones(4, dtype=torch.long), x), lambda words, x: x),
        (lambda x: {"pixel_values": x, "scale": 1.0}, lambda pixel_values, scale: pixel_values),
        (
            lambda x: {"mask": torch.ones(7, 7, 7), "pixel_values": x},
            lambda mask, pixel_values: pixel_values,
        ),
        (list, torch.stack),
    ],
    ids=["tuple", "words first", "dict", "pixel_values among others", "list of images"],
)
def test_inputs_of_every_kind(
    net: nn.Module, images: Tensor, inputs: Callable, before: Callable
) -> None:
    expected = explain(net, images, "last", target=1, methods=ALL)
    found = explain(Wrapped(net, before).eval(), inputs(images), "net.last", target=1, methods=ALL)
    assert_equal_maps(found.raw, expected.raw)
    assert found.size == (12, 12)


@pytest.mark.parametrize(
    "after",
    [
        lambda logits: {"logits": logits, "hidden": None},
        lambda logits: {"aux": logits[:1], "out": logits},
        lambda logits: (logits, None),
        lambda logits: [None, logits],
    ],
    ids=["logits", "out", "tuple", "list"],
)
def test_class_indices_work_on_outputs_of_every_kind(
    net: nn.Module, images: Tensor, after: Callable
) -> None:
    model = Wrapped(net).eval()
    model.after = after
    images = images.repeat(5, 1, 1, 1)
    expected = explain(net, images, "last", methods=ALL)
    found = explain(model, images, "net.last", methods=ALL)
    assert_equal_maps(found.raw, expected.raw)
    assert torch.equal(found.target, expected.target)
    assert torch.equal(found.logits, expected.logits)
    classes = explain_classes(model, images, "net.last", classes=[3])
    torch.testing.assert_close(
        classes.of(3).raw["grad_cam"], explain(net, images, "last", target=3).raw["grad_cam"]
    )


def test_an_output_without_logits_is_refused_and_its_parts_are_named(
    net: nn.Module, images: Tensor
) -> None:
    model = Wrapped(net).eval()
    model.after = lambda logits: {"boxes": logits, "scores": logits}
    with pytest.raises(TargetError, match="dict with boxes, scores; pass a callable"):
        explain(model, images, "net.last", target=0)


def test_images_of_different_sizes_are_refused(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(InputError, match="one by one"):
        explain(net, [images[0], images[1, :, :5]], "last")


def test_images_and_weights_of_different_types_are_told_apart(
    net: nn.Module, images: Tensor
) -> None:
    with pytest.raises(InputError, match=r"torch.float32 and the network's weights torch.float64"):
        explain(net.double(), images, "last")


def test_several_layers_belong_to_explain_layers(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(ExplainError, match="pass several to explain_layers"):
        explain(net, images, ["stem", "last"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GradCAM", "grad_cam"),
        ("Grad-CAM++", "grad_cam_plus_plus"),
        ("gradcampp", "grad_cam_plus_plus"),
        ("HiResCAM", "hires_cam"),
        ("XGradCAM", "xgrad_cam"),
        ("layercam", "layer_cam"),
    ],
)
def test_usual_spellings_of_methods(
    net: nn.Module, images: Tensor, name: str, expected: str
) -> None:
    assert list(explain(net, images, "last", methods=[name, expected]).raw) == [expected]


# A: channels last


def swin(norm: str = "norm") -> nn.Module:
    torch.manual_seed(0)
    return (
        torchvision.models.SwinTransformer(
            [2, 2], 24, [2, 2], [2, 4], [4, 4], stochastic_depth_prob=0.0, num_classes=3
        )
        .eval()
        .double()
    )


@pytest.mark.parametrize("layer", ["norm", "features.3", "features.1.0.norm1", "features.2"])
@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (2, 3, 48, 32)])
def test_a_swin_transformer_s_channels_are_last(layer: str, shape: tuple[int, ...]) -> None:
    model, images = swin(), torch.randn(shape, dtype=torch.float64)
    found = explain(model, images, layer, target=1, methods=ALL)
    assert_equal_maps(found.raw, by_hand(model, images, layer, lambda t: t.movedim(-1, 1)))


class Recurrent(nn.Module):
    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        self.batch_first = batch_first
        self.lstm = nn.LSTM(5, 6, batch_first=batch_first)
        self.head = nn.Linear(6, 3)

    def forward(self, series: Tensor) -> Tensor:
        hidden, _ = self.lstm(series if self.batch_first else series.transpose(0, 1))
        return self.head(hidden.mean(1 if self.batch_first else 0))


@pytest.mark.parametrize("batch_first", [True, False])
def test_an_lstm_s_output_is_a_map_over_time(batch_first: bool) -> None:
    model, series = Recurrent(batch_first).eval(), torch.randn(2, 9, 5)
    found = explain(model, series, "lstm", target=1, methods=ALL)

    def to_grid(output: Tensor) -> Tensor:
        return output.movedim(-1, 1) if batch_first else output.permute(1, 2, 0)

    assert_equal_maps(found.raw, by_hand(model, series, "lstm", to_grid))
    assert found.maps["grad_cam"].shape == (2, 9)


def test_a_convolution_over_time_keeps_its_channels_first() -> None:
    model = nn.Sequential(nn.Conv1d(5, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1))
    model = nn.Sequential(model, nn.Flatten(), nn.Linear(6, 3)).eval()
    series = torch.randn(2, 5, 9)
    found = explain(model, series, "0.1", target=1, methods=ALL)
    assert_equal_maps(found.raw, by_hand(model, series, "0.1", lambda t: t))
    assert found.maps["grad_cam"].shape == (2, 9)


class Ambiguous(nn.Module):
    """A square of cells and channels alike, from a part that says nothing of its layout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 1), nn.LayerNorm(8)
        self.part, self.head = nn.Identity(), nn.Linear(8, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.part(self.norm(self.conv(images))).mean((2, 3)))


def test_a_layout_that_can_be_read_in_two_ways_is_refused_unless_it_is_said() -> None:
    model, images = Ambiguous().eval(), torch.randn(2, 3, 8, 8)
    with pytest.raises(LayoutError, match="arrange=lambda t: t"):
        explain(model, images, "part", target=1)
    found = explain(model, images, "part", target=1, methods=ALL, arrange=lambda t: t)
    assert_equal_maps(found.raw, by_hand(model, images, "part", lambda t: t))


def test_an_arrangement_that_gives_no_grid_is_refused(net: nn.Module, images: Tensor) -> None:
    with pytest.raises(LayoutError, match=r"expected \(4, channels, height, width\)"):
        explain(net, images, "last", arrange=lambda t: t.flatten(1))


# B: tokens


def vit(size: int = 32) -> nn.Module:
    torch.manual_seed(0)
    model = torchvision.models.VisionTransformer(size, 8, 2, 2, 16, 32, num_classes=3)
    nn.init.normal_(model.heads.head.weight)
    return model.eval().double()


@pytest.mark.parametrize(
    "layer", ["encoder.layers.encoder_layer_1.ln_1", "encoder.layers.encoder_layer_0"]
)
def test_a_vision_transformer_s_tokens_are_a_grid(layer: str) -> None:
    model, images = vit(), torch.randn(2, 3, 32, 32, dtype=torch.float64)
    found = explain(model, images, layer, target=1, methods=ALL)
    expected = by_hand(
        model, images, layer, lambda t: t[:, 1:].transpose(1, 2).unflatten(2, (4, 4))
    )
    assert_equal_maps(found.raw, expected)
    assert found.maps["grad_cam"].shape == (2, 32, 32)


def test_the_last_block_s_output_is_dead_and_said_to_be() -> None:
    with pytest.warns(ExplainWarning, match="reads the class token alone"):
        found = explain(vit().float(), torch.randn(2, 3, 32, 32), "encoder.layers.encoder_layer_1")
    assert found.empty["grad_cam"].all()


class Tokens(nn.Module):
    """Somebody's own transformer: a token in front, which no library is known to put there."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra, self.patches = extra, nn.Conv2d(3, 6, 4, 4)
        self.norm, self.head = nn.LayerNorm(6), nn.Linear(6, 3)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([tokens.mean(1, keepdim=True)] * self.extra + [tokens], dim=1)
        return self.head(self.norm(tokens).mean(1))


def test_tokens_of_an_unknown_model_are_a_grid_only_if_nothing_is_left_over() -> None:
    images = torch.randn(2, 3, 16, 8)
    model = Tokens(0).eval()
    found = explain(model, images, "norm", target=1, methods=ALL)
    expected = by_hand(model, images, "norm", lambda t: t.transpose(1, 2).unflatten(2, (4, 2)))
    assert_equal_maps(found.raw, expected)
    with pytest.raises(LayoutError, match=r"\(2, 9, 6\) for images of \(16, 8\): no grid"):
        explain(Tokens(1).eval(), images, "norm", target=1)


def test_an_arrangement_of_one_s_own(images: Tensor) -> None:
    model = Tokens(1).eval()

    def to_grid(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (3, 3))

    found = explain(model, images, "norm", target=1, methods=ALL, arrange=to_grid)
    assert_equal_maps(found.raw, by_hand(model, images, "norm", to_grid))
    classes = explain_classes(model, images, "norm", arrange=to_grid, methods=ALL)
    assert_equal_maps(classes.of(1).raw, found.raw)


# C: one cell


def test_a_layer_of_one_cell_is_refused(images: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    with pytest.raises(NothingCapturedError, match="one cell per channel"):
        explain(model, images, "1")


# E: several uses


class Siamese(nn.Module):
    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.trunk(left) - 2 * self.trunk(right)


def test_the_uses_of_a_layer_are_summed_with_a_warning_or_kept_apart(
    net: nn.Module, images: Tensor
) -> None:
    model, pair = Siamese(net).eval(), (images, images.flip(0))
    apart = explain(model, pair, "trunk.last", target=1, methods=ALL, uses="each")
    assert apart.uses == 2
    left = explain(net, pair[0], "last", target=1, methods=ALL)
    right = explain(net, pair[1], "last", target=lambda logits: -2 * logits[:, 1], methods=ALL)
    for use, alone in enumerate((left, right)):
        assert_equal_maps({name: raw[:, use] for name, raw in apart.raw.items()}, alone.raw)
        assert torch.equal(apart.empty["grad_cam"][:, use], alone.empty["grad_cam"])
        torch.testing.assert_close(apart.maps["layer_cam"][:, use], alone.maps["layer_cam"])
    with pytest.warns(ExplainWarning, match="ran 2 times"):
        summed = explain(model, pair, "trunk.last", target=1, methods=ALL)
    assert_equal_maps(summed.raw, {name: raw.sum(1) for name, raw in apart.raw.items()})


# F: what a model holds for each image


class Conditioned(nn.Module):
    """Keeps a factor for every image of the batch that it was told of."""

    def __init__(self, net: nn.Module, kind: str, factors: Tensor) -> None:
        super().__init__()
        self.net, self.kind = net, kind
        if kind == "buffer":
            self.register_buffer("factors", factors)
        else:
            self.factors = {"tensor": factors, "list": list(factors), "dict": {"a": factors}}[kind]

    def forward(self, images: Tensor) -> Tensor:
        held = self.factors["a"] if self.kind == "dict" else self.factors
        held = torch.stack(held) if self.kind == "list" else held
        return self.net(images) * held[torch.arange(len(images))][:, None]


@pytest.mark.parametrize("kind", ["buffer", "tensor", "list", "dict"])
def test_a_model_that_holds_something_for_each_image_sees_the_whole_batch(
    net: nn.Module, kind: str
) -> None:
    images, factors = torch.randn(2 * MICRO_BATCH, 3, 12, 12), torch.arange(1.0, 17.0)
    model = Conditioned(net, kind, factors).eval()
    found = explain(model, images, "net.last", target=1).raw["grad_cam"]
    plain = explain(net, images, "last", target=1).raw["grad_cam"]
    torch.testing.assert_close(found, plain * factors[:, None, None])


def test_a_callable_target_may_declare_that_it_can_be_cut(net: nn.Module) -> None:
    class Margin:
        sizes: list[int] = []

        def __call__(self, logits: Tensor) -> Tensor:
            self.sizes.append(len(logits))
            return logits[:, 1] - logits[:, 0]

        def parts(self, count: int, size: int) -> list["Margin"]:
            return [self] * -(-count // size)

    images = torch.randn(20, 3, 12, 12)
    found = explain(net, images, "last", target=Margin()).raw["grad_cam"]
    assert Margin.sizes == [8, 8, 4]
    whole = explain(net, images, "last", target=lambda logits: logits[:, 1] - logits[:, 0])
    torch.testing.assert_close(found, whole.raw["grad_cam"])


# G: detectors


def test_a_detector_s_resizing_and_padding_are_undone() -> None:
    torch.manual_seed(0)
    model = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(
        weights=None, weights_backbone=None, num_classes=3, min_size=64, max_size=96
    ).eval()
    image = torch.rand(3, 40, 50)

    def strongest(output: list[dict[str, Tensor]]) -> Tensor:
        return torch.stack([part["scores"].sum() for part in output])

    found = explain(model, [image], "backbone.body.13", target=strongest)
    canvas = found.canvas
    assert canvas.size[0] % 32 == canvas.size[1] % 32 == 0
    height, width = canvas.contents[0]
    assert (height, width) != canvas.size
    raw = found.raw["grad_cam"].relu()
    full = nn.functional.interpolate(raw[:, None], canvas.size, mode="bilinear")
    cut = nn.functional.interpolate(full[..., :height, :width], (40, 50), mode="bilinear")[:, 0]
    torch.testing.assert_close(
        found.maps["grad_cam"], (cut - cut.min()) / (cut.max() - cut.min()), rtol=1e-4, atol=1e-5
    )


# saturation


def test_a_saturated_score_is_said_to_be(net: nn.Module, images: Tensor) -> None:
    model = Wrapped(net).eval()
    model.after = lambda logits: (1e4 * logits + 1e6).sigmoid()
    with pytest.warns(ExplainWarning, match="saturated, by a sigmoid"):
        explain(model, images, "net.last", target=1)


def test_several_layers_of_different_layouts_from_one_pass() -> None:
    model, images = swin(), torch.randn(2, 3, 32, 32, dtype=torch.float64)
    layers = ["features.0.0", "features.1", "norm"]
    together = explain_layers(model, images, layers, target=1, methods=ALL)
    for layer in layers:
        assert_equal_maps(
            together[layer].raw, explain(model, images, layer, target=1, methods=ALL).raw
        )
