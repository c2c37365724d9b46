"""The classifiers compute what torchvision's do, and leave no trace."""

from urllib.error import URLError

import pytest
import torch
from torch import nn
from torchvision import models

from xaihelpers import networks
from xaihelpers.networks import classifiers


@pytest.mark.parametrize("arch", [*networks.ARCHITECTURES, "efficientnet_lite0"])
def test_every_architecture_gives_one_logit_per_class(arch: str) -> None:
    model = networks.build(arch, 5).eval()
    with torch.no_grad():
        assert model(torch.randn(2, 3, 32, 32)).shape == (2, 5)


def test_densenet_has_torchvisions_state_dict_and_logits() -> None:
    ours = networks.build("densenet121", 7).eval()
    theirs = models.densenet121(num_classes=7).eval()
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-6)


def test_densenets_final_relu_feeds_the_pooling() -> None:
    model = networks.build("densenet121", 4).eval()
    seen = []
    model.final_relu.register_forward_hook(lambda _m, _i, output: seen.append(output))
    with torch.no_grad():
        logits = model(torch.randn(1, 3, 64, 64))
        again = model.classifier(seen[0].mean((2, 3)))
    assert seen[0].min() >= 0
    torch.testing.assert_close(logits, again)


def test_vgg19_has_the_retinopathy_head() -> None:
    head = networks.build("vgg19", 5).head
    kinds = [type(layer) for layer in head]
    assert kinds == [nn.Linear, nn.ELU, nn.Dropout, nn.Linear]
    assert (head[0].in_features, head[0].out_features, head[3].out_features) == (512, 256, 5)
    assert head[2].p == 0.3


def test_vgg19_convolutions_are_torchvisions() -> None:
    ours = {k: v.shape for k, v in networks.build("vgg19", 5).features.state_dict().items()}
    with torch.device("meta"):
        theirs = {k: v.shape for k, v in models.vgg19().features.state_dict().items()}
    assert ours == theirs


@pytest.mark.parametrize(("arch", "parameters"), [("vgg16", 138_357_544), ("resnet18", 11_689_512)])
def test_a_thousand_classes_give_the_parameter_count_that_papers_quote(
    arch: str, parameters: int
) -> None:
    with torch.device("meta"):
        model = networks.build(arch, 1000)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters


def test_vgg16_is_torchvisions_plain_or_with_batch_norm() -> None:
    with torch.device("meta"):
        for arch, theirs in (("vgg16", models.vgg16()), ("vgg16_bn", models.vgg16_bn())):
            ours = networks.build(arch, 1000).state_dict()
            shapes = {name: tensor.shape for name, tensor in theirs.state_dict().items()}
            assert {name: tensor.shape for name, tensor in ours.items()} == shapes


@pytest.mark.parametrize("arch", ["vgg19", "vgg16"])
def test_folding_batch_norm_keeps_the_logits(arch: str) -> None:
    trained = networks.build(f"{arch}_bn", 5)
    if arch == "vgg16":
        trained.classifier = nn.Linear(25088, 5)  # its own would take seconds
    for layer in trained.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias)
    trained.double().eval()
    plain = networks.fold_batch_norm(trained)
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in plain.modules())
    with torch.no_grad():
        torch.testing.assert_close(plain.double()(images), trained(images), rtol=1e-5, atol=1e-5)


def test_folding_leaves_the_trained_network_alone() -> None:
    trained = networks.build("vgg19_bn", 2)
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    networks.fold_batch_norm(trained)
    assert trained.training
    assert all(torch.equal(before[name], value) for name, value in trained.state_dict().items())


def test_a_fresh_efficientnet_starts_gently() -> None:
    model = networks.build("efficientnet_b0", 5)
    assert model.classifier[-1].weight.std() < 0.012
    second_block_of_stage_two = model.features[2][1].block
    assert torch.all(second_block_of_stage_two[-1][1].weight == 0.2)
    assert torch.all(model.features[2][0].block[-1][1].weight == 1.0)  # no residual there


def test_normalize_gives_the_imagenet_scale() -> None:
    images = torch.tensor([0, 128, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    expected = torch.tensor([-0.485 / 0.229, (128 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225])
    torch.testing.assert_close(networks.normalize(images).flatten(), expected)


def test_normalize_refuses_images_that_are_not_uint8() -> None:
    with pytest.raises(TypeError, match="uint8"):
        networks.normalize(torch.rand(1, 3, 4, 4))


def test_normalize_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(N, 3, H, W\)"):
        networks.normalize(torch.zeros(3, 4, 4, dtype=torch.uint8))


def test_predict_in_parts_equals_predict_at_once_and_restores_the_mode(tiny, patches) -> None:
    model, images = tiny(), patches(10).images
    model[1].eval()
    flags = [module.training for module in model.modules()]
    parts, whole = networks.predict(model, images, batch_size=3), networks.predict(model, images)
    torch.testing.assert_close(parts, whole)
    assert not parts.requires_grad
    assert [module.training for module in model.modules()] == flags


def test_predict_refuses_an_empty_batch(tiny) -> None:
    with pytest.raises(ValueError, match="empty batch"):
        networks.predict(tiny(), torch.zeros(0, 3, 8, 8, dtype=torch.uint8))


def test_an_unknown_architecture_names_the_known_ones() -> None:
    with pytest.raises(networks.ArchitectureError, match="efficientnet_b0, vgg19"):
        networks.build("alexnet", 5)


def test_no_classes_are_refused() -> None:
    with pytest.raises(networks.ArchitectureError, match="at least 1"):
        networks.build("vgg19", 0)


def test_imagenet_weights_that_cannot_be_had_say_what_to_do(monkeypatch) -> None:
    def offline(*_args: object, **_kwargs: object) -> None:
        raise URLError("no route")

    monkeypatch.setattr(classifiers.models, "get_model", offline)
    with pytest.raises(networks.WeightsUnavailableError, match="weights=None"):
        networks.build("resnet50", 5, weights="imagenet")


def test_imagenet_weights_fill_all_but_the_head(monkeypatch) -> None:
    torch.manual_seed(3)
    source = models.densenet121()
    monkeypatch.setattr(classifiers.models, "get_model", lambda *_a, **_k: source)
    model = networks.build("densenet121", 3, weights="imagenet")
    assert torch.equal(model.features.conv0.weight, source.features.conv0.weight)
    assert model.classifier.out_features == 3


def test_copy_weights_names_what_it_left_out(tiny) -> None:
    source, target = tiny(), tiny()
    target[-1] = nn.Linear(8, 4)
    nn.init.zeros_(target[0].weight)
    assert networks.copy_weights(source, target) == ["6.weight", "6.bias"]
    assert torch.equal(target[0].weight, source[0].weight)
