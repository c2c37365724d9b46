"""The named layers exist and are what their roles say."""

import pytest
import torch
from torch import nn

from xaihelpers import networks
from xaihelpers.networks import LAYERS, SIGNED

POOL = {
    "efficientnet_b0": "avgpool",
    "vgg19": "pool",
    "vgg16": "avgpool",
    "resnet50": "avgpool",
    "resnet18": "avgpool",
    "efficientnet_lite0": "global_pool",
}
ALL = (*networks.ARCHITECTURES, "efficientnet_lite0")


@pytest.mark.parametrize("arch", ALL)
def test_the_table_covers_the_roles_every_chapter_uses(arch: str) -> None:
    table = networks.layer_table(arch).set_index("role")
    assert {"last", "last_conv", "stage4", "stage3", "stage2"} <= set(table.index)
    grids = table.loc[["last", "stage4", "stage3", "stage2"], "grid"].tolist()
    assert grids == ["7x7", "14x14", "28x28", "56x56"]


@pytest.mark.parametrize("arch", ALL)
def test_last_conv_is_a_convolution(arch: str) -> None:
    with torch.device("meta"):
        model = networks.build(arch, 2)
    assert isinstance(model.get_submodule(LAYERS[arch]["last_conv"]), nn.Conv2d)


@pytest.mark.parametrize("arch", sorted(POOL))
def test_last_is_exactly_what_feeds_the_pooling(arch: str) -> None:
    model, seen = networks.build(arch, 2).eval(), {}
    last, pool = model.get_submodule(LAYERS[arch]["last"]), model.get_submodule(POOL[arch])
    last.register_forward_hook(lambda _m, _i, output: seen.update(last=output))
    pool.register_forward_pre_hook(lambda _m, inputs: seen.update(pool=inputs[0]))
    with torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
    assert seen["last"] is seen["pool"]


@pytest.mark.parametrize("arch", LAYERS)
def test_exactly_the_layers_marked_as_signed_give_negative_values(arch: str) -> None:
    model, lowest = networks.build(arch, 2).eval(), {}
    for role, name in LAYERS[arch].items():
        model.get_submodule(name).register_forward_hook(
            lambda _m, _i, output, role=role: lowest.update({role: float(output.min())})
        )
    with torch.no_grad():
        model(torch.randn(1, 3, 64, 64))
    assert {role for role, value in lowest.items() if value < 0} == SIGNED[arch]


def test_the_table_follows_the_image_size() -> None:
    table = networks.layer_table("resnet50", size=448).set_index("role")
    assert table.loc["last", "grid"] == "14x14"
    assert table.loc["last", "channels"] == 2048


def test_an_architecture_without_a_table_is_refused() -> None:
    with pytest.raises(networks.ArchitectureError, match="resnet50"):
        networks.layer_table("resnet34")
